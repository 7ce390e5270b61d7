"""Our own JSON and YAML files: written whole, and read back with a message where one is damaged."""

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydantic
import yaml

from kerasfusion.address import Place
from kerasfusion.errors import DamagedError, KerasFusionError
from kerasfusion.files.one_writer import turn_to_update
from kerasfusion.files.writing import write_text
from kerasfusion.yaml_text import parse_yaml

AGAIN = "delete it and run the command that wrote it again"


def write_json(path: Place, obj: object) -> None:
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


def read_json(path: Place, shape: Any = dict[str, Any], todo: str = AGAIN) -> dict[str, Any] | None:
    """The object in a JSON file, or None if there is no such file.

    Args:
        path: the file, or its address.
        shape: as for `refuse_other_shape`; what it does not name may be there too.
        todo: what to do about a damaged file, for the message.

    Raises:
        KerasFusionError: the file cannot be read, is not JSON or has another shape; names each wrong key.
    """
    if not path.is_file():
        return None
    found = _read(path, parse_json, todo)
    refuse_other_shape(found, shape, path, todo)
    return found


def read_object(path: Place, shape: Any, todo: str = AGAIN) -> Any:
    """As `read_json`, but what the shape makes of it: a dataclass's object, or a container of such."""
    return refuse_other_shape(_read(path, parse_json, todo), shape, path, todo) if path.is_file() else None


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: no JSON; Python alone would also take NaN and infinity, which JSON has not.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def update_json(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], shape: Any = dict[str, Any]) -> None:
    """Rewrite a JSON file with what `change` makes of its object ({} where there is none), no other update between.

    Args:
        path: the file.
        change: what was there -> what is to be there.
        shape: as for `read_json`.

    Raises:
        KerasFusionError: as `read_json`, `write_json` and `turn_to_update`.
    """
    with turn_to_update(path):
        write_json(path, change(read_json(path, shape) or {}))


def read_yaml(path: Path) -> dict[str, Any] | None:
    """As `read_json`, of a YAML file."""
    if not path.is_file():
        return None
    found = _read(path, parse_yaml, AGAIN)
    with wrong_keys_named(found, path, AGAIN):
        pydantic.TypeAdapter(dict[str, Any]).validate_python(found)
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{text[:20]} is too large for a number")
    return number


def _plain(value: object) -> object:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} is not a JSON type")


def refuse_other_shape(found: object, shape: Any, where: object, todo: str) -> Any:
    """Check a value of a JSON text strictly: no text is a number, but a list may be a tuple.

    Args:
        found: the value.
        shape: pydantic model, or any type that pydantic knows.
        where: to name in the error.
        todo: what to do about it.

    Returns:
        What the shape makes of it.

    Raises:
        DamagedError: another shape; names each wrong key, and what it should hold.
    """
    with wrong_keys_named(found, where, todo):
        if shape == dict[str, Any]:  # what others wrote may be large, and there is nothing to be strict about
            return pydantic.TypeAdapter(shape).validate_python(found)
        return pydantic.TypeAdapter(shape).validate_json(json.dumps(found), strict=True)


@contextmanager
def wrong_keys_named(found: object, where: object, todo: str) -> Iterator[None]:
    """Turn what pydantic says of a value that was read into a DamagedError; arguments as for `refuse_other_shape`."""
    try:
        yield
    except pydantic.ValidationError as error:
        lines = [f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}" for each in error.errors()[:10]]
        expected = "keys and values" if not isinstance(found, dict) else "what this program writes there"
        raise DamagedError(
            "the file is damaged:\n  - " + "\n  - ".join(lines), where=where, expected=expected, todo=todo
        ) from error


def _read(path: Place, parse: Callable[[str], Any], todo: str) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KerasFusionError(f"the file cannot be read: {error.strerror or error}", where=path) from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise DamagedError(f"the file is damaged: {error}", where=path, todo=todo) from error
