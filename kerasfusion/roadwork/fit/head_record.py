"""What was chosen while a run's head was fitted: `head.json` in the run folder."""

from pathlib import Path
from typing import Any

from kerasfusion.files.json_yaml import read_json, write_json

HEAD = "head.json"


def keep_record(folder: Path, record: dict[str, Any]) -> None:
    """Keep what `fit_head` gave; where nothing was chosen, what an earlier head left is taken away."""
    if record:
        write_json(folder / HEAD, record)
    else:
        (folder / HEAD).unlink(missing_ok=True)


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a run; empty where nothing was chosen.

    Raises:
        KerasFusionError: it is damaged.
    """
    return read_json(folder / HEAD, todo="delete it; `kerasfusion fit` writes it again") or {}
