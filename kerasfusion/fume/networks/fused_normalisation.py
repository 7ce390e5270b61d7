"""Batch normalisation by TensorFlow's fused kernel, for training alone.

Keras' own layer works its moments out in separate operations, which took half of a training step on a CPU. The
copy that learns has the fused layer; the network that is saved keeps Keras' own, with the same weights.
"""

import keras
from keras import layers


class FusedBatchNormalization(layers.BatchNormalization):
    """BatchNormalization of (B, H, W, C) over its last axis; the same numbers as Keras', up to rounding."""

    def call(self, inputs, training=None, mask=None):
        """Normalise by the batch and move the statistics in training, else do what Keras does."""
        if not training or not self.trainable:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        output, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma.value, self.beta.value, epsilon=self.epsilon, is_training=True
        )
        count = tf.cast(tf.size(inputs) / self.gamma.shape[0], variance.dtype)
        variance *= (count - 1) / count  # the kernel gives the unbiased variance, Keras keeps the biased one
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return output


def with_fused_normalisation(network: keras.Model) -> keras.Model:
    """A copy of a network, weights and precision copied, whose batch normalisation is fused."""

    def copied(layer):
        kind = FusedBatchNormalization if type(layer) is layers.BatchNormalization else type(layer)
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=copied, recursive=True)
    copy.set_weights(network.get_weights())
    copy.dtype_policy = network.dtype_policy  # clone_model loses it, and by it Keras scales the loss of float16
    return copy
