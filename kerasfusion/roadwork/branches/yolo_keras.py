"""A trained Ultralytics classifier (yolov8, yolo11, yolo26 `-cls`) as a Keras graph, without torch or ultralytics.

The network is rebuilt from the module tree inside `best.pt`, part by part, so that sizes n to x, class counts and image
sizes need no tables. Architecture: the modules' descriptions at https://docs.ultralytics.com/reference/nn/modules/block
(C2f, C3k2, C2PSA: cross-stage partial networks, Wang et al., arXiv 1911.11929; the attention is that of Vaswani et al.,
arXiv 1706.03762, eq. 1). Batch normalisation is folded into the convolution before it: at inference both are one
affine map. Kernels start as zeros, since opening a file would draw random numbers only to overwrite them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.torch_file import Box, read_torch_file
from kerasfusion.files.weights_check import refuse_nonfinite_model
from kerasfusion.roadwork.data.dataset import class_order


@dataclass(frozen=True)
class YoloCheckpoint:
    """What a `.pt` file says about its classifier.

    Attributes:
        path: the file.
        sha256: its digest (hex).
        image_size: side of the square input that it was trained at, pixels.
        names: the classes in the order of the network's outputs.
        network: the modules.
    """

    path: Path
    sha256: str
    image_size: int
    names: tuple[str, ...]
    network: Box


def read_checkpoint(path: Path) -> YoloCheckpoint:
    """Read a classifier that ultralytics trained; of a checkpoint with averaged (EMA) weights, these.

    Raises:
        RequestError: not there, not a weights file, hostile, or not a classifier.
    """
    saved = read_torch_file(path)
    network = (saved.get("ema") or saved.get("model")) if isinstance(saved, dict) else None
    if not isinstance(network, Box) or network.kind != "ClassificationModel":
        raise RequestError(
            f"the file holds no YOLO classifier but {network.kind if isinstance(network, Box) else 'something else'}",
            where=path,
            expected="a checkpoint that ultralytics wrote when it trained a -cls model",
        )
    _refuse_other_pixels(network, path)
    names = network.state["names"]
    return YoloCheckpoint(
        path=path,
        sha256=file_sha256(path),
        image_size=_image_size(saved, network, path),
        names=tuple(names[index] for index in range(len(names))),
        network=network,
    )


def build_yolo(checkpoint: YoloCheckpoint):
    """The classifier as one Keras model with roadwork's two classes in their order.

    Returns:
        keras.Model: `yolo_image` (B, S, S, 3) float32 RGB 0..255 -> `yolo` (B, 2) float32 probabilities in the order
        of CLASS_NAMES.

    Raises:
        RequestError: other classes, or a network of modules that are not known here.
    """
    columns = class_order(checkpoint.names, checkpoint.path)
    return build_network(checkpoint, checkpoint.image_size, columns)


def build_network(checkpoint: YoloCheckpoint, image_size: int, columns: tuple[int, ...] | None = None):
    """The classifier as a Keras model for any class count and image size.

    Args:
        checkpoint: from `read_checkpoint`.
        image_size: side of the square input, pixels; a multiple of 32.
        columns: which of the file's classes to give, in which order; None gives all. Probabilities are among these.

    Returns:
        keras.Model: `yolo_image` (B, S, S, 3) float32 RGB 0..255 -> `yolo` (B, C) float32 probabilities.
    """
    import keras

    image = keras.Input((image_size, image_size, 3), name="yolo_image", dtype="float32")
    x = keras.layers.Rescaling(1 / 255, name="yolo_rescaling")(image)
    try:
        *backbone, head = checkpoint.network["model"].parts()
        for module in backbone:
            x = _apply(module, x)
        probs = _classify(head, x, columns)
    except KeyError as error:
        raise RequestError(
            f"the YOLO network has a part that is not known here: {error}",
            where=checkpoint.path,
            expected="a yolov8, yolo11 or yolo26 classifier",
        ) from error
    model = keras.Model(image, probs, name="yolo_branch")
    refuse_nonfinite_model(model, checkpoint.path)
    return model


def _apply(module: Box, x):
    return MODULES[module.kind](module, x)


def _sequential(module: Box, x):
    for part in module.parts():
        x = _apply(part, x)
    return x


def _convolution(module: Box, x):
    """Convolution, batch normalisation, SiLU (or nothing)."""
    import keras

    conv = module["conv"]
    kernel, bias = _folded(module)
    stride, groups = conv.state["stride"][0], conv.state["groups"]
    # torch pads k // 2 on every side, also at stride 2, where "same" would pad on one side alone.
    if stride > 1:
        x = keras.layers.ZeroPadding2D(conv.state["padding"])(x)
    options = {"strides": stride, "padding": "valid" if stride > 1 else "same"}
    if groups == 1:
        layer = keras.layers.Conv2D(len(bias), kernel.shape[2:], kernel_initializer="zeros", **options)
        kernel = kernel.transpose(2, 3, 1, 0)
    elif groups == len(bias) == x.shape[-1]:
        layer = keras.layers.DepthwiseConv2D(kernel.shape[2:], depthwise_initializer="zeros", **options)
        kernel = kernel.transpose(2, 3, 0, 1)
    else:
        raise KeyError(f"a convolution in {groups} groups")
    x = _with_weights(layer, x, kernel, bias)
    return keras.layers.Activation("silu")(x) if module["act"].kind == "SiLU" else x


def _folded(module: Box) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (out, in / groups, k, k) and bias of the convolution with the batch normalisation folded in, float64."""
    conv = module["conv"]
    kernel = conv["weight"].astype(np.float64)
    bias = conv["bias"].astype(np.float64) if "bias" in conv else np.zeros(len(kernel))
    if "bn" not in module:  # ultralytics has folded it already
        return kernel, bias
    norm = module["bn"]
    mean, variance, gamma, beta = (
        norm[name].astype(np.float64) for name in ("running_mean", "running_var", "weight", "bias")
    )
    gain = gamma / np.sqrt(variance + norm.state["eps"])
    return kernel * gain[:, None, None, None], (bias - mean) * gain + beta


def _bottleneck(module: Box, x):
    y = _apply(module["cv2"], _apply(module["cv1"], x))
    return x + y if module.state["add"] else y


def _c2f(module: Box, x):
    """Split in two, pass one half through a chain of blocks, join the halves and every block's output."""
    import keras

    channels = module.state["c"]
    x = _apply(module["cv1"], x)
    outputs = [x[..., :channels], x[..., channels:]]
    for block in module["m"].parts():
        outputs.append(_apply(block, outputs[-1]))
    return _apply(module["cv2"], keras.layers.Concatenate()(outputs))


def _c3k(module: Box, x):
    """Two 1 x 1 convolutions side by side, one followed by a chain of bottlenecks."""
    import keras

    left, right = _apply(module["m"], _apply(module["cv1"], x)), _apply(module["cv2"], x)
    return _apply(module["cv3"], keras.layers.Concatenate()([left, right]))


def _c2psa(module: Box, x):
    """Split in two, pass one half through attention blocks, join."""
    import keras

    channels = module.state["c"]
    x = _apply(module["cv1"], x)
    attended = _apply(module["m"], x[..., channels:])
    return _apply(module["cv2"], keras.layers.Concatenate()([x[..., :channels], attended]))


def _psa_block(module: Box, x):
    for part in ("attn", "ffn"):
        y = _apply(module[part], x)
        x = x + y if module.state["add"] else y
    return x


def _attention(module: Box, x):
    """Multi-head attention over all positions, plus a depthwise convolution of the values as position encoding."""
    from keras import ops

    _, height, width, channels = x.shape
    heads, key_dim, head_dim = (module.state[name] for name in ("num_heads", "key_dim", "head_dim"))
    qkv = ops.reshape(_apply(module["qkv"], x), (-1, height * width, heads, 2 * key_dim + head_dim))
    q, k, v = qkv[..., :key_dim], qkv[..., key_dim : 2 * key_dim], qkv[..., 2 * key_dim :]
    weights = ops.softmax(ops.einsum("bnhd,bmhd->bhnm", q * module.state["scale"], k))
    attended = ops.reshape(ops.einsum("bhnm,bmhd->bnhd", weights, v), (-1, height, width, channels))
    position = _apply(module["pe"], ops.reshape(v, (-1, height, width, channels)))
    return _apply(module["proj"], attended + position)


def _classify(module: Box, x, columns: tuple[int, ...] | None):
    import keras

    x = keras.layers.GlobalAveragePooling2D()(_apply(module["conv"], x))
    weight, bias = module["linear"]["weight"], module["linear"]["bias"]
    chosen = slice(None) if columns is None else list(columns)
    dense = keras.layers.Dense(len(bias[chosen]), activation="softmax", dtype="float32", name="yolo")
    return _with_weights(dense, x, weight[chosen].T, bias[chosen])


MODULES: dict[str, Callable[[Box, Any], Any]] = {
    "Conv": _convolution,
    "Sequential": _sequential,
    "Bottleneck": _bottleneck,
    "C2f": _c2f,
    "C3k2": _c2f,
    "C3k": _c3k,
    "C2PSA": _c2psa,
    "PSABlock": _psa_block,
    "Attention": _attention,
}


def _with_weights(layer, x, *weights: np.ndarray):
    layer.build(x.shape)
    layer.set_weights([value.astype(np.float32) for value in weights])
    return layer(x)


def _refuse_other_pixels(network: Box, path: Path) -> None:
    """Ultralytics divides pixels by 255 and normalises no further; a checkpoint may hold transforms that do."""
    transforms = network.state.get("transforms")
    for step in transforms.state.get("transforms", ()) if isinstance(transforms, Box) else ():
        if step.kind == "Normalize" and (any(np.ravel(step.state["mean"])) or any(np.ravel(step.state["std"]) != 1)):
            raise RequestError(
                f"the classifier normalises its pixels: mean {step.state['mean']}, std {step.state['std']}",
                where=path,
                expected="pixels in 0..1, as ultralytics' own training leaves it",
            )


def _image_size(saved: dict, network: Box, path: Path) -> int:
    """Where ultralytics keeps it depends on whether the checkpoint is of a training or a published one."""
    for arguments in (saved.get("train_args"), network.state.get("args")):
        if isinstance(arguments, Box):
            arguments = arguments.state
        if arguments and "imgsz" in arguments:
            return int(arguments["imgsz"])
    raise RequestError("the checkpoint does not tell the image size it was trained at", where=path)
