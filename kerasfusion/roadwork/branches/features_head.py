"""The head that sees features: logistic regression on the branches' logits and what ViT and EfficientNetV2 saw.

    yolo, vit, efficientnetv2 -> logits ---+
    vit_features --------------------------+-> fusion_seen -> fusion_probs -> fusion
    efficientnetv2_features ---------------+

What it is fitted on is standardised; the saved Dense has that inside its kernel.
"""

from collections.abc import Mapping, Sequence

import numpy as np

VIT, EFFICIENTNETV2 = "vit_features", "efficientnetv2_features"
"""Inputs of the head beside the branches' answers."""

SMALLEST = 1e-4
"""Of a probability in a logit. A branch that is surer than this is believed no further: what it says then is how far
its training has driven it, and one such photo would outweigh all others."""


def build_features_head(widths: Mapping[str, int], branches: Sequence[str], name: str = "fusion"):
    """The head before it is fitted; its answers are one half.

    Args:
        widths: C of VIT and of EFFICIENTNETV2; empty for a head that sees logits alone.
        branches: whose logits it sees, in the order in which its weights take them.
        name: whose head it is; its layers' names begin with it.

    Returns:
        keras.Model: {branch: (B, 2) probabilities, VIT: (B, C), EFFICIENTNETV2: (B, C)} -> (B, 2) probabilities.
    """
    import keras
    from keras import ops

    answers = {branch: keras.Input((2,), name=branch) for branch in branches}
    features = {each: keras.Input((width,), name=each) for each, width in widths.items()}
    logs = [ops.log(ops.maximum(probs, SMALLEST)) for probs in answers.values()]
    logits = [log[:, 1:] - log[:, :1] for log in logs]
    # Not in bfloat16, whatever the branches compute in: products of a thousand numbers come behind it.
    seen = keras.layers.Concatenate(dtype="float32", name=f"{name}_seen")([*logits, *features.values()])
    dense = keras.layers.Dense(
        2, activation="softmax", kernel_initializer="zeros", dtype="float32", name=f"{name}_probs"
    )
    return keras.Model(answers | features, dense(seen), name=f"{name}_head")


def what_it_sees(head, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """(R, F) float32: logits and features side by side, as the head's last layer takes them."""
    import keras

    seeing = keras.Model(head.input, head.get_layer("fusion_seen").output)
    return np.asarray(seeing({name: inputs[name] for name in head.input}, training=False))


def build_adapted(width: int):
    """A new classifier on what the ViT sees, before it is fitted: (B, C) features -> (B, 2) probabilities, one half."""
    import keras

    features = keras.Input((width,), name=VIT)
    dense = keras.layers.Dense(
        2, activation="softmax", kernel_initializer="zeros", dtype="float32", name="vit_adapted_probs"
    )
    return keras.Model(features, dense(features), name="vit_adapted_classifier")


def set_weights(model, weights: np.ndarray, bias: float) -> None:
    """Make a model answer P(roadwork) = sigmoid(seen @ weights + bias).

    Args:
        model: what `build_features_head` or `build_adapted` gave; changed in place.
        weights: (F,).
        bias: a number.
    """
    half = np.asarray(weights, np.float64)[:, None] / 2
    model.layers[-1].set_weights([np.hstack([-half, half]), np.array([-bias / 2, bias / 2])])
