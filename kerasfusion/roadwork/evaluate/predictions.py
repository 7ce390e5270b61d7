"""Every answer of an evaluation, kept as predictions_SPLIT.csv beside its metrics."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasfusion.errors import DamagedError, RequestError
from kerasfusion.files.csv_table import csv_text
from kerasfusion.files.kept_answers import refuse_other_answers
from kerasfusion.files.writing import write_text

OTHER_COLUMNS = ("sample_id", "image_sha256", "label", "unreadable")
STAGE = "stage"
"""A column of a cascade's answers: which stage gave that of the fusion."""
GROUP = "group"
"""A column where some photos are copies, or of one drive or place: which belong together."""


@dataclass(frozen=True)
class Predictions:
    """What a model answered on a split.

    Attributes:
        sample_ids: N paths relative to the data's root.
        labels: (N,) int64 true classes.
        answers: {output: (N,) float64 P(roadwork)}; NaN where the photo could not be read.
        unreadable: {sample_id: reason}.
        digests: {sample_id: sha256 of the file}, of those that could be read.
        stages: N names of the stage of a cascade that answered, "first" or "full"; None where there is but one.
        groups: N, of each photo; None where each is by itself, or an earlier version kept the answers.
    """

    sample_ids: list[str]
    labels: np.ndarray
    answers: dict[str, np.ndarray]
    unreadable: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    stages: list[str] | None = None
    groups: Sequence[str] | None = None


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write a line for each photo: sample_id, image_sha256, label (1 = roadwork), P(roadwork) of each output, which
    stage of a cascade answered, which photos belong together, and why it could not be read.

    Raises:
        KerasFusionError: the file cannot be written.
    """
    columns = [
        "sample_id",
        "image_sha256",
        "label",
        *predictions.answers,
        *([STAGE] if predictions.stages else []),
        *([GROUP] if predictions.groups else []),
        "unreadable",
    ]
    rows = []
    for row, name in enumerate(predictions.sample_ids):
        # Nine digits bring a float32 back as it was, so that no answer crosses 0.5.
        given = ["" if np.isnan(p[row]) else f"{p[row]:.9g}" for p in predictions.answers.values()]
        about = [name, predictions.digests.get(name, ""), int(predictions.labels[row])]
        stage = [predictions.stages[row]] if predictions.stages else []
        group = [predictions.groups[row]] if predictions.groups else []
        rows.append([*about, *given, *stage, *group, predictions.unreadable.get(name, "")])
    write_text(path, csv_text(columns, rows))


def read_predictions(path: Path, again: str = "kerasfusion evaluate writes it") -> Predictions:
    """Read what `write_predictions` wrote.

    Args:
        path: the file.
        again: what to do about a damaged one.

    Raises:
        RequestError: no such file, or not the one that was written.
        DamagedError: it is damaged; names the line.
    """
    if not path.is_file():
        raise RequestError("there are no kept answers", where=path, todo=again)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = _checked(csv.DictReader(file))
    except (csv.Error, ValueError) as error:
        raise DamagedError(f"the kept answers are damaged: {error}", where=path, todo=again) from error
    refuse_other_answers(path, again)
    outputs = [name for name in rows[0] if name not in (*OTHER_COLUMNS, STAGE, GROUP)]
    return Predictions(
        [row["sample_id"] for row in rows],
        np.array([int(row["label"]) for row in rows]),
        {name: np.array([float(row[name] or "nan") for row in rows]) for name in outputs},
        {row["sample_id"]: row["unreadable"] for row in rows if row["unreadable"]},
        {row["sample_id"]: row["image_sha256"] for row in rows if row["image_sha256"]},
        *([row[name] for row in rows] if name in rows[0] else None for name in (STAGE, GROUP)),
    )


def _checked(reader: csv.DictReader) -> list[dict[str, str]]:
    """All rows; ValueError says which line is not one."""
    columns = reader.fieldnames or []
    if lacking := [name for name in OTHER_COLUMNS if name not in columns]:
        raise ValueError(f"line 1 lacks the column {', '.join(lacking)}")
    rows = []
    for row in reader:
        where = f"line {reader.line_num}"
        if None in row or None in row.values():
            raise ValueError(f"{where} has more or fewer cells than the {len(columns)} columns")
        if row["label"] not in ("0", "1"):
            raise ValueError(f"{where}: the label is {row['label']!r}, neither 0 nor 1")
        for name in columns:
            if name not in (*OTHER_COLUMNS, STAGE, GROUP) and row[name] and not _is_number(row[name]):
                raise ValueError(f"{where}: {name} is {row[name]!r}, not a number")
        rows.append(row)
    if not rows:
        raise ValueError("there are no answers in it")
    return rows


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
