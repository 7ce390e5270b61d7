"""The configurations of an ablation: which files, and what one has otherwise than another."""

from pathlib import Path
from typing import Any

import yaml

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
        raise RequestError(
            "no configurations",
            where=path,
            expected="a YAML file, or a folder with YAML files",
            todo="`kerasfusion init FOLDER --system fume` writes some, in FOLDER/configs/fume",
        )
    return sorted(found, key=lambda file: (len(file.parts), file))


def changes(first: FumeConfig, other: FumeConfig) -> str:
    """What another configuration has otherwise: "section.key: value, ..."; empty if nothing."""
    return ", ".join(_changes(to_dict(first), to_dict(other)))


def _changes(ours: dict[str, Any], theirs: dict[str, Any], prefix: str = "") -> list[str]:
    lines = []
    for key, value in theirs.items():
        if isinstance(value, dict) and isinstance(ours[key], dict):
            lines += _changes(ours[key], value, f"{prefix}{key}.")
        elif value != ours[key] and f"{prefix}{key}" not in NOT_COMPARED:
            lines.append(f"{prefix}{key}: {_text(value)}")
    return lines


def _text(value: Any) -> str:
    """As in YAML, in one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).splitlines()[0]
