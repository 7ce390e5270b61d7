"""A frozen EfficientNetV2 trunk without batch normalisation and dropout: the same answers, sooner.

At inference batch normalisation is an affine map of each channel, so it is folded into the convolution before it; a
frozen trunk's dropout does nothing.
"""

from collections.abc import Callable

import numpy as np


def fold(trunk):
    """Rebuild a frozen trunk for inference.

    Args:
        trunk: functional keras.Model in which every batch normalisation follows a convolution of its own.

    Returns:
        keras.Model with the same input, output and layer names, in float32 rounding of the same function; no layer of
        it is trainable.
    """
    import keras

    norms = {
        _layer_before(layer).name: layer for layer in trunk.layers if isinstance(layer, keras.layers.BatchNormalization)
    }
    skipped = (keras.layers.BatchNormalization, keras.layers.Dropout)

    def clone(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Normalization):
            return _as_rescaling(layer)
        # Whoever opens a file with this graph would draw random numbers only to overwrite them.
        config |= {key: "zeros" for key in ("kernel_initializer", "depthwise_initializer") if key in config}
        if layer.name in norms:
            config["use_bias"] = True
        return type(layer).from_config(config)

    def call(layer, x, *arguments, training=None, **options):
        return x if isinstance(layer, skipped) else layer(x, *arguments, **options)

    folded = keras.models.clone_model(trunk, clone_function=clone, call_function=call)
    for layer in folded.layers:
        if layer.name in norms:
            layer.set_weights(_folded_weights(trunk.get_layer(layer.name), norms[layer.name]))
        elif layer.weights:
            layer.set_weights(trunk.get_layer(layer.name).get_weights())
    folded.trainable = False
    return folded


def compiled(folded, change: Callable | None = None):
    """A folded trunk as one compiled function.

    Args:
        folded: what `fold` gave.
        change: (images (B, S, S, 3) float32, seed (2,) int32) -> images, done before the trunk; None leaves them.

    Returns:
        (images (B, S, S, 3) uint8, seed (2,) int32) -> (B, C) float32 features, a tensor; any thread may call it.
    """
    import tensorflow as tf

    def features(images, seed):
        images = tf.cast(images, tf.float32)
        return folded(images if change is None else change(images, seed), training=False)

    # One trace whatever the batch.
    signature = [tf.TensorSpec((None, *folded.input_shape[1:]), tf.uint8), tf.TensorSpec((2,), tf.int32)]
    return tf.function(features, input_signature=signature)


def _as_rescaling(normalization):
    """The same map without constants outside the graph's own, which tf2onnx would take for inputs."""
    import keras

    config = normalization.get_config()
    scale = 1 / np.sqrt(np.asarray(config["variance"], np.float64))
    offset = -np.asarray(config["mean"], np.float64) * scale
    return keras.layers.Rescaling(scale.ravel().tolist(), offset.ravel().tolist(), name=normalization.name)


def _layer_before(layer):
    return layer.input._keras_history.operation


def _folded_weights(convolution, norm) -> list[np.ndarray]:
    """Kernel and bias of a convolution followed by its batch normalisation."""
    import keras

    kernel, *bias = (value.astype(np.float64) for value in convolution.get_weights())
    mean, variance = (np.asarray(value, np.float64) for value in (norm.moving_mean, norm.moving_variance))
    gamma = np.asarray(norm.gamma, np.float64) if norm.scale else np.ones_like(mean)
    beta = np.asarray(norm.beta, np.float64) if norm.center else np.zeros_like(mean)
    gain = gamma / np.sqrt(variance + norm.epsilon)
    shift = beta + ((bias[0] if bias else 0.0) - mean) * gain
    depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)  # its kernel is (k, k, C, 1)
    return [kernel * (gain[:, None] if depthwise else gain), shift]
