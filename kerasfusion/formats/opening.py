"""Which module reads and writes which file."""

from importlib import import_module
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.formats.open_model import OpenModel

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


def opens_from(path: Path) -> dict[str, str]:
    """{package: its oldest version} of what opens a model file of any format; as far as it was tried.

    Raises:
        RequestError: an unknown ending, or, of a `.keras` file, as `read_description`.
    """
    name = _format_of(path)
    if name != "keras":
        return format_module(name).OPENS_FROM
    from kerasfusion.files.saving import opens_from as of_keras_file

    return of_keras_file(path)


def format_module(name: str):
    """The module of a format; its library is only loaded when it is used."""
    return import_module(f"kerasfusion.formats.{name}_file")


def _format_of(path: Path) -> str:
    for name, suffix in FORMATS.items():
        if path.suffix == suffix:
            return name
    expected = "a name that ends in " + ", ".join(FORMATS.values())
    if path.is_dir():
        inside = sorted(each for each in path.iterdir() if each.suffix in FORMATS.values())
        hint = (
            f"name a file in it, such as {_likely(inside)}" if inside else "kerasfusion fit and export make model files"
        )
        raise RequestError("this is a folder, not a model file", where=path, expected=expected, todo=hint)
    what = "not a model file" if path.exists() else "the file does not exist, and this is no name of a model file"
    raise RequestError(what, where=path, expected=expected)


def _likely(files: list[Path]) -> Path:
    """The one that is meant most often: a whole model, not the parts that it was composed of."""
    return next((path for path in files if path.name in ("fusion.keras", "fume.keras")), files[0])
