"""What a finished YOLO training noted of itself, beside its weights: training.json."""

from pathlib import Path
from typing import Any

import pydantic

from kerasfusion.files.json_yaml import read_json

RECORD = "training.json"


class _Photos(pydantic.BaseModel):
    splits: list[str]
    n: int


class _Record(pydantic.BaseModel):
    weights_sha256: str
    model: str
    train: _Photos
    val: _Photos
    train_sha256: list[str] | None = None  # of older versions' trainings not known


def read_record(folder: Path, todo: str | None = None) -> dict[str, Any]:
    """The record in a folder of YOLO's weights; {} where there is none.

    Args:
        folder: RUN/yolo.
        todo: what to do about a damaged one, for the message; None says that it may go.

    Raises:
        DamagedError: it is damaged; names each wrong key.
    """
    usual = "delete it (what YOLO was trained on is then not known)"
    return read_json(folder / RECORD, _Record, todo or usual) or {}
