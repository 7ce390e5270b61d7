"""Fusion of the two gases' context by attention, for samples that have both; arXiv 2601.08205, section 3.

Every attention's share is multiplied by a learned number that starts at 0, so that training begins with the features
as they are. A bias-free Dense(1) on a column of flags is that number in a built-in layer.
"""

from keras import layers, ops

from kerasfusion.fume.networks.fast_scnn import normalised

CHANNELS = 128


def fuse_by_attention(co2, ch4, presence):
    """Self-attention within each gas, cross-attention between them, channel attention over both, 3x3 to 128 channels.

    Whether a sample gets cross-attention depends on its own flags alone.

    Args:
        co2, ch4: (B, h, w, 128) context of each gas.
        presence: (B, 2) float32, 1 where the sample has [CO2, CH4].

    Returns:
        (B, h, w, 128) float32 >= 0.
    """
    height, width = co2.shape[1:3]
    flags = presence[:, :1], presence[:, 1:]
    both = layers.Multiply()(flags)
    streams = [
        _self_attention(_tokens(layers.Multiply()([features, _column(flag)])), ops.ones_like(flag), name)
        for features, flag, name in zip((co2, ch4), flags, ("co2", "ch4"), strict=True)
    ]
    streams = _cross_attention(*streams, both)
    fused = ops.reshape(layers.Concatenate()(streams), (-1, height, width, 2 * CHANNELS))
    fused = _channel_attention(fused)
    return normalised(layers.Conv2D(CHANNELS, 3, padding="same")(fused), "relu")


def fuse_by_concatenation(co2, ch4):
    """Both gases' context side by side and a 1x1 convolution to 128 channels; arguments and result as above."""
    fused = layers.Conv2D(CHANNELS, 1, use_bias=False)(layers.Concatenate()([co2, ch4]))
    return normalised(fused, "relu")


def _self_attention(x, flag, name: str):
    query, key, value = (layers.Dense(units)(x) for units in (16, 16, CHANNELS))
    return x + _scale(flag, f"{name}_self_attention_scale") * _attend(query, key, value)


def _cross_attention(co2, ch4, both):
    """Each gas asks the other; one set of projections and one scale serve both directions."""
    query, key, value = layers.Dense(64), layers.Dense(64), layers.Dense(CHANNELS)
    scale = _scale(both, "cross_attention_scale")
    from_ch4 = _attend(query(co2), key(ch4), value(ch4))
    from_co2 = _attend(query(ch4), key(co2), value(co2))
    return co2 + scale * from_ch4, ch4 + scale * from_co2


def _attend(query, key, value):
    """softmax(Q K^T) V over (B, tokens, channels); unscaled, as FUME has it."""
    weights = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 2, 1))))
    return ops.matmul(weights, value)


def _channel_attention(x):
    """Squeeze and excitation (arXiv 1709.01507) over the 256 channels, reduction 16."""
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(2 * CHANNELS // 16, activation="relu")(gate)
    return layers.Multiply()([x, layers.Dense(2 * CHANNELS, activation="sigmoid")(gate)])


def _scale(flag, name: str):
    """(B, 1, 1): the learned number where the flag is 1, and 0 where it is 0."""
    return ops.expand_dims(layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name)(flag), -1)


def _column(flag):
    return ops.reshape(flag, (-1, 1, 1, 1))


def _tokens(x):
    return ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3]))
