"""The formats in which the fused model can be deployed: one file each, with the one library that it needs.

Every module here has the same four parts:

    SUFFIX          how the file's name ends
    PRECISIONS      what it can be written in: "float32", "bfloat16", "int8"
    write(model, path, precision, description, calibration)
    open_model(path) -> OpenModel

`model` is the composed float32 keras.Model; `description` is kept inside the file; `calibration` is a list of inputs
(one image each) from which int8 learns its ranges.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


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
