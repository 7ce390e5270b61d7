"""Our own JSON and YAML files: written whole, and read back with a message where one is damaged."""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.writing import write_text
from kerasfusion.yaml_text import parse_yaml


def write_json(path: Path, obj: object) -> None:
    """Write `obj` as indented UTF-8 JSON, keys in their own order, atomically.

    NumPy scalars and arrays become numbers and lists, paths become strings.

    Raises:
        KerasFusionError: NaN or infinity (JSON has neither; use None), an object that JSON cannot hold, or a file that
            cannot be written. A file that was there before stays as it was.
    """
    try:
        text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise KerasFusionError(f"these results do not fit into JSON: {error}", where=path) from error
    write_text(path, text + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, or None if there is no such file.

    Raises:
        KerasFusionError: the file is damaged.
    """
    return _read(path, json.loads)


def read_yaml(path: Path) -> dict[str, Any] | None:
    """As `read_json`, of a YAML file."""
    return _read(path, parse_yaml)


def _plain(value: object) -> object:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} is not a JSON type")


def _read(path: Path, parse) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    again = "delete it and run the command that wrote it again"
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError) as error:
        raise KerasFusionError(f"the file is damaged: {error}", where=path, todo=again) from error
    if not isinstance(found, dict):
        raise KerasFusionError("the file is damaged", where=path, expected="keys and values", todo=again)
    return found
