"""The configurations of an ablation: which files, and what one has otherwise than another."""

from pathlib import Path
from typing import Any

from kerasfusion.config import to_dict
from kerasfusion.errors import RequestError
from kerasfusion.fume.config import FumeConfig

NOT_COMPARED = ("experiment.name", "experiment.tags", "runs_folder", "data.frame_cache")
"""Keys that change nothing in what a network learns, and are different in every run or of no interest."""


def list_files(path: Path) -> list[Path]:
    """A configuration, or all of those below a folder; a folder's own files come before those of folders in it.

    Raises:
        RequestError: no such path, or a folder without any.
    """
    if path.is_file():
        return [path]
    found = [file for file in path.rglob("*") if file.suffix in (".yaml", ".yml") and file.is_file()]
    if not found:
        raise RequestError("no configurations", where=path, expected="a YAML file, or a folder with YAML files")
    return sorted(found, key=lambda file: (len(file.parts), file))


def changes(first: FumeConfig, other: FumeConfig) -> str:
    """What another configuration has otherwise: "section.key: value, ..."; empty if nothing."""
    ours, theirs = (_flat(to_dict(config)) for config in (first, other))
    keys = [key for key in dict.fromkeys([*ours, *theirs]) if ours.get(key) != theirs.get(key)]
    return ", ".join(f"{key}: {_text(theirs.get(key))}" for key in keys if key not in NOT_COMPARED)


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _text(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
