"""Every answer of an evaluation, kept as predictions_SPLIT.csv beside its metrics."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.file_writing import write_text

OTHER_COLUMNS = ("sample_id", "image_sha256", "label", "unreadable")


@dataclass(frozen=True)
class Predictions:
    """What a model answered on a split.

    Attributes:
        sample_ids: N paths relative to the data's root.
        labels: (N,) int64 true classes.
        answers: {output: (N,) float64 P(roadwork)}; NaN where the photo could not be read.
        unreadable: {sample_id: reason}.
        digests: {sample_id: sha256 of the file}, of those that could be read.
    """

    sample_ids: list[str]
    labels: np.ndarray
    answers: dict[str, np.ndarray]
    unreadable: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


def predictions_path(folder: Path, split: str) -> Path:
    """Where the answers on a split are kept in a run folder."""
    return folder / f"predictions_{split}.csv"


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write a line for each photo: sample_id, image_sha256, label (1 = roadwork), P(roadwork) of each output, and why
    it could not be read.

    Raises:
        KerasFusionError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sample_id", "image_sha256", "label", *predictions.answers, "unreadable"])
    for row, name in enumerate(predictions.sample_ids):
        # Nine digits bring a float32 back as it was, so that no answer crosses 0.5.
        given = ["" if np.isnan(p[row]) else f"{p[row]:.9g}" for p in predictions.answers.values()]
        about = [name, predictions.digests.get(name, ""), int(predictions.labels[row])]
        writer.writerow([*about, *given, predictions.unreadable.get(name, "")])
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
            {row["sample_id"]: row["image_sha256"] for row in rows if row["image_sha256"]},
        )
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise KerasFusionError(f"the kept answers are damaged: {error!r}", where=path, todo=again) from error
