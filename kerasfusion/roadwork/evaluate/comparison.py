"""All outputs on the same photos, with intervals, and each against the baseline."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from kerasfusion.metrics import classification
from kerasfusion.metrics.intervals import bootstrap, bootstrap_ci, mcnemar, paired_difference, verdict
from kerasfusion.roadwork.scoring.reward import binary_report, clean_answers, decide, metrics_of

RESAMPLED = ("accuracy", "mcc", "reward_raw", "reward", "precision", "recall", "f1", "roc_auc")
COMPARED = ("reward", "mcc", "accuracy")


def full_report(
    labels: ArrayLike,
    answers: Mapping[str, ArrayLike],
    baseline: str = "vit",
    groups: ArrayLike | None = None,
    n_resamples: int = 2000,
    seed: int = 42,
) -> dict[str, dict[str, object]]:
    """What `metrics.json` says of one split.

    Args:
        labels: (N,) 0 = no roadwork, 1 = roadwork.
        answers: output name -> (N,) P(roadwork), on the same photos.
        baseline: the output that the others are compared with, if it is among the answers.
        groups: (N,) ids of photos that belong together (copies, one drive, one place); None: each for itself.
        n_resamples: bootstrap resamples, the same for all outputs.
        seed: of the resamples.

    Returns:
        {output: {metric: value, metric_ci95: [low, high], ...}}. Outputs other than the baseline also have
        "vs_<baseline>": {"reward_difference", "reward_difference_ci95", the same for mcc and accuracy, "verdict",
        "only_<output>_right", "only_<baseline>_right" (photos), and "mcnemar_p" or with groups "sign_flip_p"}.
        JSON types only; None stands for what is undefined (ROC-AUC with one class).

    Raises:
        ValueError: no samples, lengths that differ, or labels other than 0 and 1.
    """
    sizes = {"labels": len(labels), **{k: len(p) for k, p in answers.items()}}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"lengths differ: {sizes}")
    resampled = _resampled_metrics(labels, answers, groups, n_resamples, seed)
    report = {name: _with_intervals(binary_report(labels, p), resampled[name]) for name, p in answers.items()}
    for name in answers:
        if baseline in answers and name != baseline:
            report[name][f"vs_{baseline}"] = _comparison(labels, answers, report, resampled, name, baseline, groups)
    return report


def against_each(
    labels: ArrayLike,
    answers: Mapping[str, ArrayLike],
    name: str,
    groups: ArrayLike | None = None,
    n_resamples: int = 2000,
    seed: int = 42,
) -> dict[str, dict[str, object]]:
    """One output against each of the others, on the same photos and resamples.

    Args:
        labels, answers, groups, n_resamples, seed: as `full_report` takes them.
        name: the output that is compared.

    Returns:
        {other output: what `full_report` says under "vs_<baseline>"}.
    """
    resampled = _resampled_metrics(labels, answers, groups, n_resamples, seed)
    report = {output: binary_report(labels, p) for output, p in answers.items()}
    others = [output for output in answers if output != name]
    return {other: _comparison(labels, answers, report, resampled, name, other, groups) for other in others}


def in_words_of_test(comparison: Mapping[str, object]) -> str:
    """The test of a comparison and its p-value, for a person."""
    if "mcnemar_p" in comparison:
        return f"McNemar p = {comparison['mcnemar_p']:.3g}"
    return f"sign-flip test p = {comparison['sign_flip_p']:.3g}"


def _resampled_metrics(
    labels: ArrayLike, answers: Mapping[str, ArrayLike], groups: ArrayLike | None, n_resamples: int, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """{output: {metric: (R,)}}, every output on the same resamples."""
    cleaned = [clean_answers(p)[0] for p in answers.values()]
    confusions = [classification.confusion_per_sample(labels, decide(p), n_classes=2) for p in cleaned]

    def statistic(weights: np.ndarray) -> np.ndarray:
        values = []
        for p, confusion in zip(cleaned, confusions, strict=True):
            of_output = metrics_of(np.tensordot(weights, confusion, 1))
            of_output["roc_auc"] = classification.roc_auc(labels, p, weights)
            values.append(np.stack([of_output[name] for name in RESAMPLED], axis=-1))
        return np.stack(values, axis=1)

    values = bootstrap(statistic, len(labels), groups, n_resamples, seed)
    return {output: {metric: values[:, i, j] for j, metric in enumerate(RESAMPLED)} for i, output in enumerate(answers)}


def _with_intervals(report: dict[str, object], resampled: dict[str, np.ndarray]) -> dict[str, object]:
    merged: dict[str, object] = {}
    for name, value in report.items():
        merged[name] = value
        if name in resampled:
            merged[f"{name}_ci95"] = None if value is None else list(bootstrap_ci(resampled[name]))
    return merged


def _comparison(
    labels: ArrayLike,
    answers: Mapping[str, ArrayLike],
    report: Mapping[str, Mapping[str, float]],
    resampled: Mapping[str, Mapping[str, np.ndarray]],
    name: str,
    baseline: str,
    groups: ArrayLike | None = None,
) -> dict[str, object]:
    result: dict[str, object] = {}
    for metric in COMPARED:
        result[f"{metric}_difference"] = report[name][metric] - report[baseline][metric]
        difference = paired_difference(resampled[name][metric], resampled[baseline][metric])
        result[f"{metric}_difference_ci95"] = list(difference)
    interval = tuple(result["reward_difference_ci95"])
    decisions = [decide(clean_answers(answers[output])[0]) for output in (name, baseline)]
    test = mcnemar(labels, *decisions, groups)
    return result | {
        f"only_{name}_right": test["b"],
        f"only_{baseline}_right": test["c"],
        "mcnemar_p" if groups is None else "sign_flip_p": test["p"],
        "verdict": verdict(interval, test),
    }
