"""Which module reads and writes which file."""

from importlib import import_module
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.formats import OpenModel

FORMATS = {"keras": ".keras", "openvino": ".xml", "onnx": ".onnx", "litert": ".tflite"}
"""Format -> how its files end; its module beside this one is FORMAT_file."""


def open_model(path: Path) -> OpenModel:
    """Open a model file by the library that its name's ending stands for.

    Raises:
        RequestError: an unknown ending, or whatever the format's own `open_model` raises.
    """
    return format_module(_format_of(path)).open_model(path)


def read_description(path: Path) -> dict[str, Any]:
    """What a model file of any format says of itself.

    Raises:
        RequestError: an unknown ending, or not a file of this program.
    """
    return format_module(_format_of(path)).read_description(path)


def format_module(name: str):
    """The module of a format; its library is only loaded when it is used."""
    return import_module(f"kerasfusion.formats.{name}_file")


def _format_of(path: Path) -> str:
    for name, suffix in FORMATS.items():
        if path.suffix == suffix:
            return name
    raise RequestError("not a model file", where=path, expected="a name that ends in " + ", ".join(FORMATS.values()))
