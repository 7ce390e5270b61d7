"""Two sets of answers to the same questions: what they differ by, and how sure that is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.evaluate.report import RESAMPLES
from kerasfusion.fume.evaluate.split import VIEWS, Answers
from kerasfusion.fume.evaluate.tallies import tallies_of
from kerasfusion.metrics.intervals import bootstrap, mcnemar, paired_difference, verdict

COMPARED = {
    "state": ("balanced_accuracy", "macro_f1", *(f"f1_{name.lower()}" for name in STATES)),
    "mask": ("iou_gas", "miou", "boundary_f_gas"),
}
"""What is compared of a state, and of every mask; boundaries where both have measured them."""


def same_samples(a: Answers, b: Answers) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The rows of two sets of answers that are about the same samples, view by view.

    A sample whose state or mask differs in the two sets is not the same one, and left out.

    Returns:
        {view: (rows of a, rows of b)}, both (K,) int64 in a's order; only views that share samples.
    """
    found = {}
    for view in VIEWS:
        there = {b.asked[row].sample.sample_id: row for row in b.rows(view)}
        pairs = [(row, there.get(a.asked[row].sample.sample_id)) for row in a.rows(view)]
        same = [(x, y) for x, y in pairs if y is not None and _have_one_truth(a, x, b, y)]
        if same:
            found[view] = tuple(np.array(rows, np.int64) for rows in zip(*same, strict=True))
    return found


def compare_answers(
    a: Answers,
    rows_a: np.ndarray,
    b: Answers,
    rows_b: np.ndarray,
    groups: Sequence[str],
    resamples: int = RESAMPLES,
    seed: int = 42,
) -> dict[str, dict[str, Any]]:
    """The values of B minus those of A on the same resamples of whole originals.

    Args:
        a, b: answers.
        rows_a, rows_b: (K,) rows that belong together.
        groups: K originals.
        resamples, seed: of the bootstrap.

    Returns:
        {part that both have: {metric: {"a", "b", "difference", "ci95": (low, high)}}}; and under "state" also
        "only_a_right", "only_b_right" (samples), "sign_flip_p" (of originals, see `mcnemar`) and "verdict" of B by
        balanced accuracy. A metric that is undefined for one of the two is left out.
    """
    tallies = [tallies_of(a, rows_a), tallies_of(b, rows_b)]
    parts = [part for part in tallies[0].parts if part in tallies[1].parts]
    of_all = [of.values(np.ones((1, len(rows_a)))) for of in tallies]
    wanted = [(part, name) for part in parts for name in COMPARED["state" if part == "state" else "mask"]]
    names = [(part, name) for part, name in wanted if all(name in values[part] for values in of_all)]
    if not names:
        return {}

    def statistic(weights: np.ndarray) -> np.ndarray:
        drawn = [of.values(weights) for of in tallies]
        return np.stack([[values[part][name] for part, name in names] for values in drawn]).transpose(2, 0, 1)

    values = np.array([[each[part][name][0] for part, name in names] for each in of_all])
    resampled = bootstrap(statistic, len(rows_a), groups, resamples, seed)
    found: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for column, (part, name) in enumerate(names):
        of_a, of_b = (float(value) for value in values[:, column])
        if np.isnan(of_b - of_a):
            continue
        interval = paired_difference(resampled[:, 1, column], resampled[:, 0, column])
        found[part][name] = {"a": of_a, "b": of_b, "difference": of_b - of_a, "ci95": interval}
    if "state" in found:
        test = mcnemar(a.labels[rows_a], b.predicted[rows_b], a.predicted[rows_a], groups)
        found["state"] |= {
            "only_a_right": test["c"],
            "only_b_right": test["b"],
            "sign_flip_p": test["p"],
            "verdict": verdict(found["state"]["balanced_accuracy"]["ci95"], test),
        }
    return found


def _have_one_truth(a: Answers, row_a: int, b: Answers, row_b: int) -> bool:
    if a.asked[row_a].sample.class_id != b.asked[row_b].sample.class_id:
        return False
    masks = a.pixels.keys() & b.pixels.keys()
    return all((a.pixels[mask][row_a].sum(axis=1) == b.pixels[mask][row_b].sum(axis=1)).all() for mask in masks)
