"""Temperature and threshold inside the graph, in front of the output `fusion`, and out of it again.

    head -> fusion_uncalibrated -> log -> fusion_calibration -> fusion

`fusion_calibration` is softmax(log p / temperature + bias): matrix scaling with a diagonal matrix (Guo et al., "On
Calibration of Modern Neural Networks", arXiv 1706.04599, 2017, section 4.2), whose bias moves the threshold to 0.5.
"""

from collections.abc import Sequence

import numpy as np

from kerasfusion.roadwork.scoring.probability_scores import SMALLEST
from kerasfusion.roadwork.scoring.window import FIRST

CALIBRATION, UNCALIBRATED = "fusion_calibration", "fusion_uncalibrated"


def is_calibrated(model) -> bool:
    """Whether `calibrated` made this model."""
    return any(layer.name == CALIBRATION for layer in model.layers)


def calibrated(model, temperature: float, threshold_logit: float):
    """The model with a calibrated output `fusion`; the other outputs stay. Weights are shared.

    Args:
        model: keras.Model with dict inputs and outputs, not calibrated.
        temperature: above 0.
        threshold_logit: logit of the P(roadwork) that becomes 0.5.
    """
    import keras

    dense = keras.layers.Dense(2, activation="softmax", dtype="float32", name=CALIBRATION)
    raw = keras.layers.Identity(dtype="float32", name=UNCALIBRATED)(model.get_layer("fusion").input)
    # Both columns, since 1 - p of a p near 1 has lost its digits; a probability of 0 has no logarithm.
    answer = dense(keras.ops.log(keras.ops.maximum(raw, SMALLEST)))
    half = threshold_logit / temperature / 2
    dense.set_weights([np.eye(2, dtype=np.float32) / temperature, np.float32([half, -half])])
    return _with_fusion(model, answer)


def uncalibrated(model):
    """The model as it was before `calibrated`; also without a first stage, whose window was chosen for that fusion."""
    return _with_fusion(model, model.get_layer(UNCALIBRATED).input)


def both_columns(model, beside: Sequence[str] = ()):
    """A model that answers with P(roadwork) and P(no roadwork) of the uncalibrated fusion.

    Args:
        model: not calibrated.
        beside: other outputs that are wanted too.

    Returns:
        keras.Model: the same inputs -> {"roadwork": (B, 2), "no_roadwork": (B, 2)}; of each, column 1 is what its name
        says; and those `beside`.
    """
    import keras

    probs = model.output["fusion"]
    columns = {"roadwork": probs, "no_roadwork": probs[:, ::-1]}
    return keras.Model(model.input, columns | {name: model.output[name] for name in beside})


def _with_fusion(model, answer):
    import keras

    fusion = keras.layers.Identity(name="fusion", dtype="float32")(answer)
    kept = {name: value for name, value in model.output.items() if name != FIRST}
    outputs = {name: fusion if name == "fusion" else value for name, value in kept.items()}
    return keras.Model(model.input, outputs, name=model.name)
