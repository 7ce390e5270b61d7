"""Whether a configuration differs from the table's first one by more than chance: paired bootstrap, Holm's correction.

The test set is drawn again, whole originals at a time (copies of one are not independent), and both configurations are
measured on every draw. Their difference then has a distribution, and p is the level at which its percentile interval
just touches 0: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 and 15, counted with the
data's own draw as in Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 4.2. It needs no
answers to the same questions, so that pairs and single frames of the same originals can be compared. With seeds it is
the difference of the means over the seeds, each on the same draws.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasfusion.files.kept_answers import predictions_path, refuse_other_answers
from kerasfusion.fume.ablate.plan import SPLIT, compared_samples
from kerasfusion.fume.ablate.results import Result
from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.evaluate.paper import p_text
from kerasfusion.fume.evaluate.predictions import read_predictions
from kerasfusion.fume.evaluate.split import Answers
from kerasfusion.fume.evaluate.tallies import tallies_of, values_of
from kerasfusion.metrics.classification import mean_of_defined
from kerasfusion.metrics.intervals import SIGNIFICANCE, bootstrap

RESAMPLES = 10_000
TESTED = {"balanced_accuracy": "balanced accuracy", "iou_gas": "gas IoU"}
"""What is tested: of the state, and of the gas masks that both have, the mean. -> how a sentence calls it."""

Frames = dict[str, tuple[str, str]]
"""{frame's path: (its sample, its original)} of the samples that are compared."""
Counts = dict[str, np.ndarray]
"""{part: (G, 3, 3)} counts of each of G originals."""


def against_first(configurations: Mapping[str, Sequence[Result]]) -> dict[str, dict[str, float | None]]:
    """The p-values of each configuration's difference from the first.

    Args:
        configurations: {name: its finished runs, one a seed}, in the table's order; the first has at least one.

    Returns:
        {name: {"balanced_accuracy_p": p, "iou_gas_p": p}}, two-sided, by Holm's method over the configurations; None
        for the first, where one of the two has no such value, or other data, or kept no answers.

    Raises:
        RequestError, KerasFusionError: kept answers that are damaged.
    """
    names = list(configurations)
    first = configurations[names[0]]
    frames = _frames_of(first[0])
    kept = [answers for result in first if (answers := _answers(result)) is not None]
    found: dict[str, dict[str, float | None]] = {name: dict.fromkeys(TESTED) for name in names}
    for name in names[1:]:
        others = [answers for result in configurations[name] if (answers := _answers(result)) is not None]
        same_data = all(_data_of(result) == _data_of(first[0]) for result in configurations[name])
        if kept and others and same_data:
            found[name] = compare(kept, others, frames, _learned(first[0]) & _learned(configurations[name][0]))
    corrected = {metric: holm([found[name][metric] for name in names]) for metric in TESTED}
    return {name: {f"{metric}_p": corrected[metric][row] for metric in TESTED} for row, name in enumerate(names)}


def compare(
    first: Sequence[Answers], other: Sequence[Answers], frames: Frames, parts: set[str], resamples: int = RESAMPLES
) -> dict[str, float | None]:
    """{metric of TESTED: p}, not yet corrected, of the samples that all were asked about; None where there are none.

    Args:
        first, other: answers of two configurations, one of each seed; at least one.
        frames: of the samples that may be compared.
        parts: "state" and masks that both learned.
        resamples: draws.
    """
    samples = set.intersection(*({frames[path][0] for path in _paths(each, frames)} for each in (*first, *other)))
    frames = {path: known for path, known in frames.items() if known[0] in samples}
    groups = sorted({group for _, group in frames.values()})
    counts = [[_by_group(each, frames, groups) for each in side] for side in (first, other)]
    shared = parts.intersection(*(each for side in counts for each in side))
    masks = [f"{gas}_mask" for gas in GASES if f"{gas}_mask" in shared] or sorted(shared & {"mask"})
    of_metric = {"balanced_accuracy": ["state"] if "state" in shared else [], "iou_gas": masks}
    return {metric: _p_of(counts, used, metric, len(groups), resamples) for metric, used in of_metric.items()}


def p_value(differences: np.ndarray, groups: int) -> float | None:
    """Two-sided p of a difference by its bootstrap distribution.

    Args:
        differences: (R,) on the draws; NaN (undefined) ones are left out.
        groups: independent originals that are drawn. p is never below 2^(1 - groups), which is what the sign of every
            original's own difference could say at most: of few originals a bootstrap says too much.

    Returns:
        0..1; None without defined differences.
    """
    defined = differences[~np.isnan(differences)]
    if not defined.size:
        return None
    fewer = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, max(2 * (1 + fewer) / (1 + defined.size), 2.0 ** (1 - groups))))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of several p-values (Scand. J. Statist. 6, 1979); None is no test, and stays."""
    tested = sorted((value, place) for place, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for number, (value, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - number) * value))
        corrected[place] = largest
    return corrected


def in_words(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence on which rows differ from the first by more than chance; None where nothing was tested."""
    found = []
    for metric, title in TESTED.items():
        p_values = {row["name"]: p for row in rows if (p := row.get(f"{metric}_p")) is not None}
        if p_values:
            sure = [f"{name} ({p_text(p, 'p ')})" for name, p in p_values.items() if p < SIGNIFICANCE]
            found.append(f"{title}: {', '.join(sure) or 'none'} of {len(p_values)}")
    return f"Clearly other than {rows[0]['name']} (p < {SIGNIFICANCE}) in {'; in '.join(found)}." if found else None


def _p_of(
    counts: Sequence[Sequence[Counts]], parts: Sequence[str], metric: str, groups: int, resamples: int
) -> float | None:
    if not parts or groups == 0:
        return None

    def statistic(weights: np.ndarray) -> np.ndarray:
        means = [
            np.mean(
                [_value({part: np.tensordot(weights, of[part], 1) for part in parts}, metric) for of in side], axis=0
            )
            for side in counts
        ]
        return means[1] - means[0]

    return p_value(bootstrap(statistic, groups, n_resamples=resamples), groups)


def _value(matrices: Counts, metric: str) -> np.ndarray:
    """(R,) the metric, the mean over the parts."""
    values = values_of(matrices)
    return mean_of_defined(np.stack([values[part][metric] for part in matrices], axis=-1))


def _by_group(answers: Answers, frames: Frames, groups: Sequence[str]) -> Counts:
    asked = [(row, path) for row in answers.rows("") if (path := _path(answers, row, frames)) is not None]
    places = np.array([groups.index(frames[path][1]) for _, path in asked], np.int64)
    counts = tallies_of(answers, np.array([row for row, _ in asked], np.int64)).counts
    return {part: _summed(each, places, len(groups)) for part, each in counts.items()}


def _summed(each: np.ndarray, places: np.ndarray, groups: int) -> np.ndarray:
    found = np.zeros((groups, *each.shape[1:]), np.int64)
    np.add.at(found, places, each)
    return found


def _paths(answers: Answers, frames: Frames) -> set[str]:
    paths = (_path(answers, row, frames) for row in answers.rows(""))
    return {path for path in paths if path is not None}


def _path(answers: Answers, row: int, frames: Frames) -> str | None:
    """A frame of a question that belongs to the compared samples."""
    shown = answers.asked[row].sample.frames.values()
    return next((frame.frame_path for frame in shown if frame.frame_path in frames), None)


def _frames_of(result: Result) -> Frames:
    samples = compared_samples(result.config)
    return {
        frame.frame_path: (sample.sample_id, sample.group) for sample in samples for frame in sample.frames.values()
    }


def _answers(result: Result) -> Answers | None:
    path = predictions_path(result.config.run_folder, SPLIT)
    if not path.is_file():
        return None
    refuse_other_answers(path, f"delete {path} and run the same command again")
    return read_predictions(path)


def _data_of(result: Result) -> tuple:
    data = result.config.data
    return data.dataset_root.resolve(), data.paired_csv(SPLIT).resolve()


def _learned(result: Result) -> set[str]:
    return set(result.parts)
