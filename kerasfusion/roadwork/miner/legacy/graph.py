"""The older layout's branches and head as one Keras graph that answers as they did.

    image ---------> ViT ----------------------------------------> vit -------+
    yolo_image ----> YOLO ---------------------------------------> yolo ------+-> head -> fusion
    image_bicubic -> mean and std -> trunk -> classifier -> efficientnetv2 ---+

The older build resized the third branch's photo with Pillow's default filter and normalised it by ImageNet's mean and
std before the network, which normalises once more inside. Its answers were fitted to that, so that it stays.
"""

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.saving import load_network
from kerasfusion.roadwork.branches.efficientnetv2_folded import fold
from kerasfusion.roadwork.branches.ensemble import build_head
from kerasfusion.roadwork.branches.yolo_keras import YoloCheckpoint, build_network
from kerasfusion.roadwork.config import Fusion
from kerasfusion.roadwork.data.dataset import CLASS_NAMES

SIZE = 224
"""Side of the third branch's input, pixels."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, for pixels in 0..1, R, G, B."""


def compose_legacy(branches: dict, head):
    """One model with the answers of branches and head.

    Args:
        branches: {"vit", "yolo", third's name}: a model of one picture each, as `build_vit`, `build_legacy_yolo` and
            `read_branch` give them.
        head: as `read_head` gives it.

    Returns:
        keras.Model: three pictures, float32 RGB 0..255 -> {"fusion", "vit", "yolo", third's name}: (B, 2) each.
    """
    import keras

    inputs = {name: keras.Input(each.input_shape[1:], name=each.inputs[0].name) for name, each in branches.items()}
    answers = {name: each(inputs[name]) for name, each in branches.items()}
    answers = {"fusion": head(answers), **answers}
    outputs = {name: keras.layers.Identity(name=name, dtype="float32")(probs) for name, probs in answers.items()}
    return keras.Model({picture.name: picture for picture in inputs.values()}, outputs, name="fusion")


def read_branch(path, name: str):
    """The third branch.

    Args:
        path: a `.keras` file: keras.applications' network, average-pooled, and a Dense layer of two classes.
        name: of the branch.

    Returns:
        keras.Model: (B, 224, 224, 3) float32 RGB 0..255 -> (B, 2) probabilities. Mean and std are inside.

    Raises:
        RequestError: damaged, hostile, or a network of another kind.
    """
    import keras

    network = load_network(path)
    dense = _two_classes(network, (SIZE, SIZE, 3), path)
    trunk = keras.Model(network.inputs[0], dense.input, name=f"{name}_trunk")
    trunk.trainable = False
    image = keras.Input((SIZE, SIZE, 3), name="image_bicubic", dtype="float32")
    scale, offset = [1 / (255 * std) for std in STD], [-mean / std for mean, std in zip(MEAN, STD, strict=True)]
    pixels = keras.layers.Rescaling(scale, offset, name=f"{name}_rescaling")(image)
    features = (fold(trunk) if _is_foldable(trunk) else trunk)(pixels)
    probs = keras.layers.Dense(len(CLASS_NAMES), activation="softmax", dtype="float32", name=f"{name}_probs")
    branch = keras.Model(image, probs(features), name=f"{name}_branch")
    probs.set_weights(dense.get_weights())
    return branch


def read_head(path, third: str):
    """The head.

    Args:
        path: a `.keras` file: (B, 3) P(roadwork) of ViT, YOLO and the third branch -> (B, 2) probabilities.
        third: the third branch's name.

    Returns:
        keras.Model: {"vit", "yolo", third}: (B, 2) each -> (B, 2).

    Raises:
        RequestError: damaged, hostile, or a network of another kind.
    """
    import keras

    network = load_network(path)
    _two_classes(network, (3,), path)
    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    known = keras.layers.Dense | keras.layers.Dropout | keras.layers.InputLayer
    others = [layer for layer in network.layers if not isinstance(layer, known)]
    if others or len(dense) > 2 or any(layer.activation is not keras.activations.relu for layer in dense[:-1]):
        _refuse(path, "Dense(2, softmax), or Dense(n, relu), Dropout and Dense(2, softmax)")
    kind = {"head": "linear"} if len(dense) == 1 else {"head": "mlp", "hidden": dense[0].units}
    head = build_head(Fusion(l2=0.0, **kind), ("vit", "yolo", third))
    head.set_weights([value for layer in dense for value in layer.get_weights()])
    return head


def build_legacy_yolo(checkpoint: YoloCheckpoint, roadwork_class_index: int):
    """YOLO with roadwork's column chosen by its number, of any number of classes.

    Returns:
        keras.Model: `yolo_image` (B, S, S, 3) float32 RGB 0..255 -> (B, 2): 1 - p and p.
    """
    import keras

    index = class_index(checkpoint, roadwork_class_index)
    if len(checkpoint.names) == len(CLASS_NAMES):
        return build_network(checkpoint, checkpoint.image_size, (1 - index, index))
    network = build_network(checkpoint, checkpoint.image_size)
    p = network.output[:, index : index + 1]
    probs = keras.layers.Concatenate(dtype="float32", name="yolo_roadwork")([1.0 - p, p])
    return keras.Model(network.input, probs, name=network.name)


def class_index(checkpoint: YoloCheckpoint, roadwork_class_index: int) -> int:
    """The column that the older build takes: the last one where there are fewer."""
    return min(roadwork_class_index, len(checkpoint.names) - 1)


def normalised(pictures: np.ndarray) -> np.ndarray:
    """Pixels in 0..255 as the third branch's own file takes them."""
    return ((pictures / 255 - MEAN) / STD).astype(np.float32)


def _two_classes(network, shape: tuple, path):
    """The last layer, once input and output are known to be what the older build wrote."""
    import keras

    if len(network.inputs) != 1 or len(network.outputs) != 1:
        _refuse(path, "one input and one output")
    given, dense = network.inputs[0].shape[1:], network.outputs[0]._keras_history.operation
    if len(given) != len(shape) or any(side not in (None, size) for side, size in zip(given, shape, strict=True)):
        _refuse(path, f"an input of {shape}, not of {tuple(given)}")
    if not isinstance(dense, keras.layers.Dense) or dense.units != len(CLASS_NAMES):
        _refuse(path, "a Dense layer of two classes at its end")
    if dense.activation is not keras.activations.softmax:
        _refuse(path, "a softmax at its end")
    return dense


def _is_foldable(trunk) -> bool:
    """Whether each batch normalisation follows a convolution whose output goes nowhere else and is not activated."""
    import keras

    norms = [layer for layer in trunk.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [layer.input._keras_history.operation for layer in norms]
    return all(
        isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
        and layer.activation is keras.activations.linear
        and len(layer._outbound_nodes) == 1
        for layer in before
    )


def _refuse(path, expected: str) -> None:
    raise RequestError("not a network of the older two-file layout", where=path, expected=expected)
