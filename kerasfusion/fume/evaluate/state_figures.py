"""Figures of how well a state is told: one-vs-rest curves, reliability, and the views side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kerasfusion.figure_style import BLUE, GREEN, GREY, ORANGE, PURPLE, panels
from kerasfusion.fume.data.annotations import STATES
from kerasfusion.metrics import classification
from kerasfusion.metrics.reliability import draw_reliability, reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = dict(zip(STATES, (GREEN, ORANGE, PURPLE), strict=True))
SCORES = {"balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}
CHANCE = 1 / len(STATES)
"""Balanced accuracy of guessing."""

NARROW = 6.0
"""Inches below which panels stand below each other."""


def states_with_curves(labels: np.ndarray) -> list[str]:
    """The states that some samples have and some have not: only for these there is a curve."""
    counts = np.bincount(labels, minlength=len(STATES))
    return [name for name, count in zip(STATES, counts, strict=True) if 0 < count < labels.size]


def roc_and_pr_curves(labels: np.ndarray, states: np.ndarray, per_row: int = 2) -> "Figure":
    """ROC and precision-recall curves of each state against the other two.

    Args:
        labels: (N,) int64 true states, at least two different ones.
        states: (N, 3) probabilities.
        per_row: panels beside each other.

    Raises:
        RequestError: matplotlib is not installed.
    """
    figure, (roc, pr) = panels(2, width=4.6, height=4.4, per_row=per_row)
    for name in states_with_curves(labels):
        _draw_curves(roc, pr, name, (labels == STATES.index(name)).astype(int), states[:, STATES.index(name)])
    roc.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="chance")
    roc.set(title="ROC, each state against the others", xlabel="false positive rate", ylabel="true positive rate")
    pr.set(title="Precision and recall, each state", xlabel="recall", ylabel="precision")
    for ax, place in ((roc, "lower right"), (pr, "lower left")):
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        ax.set_aspect("equal")
        ax.legend(loc=place, fontsize=8)
    return figure


def reliability_curve(labels: np.ndarray, states: np.ndarray) -> "Figure":
    """How often the likeliest state was right, by the probability that it was given.

    Args:
        labels: (N,) int64 true states.
        states: (N, 3) probabilities.

    Raises:
        RequestError: matplotlib is not installed.
    """
    figure, (ax,) = panels(1, width=4.2, height=4.7)
    found = reliability(states.max(axis=-1), states.argmax(axis=-1) == labels)
    draw_reliability(ax, found, BLUE, "Likeliest state")
    ax.set(xlabel="probability of the likeliest state", ylabel="share that was right")
    return figure


def view_scores(views: Mapping[str, Mapping[str, object]], width: float = 8.5) -> "Figure":
    """Balanced accuracy and macro F1 of each view with their 95 % intervals.

    Args:
        views: {title: the "state" part of a report}, at least one.
        width: of the figure, inches.

    Raises:
        RequestError: matplotlib is not installed.
    """
    per_row = 1 if width < NARROW else 2
    figure, axes = panels(2, width=width / per_row, height=1.1 + 0.42 * len(views), per_row=per_row)
    for number, (ax, (metric, title)) in enumerate(zip(axes, SCORES.items(), strict=True)):
        for row, values in enumerate(views.values()):
            _draw_interval(ax, row, values, metric)
        names = [f"{name} ({values['n']})" for name, values in views.items()]
        ax.set_yticks(range(len(views)), names if number % per_row == 0 else [""] * len(views))
        ax.set(xlabel=title, xlim=(-0.02, 1.02), ylim=(len(views) - 0.5, -0.5))
        ax.tick_params(axis="y", length=0)
    axes[0].axvline(CHANCE, color=GREY, linewidth=1, linestyle=":")
    return figure


def _draw_curves(roc: "Axes", pr: "Axes", name: str, labels: np.ndarray, p: np.ndarray) -> None:
    style = {"color": COLOURS[name], "linewidth": 1.8}
    area, precision = classification.roc_auc(labels, p), classification.average_precision(labels, p)
    roc.plot(*classification.roc_curve(labels, p), **style, label=f"{name}, area {area:.3f}")
    recalls, precisions = classification.precision_recall_curve(labels, p)
    label = f"{name}, average precision {precision:.3f}; prevalence {labels.mean():.2f}"
    pr.step(np.append(0, recalls), np.append(precisions[0], precisions), **style, where="pre", label=label)
    pr.axhline(labels.mean(), color=COLOURS[name], linewidth=1, linestyle=":")


def _draw_interval(ax: "Axes", row: int, values: Mapping[str, object], metric: str) -> None:
    if interval := values.get(f"{metric}_ci95"):
        ax.plot(interval, (row, row), color=BLUE, linewidth=2.5, solid_capstyle="butt")
    ax.plot(values[metric], row, "o", color=BLUE, markersize=8)
    ax.annotate(
        f"{values[metric]:.3f}", (values[metric], row), (0, 7), textcoords="offset points", ha="center", fontsize=8
    )
