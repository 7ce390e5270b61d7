"""The `.keras` file: opens with plain Keras on TensorFlow."""

from pathlib import Path

from kerasfusion.roadwork.formats import OpenModel
from kerasfusion.roadwork.formats.keras_serving import serve
from kerasfusion.saving import load_model

SUFFIX = ".keras"


def open_model(path: Path) -> OpenModel:
    """Open a file in safe mode."""
    return serve(*load_model(path))
