"""What a `.keras` file says of its network, without what versions of Keras before the writing one do not know.

Each release adds settings to layers and operations, and writes them with their defaults; a release that lacks a setting
then refuses the whole file ("Unrecognized keyword arguments"). A default says nothing, so it is left out.
"""

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasfusion.files.keras_file_check import CONFIG

OLDEST_KERAS, OLDEST_TENSORFLOW = "3.5.0", "2.18.0"
"""The oldest versions that opened what `without_newer_settings` leaves of our networks (tools/old_keras.py). Answers
are then the same within 2e-6."""

_NEWER: dict[str, tuple[Any, str]] = {
    "quantization_config": (None, "3.13.0"),
    "input_axes": (None, "3.15.0"),
    "output_axes": (None, "3.15.0"),
    "renorm": (False, "3.14.0"),
    "renorm_clipping": (None, "3.14.0"),
    "renorm_momentum": (0.99, "3.14.0"),
}
"""Settings that layers and initializers have got since: the default, and the version of Keras that had it first."""

_OPERATIONS = "keras.src.ops."
"""Begins the module of an operation, as opposed to a layer."""
_ONCE_NAMELESS = ("Einsum", "ExpandDims", "Reshape", "Resize", "Softmax", "Split", "Stack", "Transpose", "Unstack")
"""Operations whose constructor took no name. Their place in the network is told by another name, beside their settings;
what they call themselves is then made up anew."""
_NAMED_SINCE = "3.11.0"


def oldest_keras(config: Any) -> str:
    """The oldest version of Keras that knows every setting of a network's configuration, and was tried.

    Args:
        config: a JSON value, as it stands in the file.
    """
    since = [_NEWER[key][1] for node in _nodes(config) for key in _NEWER.keys() & node["config"].keys()]
    named = [_NAMED_SINCE for node in _nodes(config) if _is_nameless(node) and "name" in node["config"]]
    return max([OLDEST_KERAS, *since, *named], key=version_numbers)


def version_numbers(version: str) -> list[int]:
    """What a version is ordered by: its first three numbers."""
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def rewrite_for_older_keras(path: Path, out: Path) -> None:
    """Copy a `.keras` file with its network described as older versions understand it.

    Args:
        path: as Keras wrote it.
        out: the file to write; all other members stay as they are.
    """
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(out, "w") as copied:
        for member in archive.infolist():
            if member.filename == CONFIG:
                copied.writestr(member, json.dumps(without_newer_settings(json.loads(archive.read(member)))))
            else:
                with archive.open(member) as source, copied.open(member, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, 1 << 20)


def without_newer_settings(config: Any) -> Any:
    """A network's configuration, a JSON value, without the settings that older versions do not know.

    What has another value than its default stays, and so does an operation's name where one that is made up could be
    that of a layer.
    """
    named = [node["config"]["name"] for node in _nodes(config) if "name" in node["config"] and not _is_nameless(node)]
    made_up = "|".join(re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in _ONCE_NAMELESS)
    free = not any(re.fullmatch(rf"(?:{made_up})(?:_\d+)?", str(name)) for name in named)
    return _reduced(config, free)


def _reduced(value: Any, without_names: bool) -> Any:
    if isinstance(value, list):
        return [_reduced(each, without_names) for each in value]
    if not isinstance(value, dict):
        return value
    if without_names and _is_nameless(value):
        value = value | {"config": {key: each for key, each in value["config"].items() if key != "name"}}
    return {
        key: _reduced(each, without_names)
        for key, each in value.items()
        if not (key in _NEWER and each == _NEWER[key][0])
    }


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every layer and operation, however deep."""
    if isinstance(value, dict):
        if "class_name" in value and isinstance(value.get("config"), dict):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _nodes(each)


def _is_nameless(node: dict[str, Any]) -> bool:
    return (
        str(node.get("module")).startswith(_OPERATIONS)
        and node.get("class_name") in _ONCE_NAMELESS
        and isinstance(node.get("config"), dict)
    )
