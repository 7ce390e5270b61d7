import keras
import pytest
from keras import layers, ops

from kerasfusion.fume.networks.architectures import build_network
from kerasfusion.fume.networks.macs import count_macs

pytestmark = pytest.mark.trains


def test_products_are_counted_by_hand():
    frame = keras.Input((8, 10, 2), name="frame")
    x = layers.Conv2D(3, 3, strides=2, padding="same")(frame)  # 4 x 5 x 3 values of 3 x 3 x 2
    x = layers.DepthwiseConv2D(3, padding="same")(x)  # 4 x 5 x 3 of 3 x 3
    tokens = ops.reshape(x, (-1, 20, 3))
    query = layers.Dense(7)(tokens)  # 20 x 7 of 3
    scores = ops.matmul(query, ops.transpose(query, (0, 2, 1)))  # 20 x 20 of 7
    mixed = ops.einsum("bij,bjc->bic", ops.softmax(scores), tokens)  # 20 x 3 of 20
    out = layers.Dense(5)(layers.GlobalAveragePooling1D()(mixed))  # 5 of 3
    expected = 4 * 5 * 3 * 18 + 4 * 5 * 3 * 9 + 20 * 7 * 3 + 20 * 20 * 7 + 20 * 3 * 20 + 5 * 3
    assert count_macs(keras.Model({"frame": frame}, {"out": out})) == expected


def test_a_layer_that_works_on_both_gases_counts_twice():
    inputs = {gas: keras.Input((4, 6, 1), name=gas) for gas in ("co2", "ch4")}
    shared = layers.Conv2D(2, 1)(layers.Concatenate(axis=0)(list(inputs.values())))
    co2, ch4 = ops.split(shared, 2, axis=0)
    assert count_macs(keras.Model(inputs, {"co2": co2, "ch4": ch4})) == 2 * 4 * 6 * 2


def test_the_published_network_takes_what_was_published():
    """1.97 GMACs a pair are published for it. Here the 1x1 convolution of the context comes before the enlargement,
    which is the same function with 128 x 128 products on 20 x 15 instead of 80 x 60 pixels, for each gas; with the rest
    that counters for PyTorch add (normalisation, pooling), 6 % are left."""
    macs = count_macs(build_network("FUMEFastSCNNConcat", 480, 640))
    as_published = macs + 2 * 128 * 128 * (80 * 60 - 20 * 15)
    assert as_published == pytest.approx(1.97e9, rel=0.06)
