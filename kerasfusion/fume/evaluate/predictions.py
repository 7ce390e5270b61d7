"""Every answer of an evaluation, kept as predictions_SPLIT.csv beside its metrics: one row a question."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kerasfusion.files.csv_table import csv_of_dicts
from kerasfusion.files.writing import write_text
from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.data.csv_rows import parse_rows
from kerasfusion.fume.data.samples import COLUMNS, parse_sample, sample_row
from kerasfusion.fume.evaluate.boundary import CONTOURS
from kerasfusion.fume.evaluate.split import CLASSES, NO_BOUNDARIES, NO_PIXELS, Answers, Asked, by_output
from kerasfusion.metrics import classification

OF_QUESTION = ("sample_id", "group", "of_pair", "as_it_is")
STATE_COLUMNS = tuple(f"p_{name.lower()}" for name in STATES)
PIXELS = "_pixels"
"""Behind an output's name: its pixels by true and predicted class, row by row of the true one."""
BOUNDARY = tuple(f"_boundary_f_{name}" for name in CONTOURS)
"""Behind an output's name: its boundary F-scores."""


def write_predictions(path: Path, answers: Answers) -> None:
    """Write every answer.

    The columns are those of a question (its sample's id, the original that stands for it, whether the data have both
    gases, whether it was asked with all of them), those of a paired CSV, P of each state, and of each mask the IoU of
    each class (empty where neither truth nor answer has it), the pixels that it is made of, and the boundary F-scores.

    Raises:
        KerasFusionError: the file cannot be written; what was there before stays.
    """
    masks = [f"{output}{suffix}" for output in answers.pixels for suffix in (*_iou_suffixes(), PIXELS)]
    masks += [f"{output}{suffix}" for output in answers.boundaries for suffix in BOUNDARY]
    states = STATE_COLUMNS if answers.states is not None else ()
    columns = [*OF_QUESTION, *COLUMNS, *states, *masks]
    write_text(path, csv_of_dicts(columns, _rows(answers)))


def read_predictions(path: Path) -> Answers:
    """What `write_predictions` wrote.

    Raises:
        RequestError: no such file, or rows with bad values; names them.
    """
    rows = parse_rows(path, [*OF_QUESTION, *COLUMNS], _parse)
    asked, states, pixels, boundaries = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Answers(
        list(asked),
        np.array(states, np.float32) if states and states[0] is not None else None,
        by_output(pixels, NO_PIXELS),
        by_output(boundaries, NO_BOUNDARIES),
    )


def _rows(answers: Answers) -> Iterator[dict[str, object]]:
    ious = {output: classification.iou(counts) for output, counts in answers.pixels.items()}
    for number, asked in enumerate(answers.asked):
        sample = asked.sample
        row = {
            "sample_id": sample.sample_id,
            "group": sample.group,
            "of_pair": asked.of_pair,
            "as_it_is": asked.as_it_is,
        }
        row |= sample_row(sample)
        if answers.states is not None:
            row |= {name: f"{p:.9g}" for name, p in zip(STATE_COLUMNS, answers.states[number], strict=True)}
        for output, counts in answers.pixels.items():
            if counts[number].any():
                shares = zip(_iou_suffixes(), ious[output][number], strict=True)
                row |= {f"{output}{suffix}": "" if np.isnan(iou) else f"{iou:.6f}" for suffix, iou in shares}
                row[f"{output}{PIXELS}"] = " ".join(map(str, counts[number].ravel()))
        for output, scores in answers.boundaries.items():
            of_classes = zip(BOUNDARY, scores[number].tolist(), strict=True)
            row |= {f"{output}{suffix}": "" if math.isnan(score) else score for suffix, score in of_classes}
        yield row


def _parse(
    row: dict[str, str], source: str
) -> tuple[Asked, list[float] | None, dict[str, np.ndarray], dict[str, np.ndarray]]:
    asked = Asked(parse_sample(row, source), _is_yes(row, "of_pair"), _is_yes(row, "as_it_is"))
    states = [float(row[name]) for name in STATE_COLUMNS] if STATE_COLUMNS[0] in row else None
    outputs = [name.removesuffix(PIXELS) for name in row if name.endswith(PIXELS)]
    pixels = {output: _counts(row[f"{output}{PIXELS}"]) for output in outputs}
    measured = [output for output in outputs if f"{output}{BOUNDARY[0]}" in row]
    return asked, states, pixels, {output: _scores(row, output) for output in measured}


def _counts(cell: str) -> np.ndarray:
    """(3, 3) int64; zeros from an empty cell."""
    counts = np.array(cell.split(), np.int64)
    return counts.reshape(CLASSES, CLASSES) if counts.size else np.zeros((CLASSES, CLASSES), np.int64)


def _scores(row: dict[str, str], output: str) -> np.ndarray:
    """(2,) float64; NaN from an empty cell."""
    return np.array([float(row[f"{output}{suffix}"] or math.nan) for suffix in BOUNDARY])


def _is_yes(row: dict[str, str], column: str) -> bool:
    if row[column] not in ("True", "False"):
        raise ValueError(f"{column} is {row[column]!r}, expected True or False")
    return row[column] == "True"


def _iou_suffixes() -> list[str]:
    return [f"_iou_{name}" for name in PIXEL_CLASSES]
