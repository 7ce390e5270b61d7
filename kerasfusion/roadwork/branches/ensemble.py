"""The three branches and the head as one Keras graph.

    image -------> ViT ----------------------------> vit -------------+
    image -------> EfficientNetV2 trunk, classifier -> efficientnetv2 -+-> head -> fusion
    yolo_image --> YOLO ---------------------------> yolo ------------+

Every output is (B, 2) probabilities in the order of CLASS_NAMES, produced by a layer named by its key. Only built-in
layers, keras.ops, keras.applications and keras_hub layers are used, so that plain Keras opens the file.
"""

from collections.abc import Sequence

import numpy as np

from kerasfusion.roadwork.branches.efficientnetv2_folded import fold
from kerasfusion.roadwork.branches.features_head import EFFICIENTNETV2, VIT
from kerasfusion.roadwork.config import Fusion

OUTPUTS = ("fusion", "vit", "yolo", "efficientnetv2")
BRANCHES = ("yolo", "vit", "efficientnetv2")
ADAPTED = "vit_adapted"
"""A further output and branch of some files: a new classifier on what the ViT sees."""

HEADS = (
    "yolo",
    "vit_logits",
    "efficientnetv2_probs",
    "vit_adapted_probs",
    "googlenet_probs",
    "fusion_hidden",
    "fusion_seen",
    "fusion_probs",
    "fusion_calibration",
)
"""Small layers that end in logits or probabilities: they stay in float32 in every precision."""


def build_head(settings: Fusion, branches: Sequence[str] = BRANCHES):
    """The learned head: {branch: (B, 2)} -> (B, 2) probabilities.

    It sees each branch's P(roadwork) alone, since the other column is one minus it.

    Args:
        settings: its kind and sizes.
        branches: their names, in the order in which its weights take them.
    """
    import keras

    inputs = {name: keras.Input((2,), name=name) for name in branches}
    x = keras.layers.Concatenate(name="p_roadwork")([probs[:, 1:] for probs in inputs.values()])
    l2 = keras.regularizers.L2(settings.l2)
    if settings.head == "mlp":
        x = keras.layers.Dense(settings.hidden, activation="relu", kernel_regularizer=l2, name="fusion_hidden")(x)
        x = keras.layers.Dropout(settings.dropout, name="fusion_dropout")(x)
    dense = keras.layers.Dense(2, activation="softmax", kernel_regularizer=l2, dtype="float32", name="fusion_probs")
    head = keras.Model(inputs, dense(x), name="fusion_head")
    if settings.head != "mlp":
        dense.set_weights(_vote(len(branches)))
    return head


def _vote(branches: int) -> list[np.ndarray]:
    """Weights with which a linear head is the soft vote of its branches: even at a mean P(roadwork) of one half."""
    kernel = np.tile(np.float32([-2.0, 2.0]), (branches, 1))
    return [kernel, -0.5 * kernel.sum(axis=0)]


def build_trained_parts(trunk, classifier, head, adapted=None):
    """What `fit` trains, with the other branches' probabilities as inputs.

    Args:
        trunk, classifier: of EfficientNetV2.
        head: over the branches.
        adapted: the ViT's new classifier, where there is one.

    Returns:
        keras.Model: {"image": (B, S, S, 3) float32 0..255, "yolo_probs": (B, 2), "vit_probs": (B, 2)} -> OUTPUTS. Where
        anything sees the ViT's features, "vit_features": (B, C) is an input too; with `adapted` ADAPTED is an output.
    """
    import keras

    inputs = {
        "image": keras.Input(trunk.input_shape[1:], name="image"),
        "yolo_probs": keras.Input((2,), name="yolo_probs"),
        "vit_probs": keras.Input((2,), name="vit_probs"),
    }
    if adapted is not None:
        inputs[VIT] = keras.Input(adapted.input_shape[1:], name=VIT)
    elif VIT in head.input:
        inputs[VIT] = keras.Input(head.input[VIT].shape[1:], name=VIT)
    features = {EFFICIENTNETV2: trunk(inputs["image"]), VIT: inputs.get(VIT)}
    branches = {
        "yolo": inputs["yolo_probs"],
        "vit": inputs["vit_probs"],
        "efficientnetv2": classifier(features[EFFICIENTNETV2]),
        **({ADAPTED: adapted(features[VIT])} if adapted is not None else {}),
    }
    fused = _fuse(head, branches | features)
    return keras.Model(inputs, _name_outputs({"fusion": fused, **branches}), name="trained_parts")


def compose(parts, vit, yolo):
    """The trained parts and the branches that answered for them while they were trained, as one model.

    Args:
        parts: what `build_trained_parts` gave.
        vit: what `build_vit` gave: image -> probabilities, or with features where the parts take these.
        yolo: what `build_yolo` gave: yolo_image -> probabilities.

    Returns:
        keras.Model: {"image": (B, S, S, 3), "yolo_image": (B, T, T, 3)} float32 0..255 -> OUTPUTS.
    """
    import keras

    (trunk,) = (layer for layer in parts.layers if layer.name.startswith("efficientnetv2-"))
    classifier, head = parts.get_layer("efficientnetv2_classifier"), parts.get_layer("fusion_head")
    adapted = next((layer for layer in parts.layers if layer.name == "vit_adapted_classifier"), None)
    image = keras.Input(trunk.input_shape[1:], name="image")
    yolo_image = keras.Input(yolo.input_shape[1:], name="yolo_image")
    said = vit(image) if VIT in parts.input else {"vit": vit(image)}
    features = {EFFICIENTNETV2: fold(trunk)(image), VIT: said.get(VIT)}
    answers = {"yolo": yolo(yolo_image), "vit": said["vit"], "efficientnetv2": classifier(features[EFFICIENTNETV2])}
    if adapted is not None:
        answers[ADAPTED] = adapted(features[VIT])
    outputs = _name_outputs({"fusion": _fuse(head, answers | features), **answers})
    return keras.Model({"image": image, "yolo_image": yolo_image}, outputs, name="fusion")


def _fuse(head, known: dict):
    return head({name: known[name] for name in head.input})


def _name_outputs(answers: dict) -> dict:
    import keras

    names = [name for name in (*OUTPUTS, ADAPTED) if name in answers]
    return {name: keras.layers.Identity(name=name, dtype="float32")(answers[name]) for name in names}
