"""Which module opens which file."""

from importlib import import_module
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.formats import OpenModel

SUFFIXES = {".keras": "keras_file", ".xml": "openvino_file", ".onnx": "onnx_file", ".tflite": "litert_file"}


def open_model(path: Path) -> OpenModel:
    """Open a model file by the library that its name's ending stands for.

    Raises:
        RequestError: an unknown ending, or whatever the format's own `open_model` raises.
    """
    if path.suffix not in SUFFIXES:
        raise RequestError("not a model file", where=path, expected="a name that ends in " + ", ".join(SUFFIXES))
    return import_module(f"kerasfusion.roadwork.formats.{SUFFIXES[path.suffix]}").open_model(path)
