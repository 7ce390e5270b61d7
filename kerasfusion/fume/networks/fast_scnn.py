"""Fast-SCNN: a small encoder with two outputs and a segmentation head that fuses them.

Poudel, Liwicki, Cipolla, "Fast-SCNN: Fast Semantic Segmentation Network", arXiv 1902.04502, in the widths of FUME
(taminulislam/fume, arXiv 2601.08205): 1,071,888 trainable parameters in the encoder (one input channel), 69,987 in the
head.

Padding is PyTorch's (one pixel on each side, also at stride 2), so that weights trained there can be taken over.
"""

import keras
import numpy as np
from keras import layers, ops

STRIDE = 8
"""Side of the square of pixels that one value of the encoder's detail stands for; of its context it is four times."""

DETAIL_CHANNELS, CONTEXT_CHANNELS = 64, 128
POOLED_SIZES = (1, 2, 3, 6)
BOTTLENECKS = ((64, 2, 3), (96, 2, 3), (128, 1, 3))
"""The global feature extractor: filters, stride of the first, number of inverted residuals."""


def build_encoder(height: int, width: int, channels: int = 1, name: str = "encoder") -> keras.Model:
    """The encoder: learning to downsample, global feature extractor, pyramid pooling (arXiv 1902.04502, table 1).

    Args:
        height, width: of the frames, divisible by 8.
        channels: 1, or 2 for both gases at once.
        name: of the nested model.

    Returns:
        (B, height, width, channels) float32, about -1..1 -> {"detail": (B, height/8, width/8, 64), "context":
        (B, height/32, width/32, 128), rounded up}, both float32 >= 0.
    """
    frame = keras.Input((height, width, channels), name="frame")
    x = normalised(_conv(frame, 32, kernel=3, stride=2), "relu")
    x = separable(x, 48, stride=2)
    detail = x = separable(x, DETAIL_CHANNELS, stride=2)
    for filters, stride, count in BOTTLENECKS:
        for number in range(count):
            x = _bottleneck(x, filters, 1 if number else stride)
    return keras.Model(frame, {"detail": detail, "context": _pyramid_pooling(x)}, name=name)


def segmentation_head(detail, context, n_classes: int, name: str):
    """Feature fusion, two separable convolutions, a 1x1 one, and bilinear enlargement to the frames' size.

    Args:
        detail: (B, H/8, W/8, 64).
        context: (B, H/32, W/32, 128), rounded up.
        n_classes: of the pixels.
        name: of the output layer.

    Returns:
        (B, H, W, n_classes) float32 logits.
    """
    x = _feature_fusion(detail, context)
    x = separable(separable(x, CONTEXT_CHANNELS), CONTEXT_CHANNELS)
    x = layers.SpatialDropout2D(0.1)(x)
    x = layers.Conv2D(n_classes, 1, dtype="float32")(x)
    return layers.UpSampling2D(8, interpolation="bilinear", dtype="float32", name=name)(x)


def normalised(x, activation: str | None = None):
    """Batch normalisation with PyTorch's constants, and an activation."""
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    return x if activation is None else layers.Activation(activation)(x)


def separable(x, filters: int, stride: int = 1):
    """A 3x3 depthwise convolution, a 1x1 one, normalisation, ReLU; nothing between the two convolutions."""
    return normalised(_conv(_depthwise(x, stride), filters), "relu")


def _bottleneck(x, filters: int, stride: int):
    """Inverted residual with a linear end (Sandler et al., arXiv 1801.04381), expansion 6."""
    shortcut, channels = x, x.shape[-1]
    x = normalised(_conv(x, 6 * channels), "relu6")
    x = normalised(_depthwise(x, stride), "relu6")
    x = normalised(_conv(x, filters))
    return layers.Add()([shortcut, x]) if stride == 1 and filters == channels else x


def _pyramid_pooling(x):
    """Averages over 1, 2, 3 and 6 bins a side beside the features themselves (Zhao et al., arXiv 1612.01105)."""
    height, width = x.shape[1:3]
    pooled = []
    for size in POOLED_SIZES:
        bins = ops.einsum("ph,bhwc->bpwc", adaptive_bins(height, size), x)
        bins = ops.einsum("pw,bhwc->bhpc", adaptive_bins(width, size), bins)
        bins = layers.Conv2D(CONTEXT_CHANNELS // 4, 1, activation="relu")(bins)
        pooled.append(_enlarged(bins, height, width))
    return normalised(_conv(layers.Concatenate()([x, *pooled]), CONTEXT_CHANNELS), "relu")


def adaptive_bins(length: int, bins: int) -> np.ndarray:
    """Weights that average a line of pixels in bins as PyTorch's adaptive average pooling does.

    Bin i covers the pixels floor(i length / bins) to ceil((i + 1) length / bins); neighbours may share one.

    Returns:
        (bins, length) float32, rows sum to 1.
    """
    weights = np.zeros((bins, length), np.float32)
    for row in range(bins):
        start, end = row * length // bins, -(-(row + 1) * length // bins)
        weights[row, start:end] = 1 / (end - start)
    return weights


def _feature_fusion(detail, context):
    """Detail and context, added and weighted channel by channel (squeeze and excitation, arXiv 1709.01507)."""
    height, width = detail.shape[1:3]
    # A 1x1 convolution without bias may come before the enlargement: both are linear, and this one acts on each pixel
    # alone. It then has a sixteenth of the pixels to work on.
    context = normalised(_enlarged(_conv(context, CONTEXT_CHANNELS), height, width))
    detail = separable(detail, CONTEXT_CHANNELS)
    fused = layers.Activation("relu")(layers.Add()([detail, context]))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(fused)
    gate = layers.Dense(CONTEXT_CHANNELS // 4, activation="relu")(gate)
    gate = layers.Dense(CONTEXT_CHANNELS, activation="sigmoid")(gate)
    return layers.Multiply()([fused, gate])


def _conv(x, filters: int, kernel: int = 1, stride: int = 1):
    return layers.Conv2D(filters, kernel, stride, use_bias=False)(_padded(x) if kernel == 3 else x)


def _depthwise(x, stride: int):
    if stride == 1:
        return layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    return layers.DepthwiseConv2D(3, stride, use_bias=False)(_padded(x))


def _padded(x):
    return layers.ZeroPadding2D(1)(x)


def _enlarged(x, height: int, width: int):
    # Not layers.Resizing: what follows it would take itself to be in training wherever a caller does not say.
    return ops.image.resize(x, (height, width), interpolation="bilinear", data_format="channels_last")
