"""The formats in which a model can be deployed: one file each, with the one library that it needs.

Each format's module has the same parts:

    SUFFIX          how the file's name ends
    PRECISIONS      what it can be written in: "float32", "bfloat16", "int8"
    OPENS_FROM      {package: its oldest version that opened such files}; not of `.keras`, whose contents decide
    write(model, path, precision, description, kept)
    open_model(path) -> OpenModel
    read_description(path) -> dict

`model` is a float32 keras.Model with dict inputs and outputs, which is left as it is; `description` is kept inside the
file and names at least "format", "precision" and "outputs"; `kept` names layers that stay in float32 in every
precision: small ones that end in logits or probabilities. int8 means 8-bit weights in the matrix products, whose
inputs are quantised while they run (but in `.keras`, where they stay float32). So no format needs calibration, and an
outlier in one picture does not spoil the ranges for the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasfusion.formats.stages import Stages

MAKE_IT = "kerasfusion export RUN --format FORMAT makes it; in a run folder, name the file itself"
"""What to do where an export is not there."""

EXPORT_AGAIN = "copy the file again, or make it again: kerasfusion export RUN --format FORMAT"
"""What to do about an export that is cut, damaged or of another program."""


def runtime_of(opens_from: dict[str, str]) -> str:
    """The one package that runs a format, as pip is to be asked for it.

    Args:
        opens_from: the format's OPENS_FROM.
    """
    ((name, version),) = opens_from.items()
    return f"{name}>={version}"


@dataclass(frozen=True)
class OpenModel:
    """A model, whatever it is run by, ready to answer.

    Attributes:
        answer: {input: (B, ...) in the type that the model was built with, mostly float32} -> {output: (B, ...)
            float32}; may be called from many threads.
        inputs: {input: shape of one sample}, for example {"image": (224, 224, 3), "gas_type": ()}.
        outputs: names of the outputs.
        description: what the file says of itself; empty for a model that was never a file of ours.
        stages: the same in two stages, where the description names a first one.
    """

    answer: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    description: dict[str, Any]
    stages: Stages | None = None
