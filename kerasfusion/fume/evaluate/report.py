"""Answers to the values of `metrics.json`, each with its bootstrap interval."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.evaluate.split import VIEWS, Answers
from kerasfusion.fume.evaluate.tallies import tallies_of
from kerasfusion.metrics.intervals import bootstrap, bootstrap_ci

RESAMPLES = 2000


def report_views(answers: Answers, split: str, resamples: int = RESAMPLES, seed: int = 42) -> dict[str, dict]:
    """The report of every view that has samples.

    Returns:
        {split + view: {"state": ..., "co2_mask": ..., "ch4_mask": ..., "mask": ..., "joint": ...}}, see `report_rows`;
        views are those of `evaluate.VIEWS`, for example "test" and "test_co2_only".
    """
    chosen = {f"{split}{view}": answers.rows(view) for view in VIEWS}
    return {name: report_rows(answers, rows, resamples, seed) for name, rows in chosen.items() if rows.size}


def one_answer(report: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence for each view in which all answers are one state, though there are several; see `report_views`."""
    found = []
    for view, parts in report.items():
        matrix = np.array(parts.get("state", {}).get("confusion_matrix", np.zeros((3, 3))))
        said = np.flatnonzero(matrix.sum(axis=0))
        if len(said) == 1 and np.count_nonzero(matrix.sum(axis=1)) > 1:
            found.append(
                f"{view}: all {int(matrix.sum())} answers are {STATES[said[0]]}; the network does not tell the state"
            )
    return found


def report_rows(answers: Answers, rows: np.ndarray, resamples: int = RESAMPLES, seed: int = 42) -> dict[str, dict]:
    """The values of some rows.

    Args:
        answers: what a network said.
        rows: (K,) int64 numbers of rows, at least one.
        resamples: of the bootstrap; whole originals are drawn (Sample.group), so that copies of one frame do not pass
            for independent ones.
        seed: of the bootstrap.

    Returns:
        {part: {metric: value, metric_ci95: [low, high], ..., "n": questions, "n_groups": originals,
        "confusion_matrix": [[...]]}}; JSON types only, None is undefined. Parts: "state", the masks, and "joint" where
        there are both.
    """
    tallies = tallies_of(answers, rows)
    groups = [answers.asked[row].sample.group for row in rows]
    found = tallies.values(np.ones(len(rows)))
    names = [(part, metric) for part, values in found.items() for metric in values]

    def statistic(weights: np.ndarray) -> np.ndarray:
        drawn = tallies.values(weights)
        return np.stack([drawn[part][metric] for part, metric in names], axis=-1)

    drawn = bootstrap(statistic, len(rows), groups, resamples, seed)
    report: dict[str, dict] = {part: {} for part in found}
    for column, (part, metric) in enumerate(names):
        report[part][metric] = _number(found[part][metric])
        low, high = bootstrap_ci(drawn[:, column])
        report[part][f"{metric}_ci95"] = None if math.isnan(low) else [low, high]
    for part, each in tallies.counts.items():
        there = np.flatnonzero(each.any(axis=(1, 2)))
        report[part] |= {"n": int(there.size), "n_groups": len({groups[row] for row in there})}
        report[part]["confusion_matrix"] = each.sum(axis=0).tolist()
    return report


def _number(value: np.ndarray) -> float | None:
    return None if np.isnan(value) else float(value)
