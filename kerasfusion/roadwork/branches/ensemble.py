"""The branches and the head as one Keras graph; a branch that the head does not take is not in it.

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
from kerasfusion.roadwork.config import BRANCHES, Fusion

OUTPUTS = ("fusion", "vit", "yolo", "efficientnetv2")
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
    "first_seen",
    "first_probs",
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


def _vote(count: int) -> list[np.ndarray]:
    """Weights with which a linear head is the soft vote of its branches: even at a mean P(roadwork) of one half."""
    kernel = np.tile(np.float32([-2.0, 2.0]), (count, 1))
    return [kernel, -0.5 * kernel.sum(axis=0)]


def build_trained_parts(trunk, classifier, head, adapted=None):
    """What `fit` trains, with the other branches' probabilities as inputs.

    Args:
        trunk, classifier: EfficientNetV2's; None where the head does not take it.
        head: what `build_head` or `build_features_head` gave; it names the branches.
        adapted: the ViT's new classifier, where there is one.

    Returns:
        keras.Model: {"image": (B, S, S, 3) float32 0..255, "yolo_probs": (B, 2), "vit_probs": (B, 2)} -> OUTPUTS, as
        far as they are of the head's branches. Where anything sees the ViT's features, "vit_features": (B, C) is an
        input too; with `adapted` ADAPTED is an output.
    """
    import keras

    inputs = {"image": keras.Input(trunk.input_shape[1:], name="image")} if "efficientnetv2" in head.input else {}
    inputs |= {
        f"{name}_probs": keras.Input((2,), name=f"{name}_probs") for name in ("yolo", "vit") if name in head.input
    }
    if adapted is not None:
        inputs[VIT] = keras.Input(adapted.input_shape[1:], name=VIT)
    elif VIT in head.input:
        inputs[VIT] = keras.Input(head.input[VIT].shape[1:], name=VIT)
    seen, answers = {VIT: inputs.get(VIT)}, {}
    for name in BRANCHES:  # always in the same order, so that the same parts make the same graph
        if name == "efficientnetv2" and name in head.input:
            seen[EFFICIENTNETV2] = trunk(inputs["image"])
            answers[name] = classifier(seen[EFFICIENTNETV2])
        elif name in head.input:
            answers[name] = inputs[f"{name}_probs"]
    if adapted is not None:
        answers[ADAPTED] = adapted(seen[VIT])
    fused = _fuse(head, answers | seen)
    return keras.Model(inputs, _name_outputs({"fusion": fused, **answers}), name="trained_parts")


def compose(parts, vit, yolo):
    """The trained parts and the branches that answered for them while they were trained, as one model.

    Args:
        parts: what `build_trained_parts` gave.
        vit: what `build_vit` gave: image -> probabilities, or with features where the parts take these; None where the
            parts were trained without it.
        yolo: what `build_yolo` gave: yolo_image -> probabilities; None where the parts were trained without it.

    Returns:
        keras.Model: {"image": (B, S, S, 3), "yolo_image": (B, T, T, 3)} float32 0..255 -> OUTPUTS, as far as they are
        of the parts' branches.
    """
    import keras

    head = parts.get_layer("fusion_head")
    trunk = next((layer for layer in parts.layers if layer.name.startswith("efficientnetv2-")), None)
    readers = {"image": trunk or vit, "yolo_image": yolo}
    inputs = {
        name: keras.Input(reader.input_shape[1:], name=name) for name, reader in readers.items() if reader is not None
    }
    seen, answers = {}, {}
    if yolo is not None:
        answers["yolo"] = yolo(inputs["yolo_image"])
    if vit is not None:
        said = vit(inputs["image"]) if VIT in parts.input else {"vit": vit(inputs["image"])}
        answers["vit"], seen[VIT] = said["vit"], said.get(VIT)
    if trunk is not None:
        seen[EFFICIENTNETV2] = fold(trunk)(inputs["image"])
        answers["efficientnetv2"] = parts.get_layer("efficientnetv2_classifier")(seen[EFFICIENTNETV2])
    if ADAPTED in parts.output:
        answers[ADAPTED] = parts.get_layer("vit_adapted_classifier")(seen[VIT])
    return keras.Model(inputs, _name_outputs({"fusion": _fuse(head, answers | seen), **answers}), name="fusion")


def outputs_of(branches: Sequence[str]) -> tuple[str, ...]:
    """The outputs of a fusion of these branches, in their order."""
    return tuple(name for name in (*OUTPUTS, ADAPTED) if name == "fusion" or name in branches)


def _fuse(head, known: dict):
    return head({name: known[name] for name in head.input})


def _name_outputs(answers: dict) -> dict:
    import keras

    return {name: keras.layers.Identity(name=name, dtype="float32")(answers[name]) for name in outputs_of(answers)}
