"""Figures of what to decide by: reliability, MCC against threshold, the fusion against each branch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from kerasfusion.figure_style import GREY, PAPER, panels
from kerasfusion.metrics.reliability import draw_reliability, reliability
from kerasfusion.roadwork.evaluate.figures import PANELS_PER_ROW, colour_of, title_of, width_of
from kerasfusion.roadwork.scoring.calibration import best_threshold
from kerasfusion.roadwork.scoring.reward import clean_answers
from kerasfusion.roadwork.scoring.thresholds import mcc_by_threshold

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 3.5
"""Inches that a panel of differences needs at least."""

DIFFERENCES = {"reward": "reward", "mcc": "MCC"}


def reliability_curves(labels: ArrayLike, answers: Mapping[str, ArrayLike], per_row: int = PANELS_PER_ROW) -> "Figure":
    """P(roadwork) against the share of roadwork among the photos with such an answer, a panel an output.

    Args:
        labels: (N,) 0 or 1.
        answers: output name -> (N,) P(roadwork); invalid ones count as 0.0.
        per_row: panels beside each other.

    Raises:
        RequestError: matplotlib is not installed.
    """
    figure, axes = panels(len(answers), width=3.2, height=3.7, per_row=per_row)
    for number, (ax, (output, p)) in enumerate(zip(axes, answers.items(), strict=True)):
        draw_reliability(ax, reliability(clean_answers(p)[0], labels), colour_of(output), title_of(output))
        ax.set(xlabel="P(roadwork) that was said", ylabel="share with roadwork" if number % per_row == 0 else "")
    parts = ["dots: bins of P(roadwork)", "bars: 95 % intervals", "above: photos in the bin"]
    figure.suptitle((", " if per_row > 1 else "\n").join(parts), fontsize=9)
    return figure


def mcc_against_threshold(labels: ArrayLike, answers: Mapping[str, ArrayLike], width: float = 8.5) -> "Figure":
    """MCC of every output for every threshold; dots at the subnet's 0.5, diamonds where it is highest.

    Args:
        labels: (N,) 0 or 1, both present.
        answers: output name -> (N,) P(roadwork); invalid ones count as 0.0.
        width: of the figure, inches.

    Raises:
        RequestError: matplotlib is not installed.
    """
    labels = np.asarray(labels)
    figure, (ax,) = panels(1, width=width, height=4.2)
    ax.axvline(0.5, color=GREY, linewidth=1, linestyle=":")
    for output, p in reversed(answers.items()):
        _draw_thresholds(ax, output, labels, clean_answers(p)[0])
    ax.set(xlabel="threshold on P(roadwork)", ylabel="MCC (-1 to 1)", xlim=(0, 1))
    handles, names = ax.get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], loc="outside lower center", ncols=1, fontsize=9, frameon=False)
    return figure


def against_branches(comparisons: Mapping[str, Mapping[str, object]], width: float = 8.5) -> "Figure":
    """How much better the fusion is than each branch, with 95 % intervals of the paired bootstrap.

    Args:
        comparisons: {branch: {"reward_difference", "reward_difference_ci95", the same of mcc}}, at least one; as
            `comparison.against_each` gives.
        width: of the figure, inches; a narrow one has its panels below each other.

    Raises:
        RequestError: matplotlib is not installed.
    """
    per_row = 2 if width > 2 * PANEL else 1
    figure, axes = panels(2, width / per_row, 1.3 + 0.45 * len(comparisons), per_row)
    for number, (ax, (metric, name)) in enumerate(zip(axes, DIFFERENCES.items(), strict=True)):
        ax.axvline(0, color=GREY, linewidth=1)
        for row, (branch, values) in enumerate(comparisons.items()):
            low, high = values[f"{metric}_difference_ci95"]
            ax.plot([low, high], [row, row], color=colour_of(branch), linewidth=2.5, solid_capstyle="butt")
            ax.plot(values[f"{metric}_difference"], row, "o", color=colour_of(branch), markersize=8)
        names = [title_of(branch) for branch in comparisons] if number % per_row == 0 else [""] * len(comparisons)
        ax.set_yticks(range(len(comparisons)), names)
        ax.tick_params(axis="y", length=0)
        ax.set(xlabel=f"{name}: fusion minus branch", ylim=(len(comparisons) - 0.5, -0.5))
    return figure


def _draw_thresholds(ax: "Axes", output: str, labels: np.ndarray, p: np.ndarray) -> None:
    thresholds, values = mcc_by_threshold(labels, p)
    best, highest = best_threshold(labels, p)
    at_half = values[np.searchsorted(thresholds, 0.5, side="right") - 1]
    label = f"{title_of(output)}: {at_half:.3f} at 0.5, best {highest:.3f} at {best:.2f}"
    steps = np.append(thresholds, 1.0), np.append(values, values[-1])
    ax.step(*steps, where="post", color=colour_of(output), linewidth=width_of(output), label=label)
    mark = {"color": colour_of(output), "markeredgecolor": PAPER, "zorder": 3, "linestyle": ""}
    ax.plot(0.5, at_half, marker="o", markersize=7, **mark)
    ax.plot(best, highest, marker="D", markersize=7, **mark)
