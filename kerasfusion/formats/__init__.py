"""The formats in which the fused model can be deployed: one file each, with the one library that it needs.

Every module here has the same five parts:

    SUFFIX          how the file's name ends
    PRECISIONS      what it can be written in: "float32", "bfloat16", "int8"
    write(model, path, precision, description)
    open_model(path) -> OpenModel
    read_description(path) -> dict

`model` is the composed float32 keras.Model, which is left as it is; `description` is kept inside the file. int8 means
8-bit weights in the matrix products, whose inputs are quantised while they run (but in `.keras`, where they stay
float32). So no format needs calibration, and an outlier in one photo does not spoil the ranges for the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

HEADS = ("yolo", "vit_logits", "efficientnetv2_probs", "fusion_hidden", "fusion_probs")
"""Small layers that end in logits or probabilities: they stay in float32 in every precision."""


@dataclass(frozen=True)
class OpenModel:
    """A model, whatever it is run by, ready to answer.

    Attributes:
        answer: {input: (B, ...) float32} -> {output: (B, 2) float32 probabilities}; may be called from many threads.
        image_sizes: {input: side in pixels} of the inputs that are pictures, for example {"image": 224}.
        other_inputs: names of the inputs that are not pictures ("yolo_probs", "vit_probs").
        outputs: names of the outputs.
        description: what the file says of itself; empty for a model that was never a file of ours.
    """

    answer: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
    image_sizes: dict[str, int]
    other_inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    description: dict[str, Any]
