"""AdamW over one vector: beside Keras' own, weight by weight."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasfusion.fume.fit.flat_adamw import FlatAdamW


def network():
    keras.utils.set_random_seed(3)
    inputs = layers.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


def trained(kind, steps, **settings):
    model = network()
    rate = keras.optimizers.schedules.CosineDecay(0.02, 10, 0.1)
    model.compile(kind(rate, weight_decay=0.1, beta_1=0.8, beta_2=0.95, **settings), "mse", jit_compile=False)
    random = np.random.default_rng(5)
    inputs, targets = random.normal(size=(8, 6, 6, 2)), 10 * random.normal(size=(8, 3))
    model.fit(inputs, targets, batch_size=4, epochs=steps // 2, shuffle=False, verbose=0)
    return model


@pytest.mark.trains
@pytest.mark.parametrize("clipping", [{}, {"global_clipnorm": 0.5}])
def test_weights_are_those_of_keras_own(clipping):
    ours, theirs = trained(FlatAdamW, 6, **clipping), trained(keras.optimizers.AdamW, 6, **clipping)
    for began, one, other in zip(network().get_weights(), ours.get_weights(), theirs.get_weights(), strict=True):
        assert np.abs(one - began).max() > 1e-3
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_step_by_hand():
    """The first step of Adam goes by the rate whatever the gradient; before it the weight decays."""
    weights = [keras.Variable(np.float32([[1.0, -2.0]])), keras.Variable(np.float32([3.0]))]
    optimizer = FlatAdamW(0.5, weight_decay=0.1, epsilon=0.0)
    optimizer.build(weights)
    optimizer.apply([np.float32([[4.0, -0.25]]), np.float32([100.0])], weights)
    np.testing.assert_allclose(weights[0].numpy(), [[1 * 0.95 - 0.5, -2 * 0.95 + 0.5]], rtol=1e-5)
    np.testing.assert_allclose(weights[1].numpy(), [3 * 0.95 - 0.5], rtol=1e-5)
    assert sum(np.prod(moments.shape) for moments in optimizer.variables if len(moments.shape)) == 2 * 3
