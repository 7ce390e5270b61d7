"""Every answer of an evaluation, kept as predictions_SPLIT.csv beside its metrics."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.file_writing import write_text

OTHER_COLUMNS = ("sample_id", "label", "unreadable")


@dataclass(frozen=True)
class Predictions:
    """What a model answered on a split.

    Attributes:
        sample_ids: N paths relative to the data's root.
        labels: (N,) int64 true classes.
        answers: {output: (N,) float64 P(roadwork)}; NaN where the photo could not be read.
        unreadable: {sample_id: reason}.
    """

    sample_ids: list[str]
    labels: np.ndarray
    answers: dict[str, np.ndarray]
    unreadable: dict[str, str] = field(default_factory=dict)


def predictions_path(folder: Path, split: str) -> Path:
    """Where the answers on a split are kept in a run folder."""
    return folder / f"predictions_{split}.csv"


def write_predictions(
    path: Path,
    sample_ids: Sequence[str],
    labels: Sequence[int],
    answers: Mapping[str, np.ndarray],
    unreadable: Mapping[str, str],
) -> None:
    """Write a line for each photo: sample_id, label (1 = roadwork), P(roadwork) of each output, unreadable (why).

    Args:
        path: the CSV.
        sample_ids, labels, answers, unreadable: as in Predictions.

    Raises:
        KerasFusionError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sample_id", "label", *answers, "unreadable"])
    for row, (name, label) in enumerate(zip(sample_ids, labels, strict=True)):
        # Nine digits bring a float32 back as it was, so that no answer crosses 0.5.
        given = ["" if np.isnan(p[row]) else f"{p[row]:.9g}" for p in answers.values()]
        writer.writerow([name, int(label), *given, unreadable.get(name, "")])
    write_text(path, text.getvalue())


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        RequestError: no such file. KerasFusionError: it is damaged.
    """
    again = "kerasfusion evaluate writes it"
    if not path.is_file():
        raise RequestError("there are no kept answers", where=path, todo=again)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        outputs = [name for name in rows[0] if name not in OTHER_COLUMNS]
        return Predictions(
            [row["sample_id"] for row in rows],
            np.array([int(row["label"]) for row in rows]),
            {name: np.array([float(row[name] or "nan") for row in rows]) for name in outputs},
            {row["sample_id"]: row["unreadable"] for row in rows if row["unreadable"]},
        )
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise KerasFusionError(f"the kept answers are damaged: {error!r}", where=path, todo=again) from error
