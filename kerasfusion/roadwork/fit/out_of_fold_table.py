"""What every branch says of the training photos that it has not seen, kept in the run folder.

out_of_fold.csv has a row a view; out_of_fold.json beside it has its digest, by which it is known to be whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.csv_table import csv_text, damaged, read_rows
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.json_yaml import read_json, write_json
from kerasfusion.files.writing import write_text

ANSWERS, RECORD = "out_of_fold.csv", "out_of_fold.json"
ABOUT = ("sample_id", "image_sha256", "label", "fold", "view")
AGAIN = "kerasfusion fit --restart --set fusion.fit_on=all writes it (with yolo.folds of 3 or 5)"


@dataclass(frozen=True)
class FoldAnswers:
    """Answers about training photos, each of a classifier that has not seen the photo.

    Attributes:
        sample_ids: N photos.
        digests: sha256 of each file.
        labels: (N,) int64.
        folds: (N,) int64, 1..K.
        answers: {branch: (N, V) P(roadwork)} of each photo's views, the first of which is the photo itself.
    """

    sample_ids: Sequence[str]
    digests: Sequence[str]
    labels: np.ndarray
    folds: np.ndarray
    answers: Mapping[str, np.ndarray]


def write_fold_answers(folder: Path, kept: FoldAnswers, classifiers: Sequence[str]) -> None:
    """Keep answers in a run folder.

    Args:
        folder: the run's.
        kept: what to keep.
        classifiers: sha256 of each fold's YOLO classifier.

    Raises:
        KerasFusionError: the file cannot be written.
    """
    rows = []
    for photo, name in enumerate(kept.sample_ids):
        about = [name, kept.digests[photo], int(kept.labels[photo]), int(kept.folds[photo])]
        for view, said in enumerate(zip(*(probs[photo] for probs in kept.answers.values()), strict=True)):
            rows.append([*about, view, *(f"{p:.9g}" for p in said)])
    write_text(folder / ANSWERS, csv_text([*ABOUT, *kept.answers], rows))
    write_json(folder / RECORD, {"answers_sha256": file_sha256(folder / ANSWERS), "yolo": list(classifiers)})


def read_fold_answers(folder: Path) -> FoldAnswers:
    """Read what `write_fold_answers` wrote.

    Raises:
        RequestError: there is none, or it is not what was written. DamagedError: it is damaged.
    """
    path = folder / ANSWERS
    if not path.is_file():
        raise RequestError("this run has kept no answers out of fold", where=path, todo=AGAIN)
    if (read_json(folder / RECORD, todo=AGAIN) or {}).get("answers_sha256") != file_sha256(path):
        raise RequestError("the answers out of fold are not those that fit wrote", where=path, todo=AGAIN)
    rows = read_rows(path, "the table of answers out of fold", ABOUT, AGAIN)
    branches = [name for name in rows[0][1] if name not in ABOUT] if rows else []
    first = [row for _, row in rows if row["view"] == "0"]
    if not first or len(rows) % len(first):
        raise damaged("the table of answers out of fold", "photos have not equally many views", path, AGAIN)
    return FoldAnswers(
        [row["sample_id"] for row in first],
        [row["image_sha256"] for row in first],
        np.array([int(row["label"]) for row in first]),
        np.array([int(row["fold"]) for row in first]),
        {name: np.array([float(row[name]) for _, row in rows]).reshape(len(first), -1) for name in branches},
    )
