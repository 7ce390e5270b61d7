"""What a `.keras` file may hold, checked before Keras makes anything of it.

Keras' safe mode refuses Python lambdas, but ways around it were found again and again: layers that load code or read
files by a path (CVE-2025-12058), classes and functions of other modules (CVE-2025-1550), Keras' own functions that
fetch or open files (CVE-2025-8747, CVE-2025-9906), layers of an older format that safe mode does not look at
(CVE-2024-3660). So the file is read against a list of what networks for pictures are made of; what is not on it is
refused. The weights have a check of their own, in `h5_check`.
"""

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.files.keras_classes import CLASSES, FUNCTIONS, MODELS, VALUES

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
DESCRIPTION = "kerasfusion.json"
JSON_LIMIT = 64_000_000
"""Bytes of the largest JSON that is read; a ViT-L with both other branches has less than 2 MB."""
EXPANSION = 20
"""Keras stores its members uncompressed; trained numbers that another program compressed shrink by a tenth."""
FLOOR = 1_000_000
"""Bytes below which it does not matter how far a member was compressed."""

MEMBERS = {CONFIG: JSON_LIMIT, "metadata.json": JSON_LIMIT, DESCRIPTION: JSON_LIMIT, WEIGHTS: None}
"""Member -> largest size in bytes; None leaves it to EXPANSION."""

_EXPECTED = "a network of Keras' own layers, as `kerasfusion fit` and `export` write it"
_REFUSED = "do not open this file with other programs either, unless you trust whoever made it"
_AGAIN = "the file may be damaged: copy it again, or make it again with kerasfusion fit or export"


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a `.keras` file and check which members it has, and how large they are.

    Raises:
        RequestError: not there, damaged (also while it is read in the `with`), or with members that do not belong
            there.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_foreign_members(archive, path)
            yield archive
    except FileNotFoundError:
        raise RequestError("the file does not exist", where=path) from None
    # What zipfile and zlib raise on damaged, encrypted or cut archives.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise RequestError(f"cut short, damaged or not a .keras file: {error}", where=path, todo=_AGAIN) from error


def refuse_foreign_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Check names and sizes of the members.

    Raises:
        RequestError: an unknown or doubled name, or one that unpacks to far more than it should.
    """
    seen = set()
    for member in archive.infolist():
        name, limit = member.filename, MEMBERS.get(member.filename)
        if name not in MEMBERS:
            _refuse(f"the file has a member {name!r}", path, f"no members but {', '.join(MEMBERS)}")
        if name in seen:
            _refuse(f"the file has the member {name} twice", path, "each member once")
        if member.file_size > max(FLOOR, EXPANSION * member.compress_size):
            what = f"{name} unpacks from {member.compress_size:,} to {member.file_size:,} bytes"
            _refuse(what, path, f"at most {EXPANSION} times")
        if limit is not None and member.file_size > limit:
            _refuse(f"{name} has {member.file_size:,} bytes", path, f"at most {limit:,}")
        seen.add(name)


def read_json(archive: zipfile.ZipFile, name: str, path: Path) -> dict[str, Any]:
    """A JSON member of an archive that `open_archive` gave.

    Raises:
        RequestError: no such member, or not a JSON mapping.
    """
    try:
        value = json.loads(archive.read(name))
    except KeyError:
        raise RequestError(f"the file holds no {name}", where=path, expected=_EXPECTED) from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{name} in the file is not JSON: {error}", where=path, todo=_AGAIN) from error
    if not isinstance(value, dict):
        raise RequestError(f"{name} in the file is not a JSON mapping", where=path, todo=_AGAIN)
    return value


def read_config(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """The network's configuration without what it was trained with, every object of it checked.

    Raises:
        RequestError: as `read_json`, or an object that is not on the lists; names it.
    """
    config = read_json(archive, CONFIG, path) | {"compile_config": None}
    if config.get("class_name") not in MODELS.split():
        _refuse(f"{CONFIG} is of a {config.get('class_name')!r}", path, _EXPECTED)
    refuse_foreign_objects(config, path)
    return config


def refuse_foreign_objects(config: dict[str, Any], path: Path) -> None:
    """Check every object of a configuration against CLASSES, VALUES and FUNCTIONS.

    Raises:
        RequestError: names the first that is on none of them, and its place.
    """
    waiting = [("", config)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value and not _is_known(value):
                _refuse(f"the file holds {_name(value)}, at {place or 'the top'} of {CONFIG}", path, _EXPECTED)
            waiting += [(f"{place}.{key}".lstrip("."), each) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{place}[{number}]", each) for number, each in enumerate(value)]


def _is_known(value: dict[str, Any]) -> bool:
    name, module, registered = (value.get(key) for key in ("class_name", "module", "registered_name"))
    if not isinstance(name, str) or not isinstance(module, str | None):
        return False
    if name == "function":
        function = value.get("config")
        return module in ("builtins", "keras.activations") and isinstance(function, str) and function in FUNCTIONS
    if registered not in (None, name):
        return False
    return name in VALUES if module is None else name in CLASSES.get(module, ())


def _name(value: dict[str, Any]) -> str:
    """The object in Python's way of writing, with a layer's own name where it has one."""
    name, module, config = (value.get(key) for key in ("class_name", "module", "config"))
    said = f"{module}.{name}" if module else str(name)
    if name == "function":
        said = f"the function {module}.{config}"
    elif value.get("registered_name") not in (None, name):
        said += f" registered as {value['registered_name']}"
    named = config.get("name") if isinstance(config, dict) else None
    return f"{said} ({named!r})" if isinstance(named, str) else said


def _refuse(what: str, path: Path, expected: str) -> None:
    raise RequestError(f"refused, nothing was run: {what}", where=path, expected=expected, todo=_REFUSED)
