"""Figures of an evaluation: confusion matrices of the states. `figure_style` keeps them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kerasfusion.figure_style import ON_DEEP, ON_PALE, panels
from kerasfusion.fume.data.annotations import STATES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS_PER_ROW = 4


def draw_confusion(reports: Mapping[str, Mapping[str, object]], per_row: int = PANELS_PER_ROW) -> "Figure":
    """One 3x3 panel a report: counts and shares of the true state.

    Args:
        reports: {title: the "state" part of a report}, at least one.
        per_row: panels beside each other.

    Raises:
        RequestError: matplotlib is not installed.
    """
    figure, axes = panels(len(reports), width=4.0, height=4.3, per_row=per_row)
    for number, (ax, (title, values)) in enumerate(zip(axes, reports.items(), strict=True)):
        draw_matrix(ax, np.asarray(values["confusion_matrix"]), with_row_names=number % per_row == 0)
        scores = f"accuracy {values['accuracy']:.3f}, balanced {values['balanced_accuracy']:.3f}"
        ax.set_title(f"{title} ({values['n']})\n{scores}", fontsize=10)
    figure.suptitle("rumen state: counts and % of the true state", fontsize=11)
    return figure


def draw_matrix(
    ax: "Axes", matrix: np.ndarray, with_row_names: bool, with_column_names: bool = True, is_small: bool = False
) -> None:
    """Counts and shares of the true state in one panel, the darker the larger the share.

    Args:
        ax: empty.
        matrix: (3, 3) counts, rows are the truth.
        with_row_names, with_column_names: whether the states stand beside and below it.
        is_small: one of many panels: smaller type, shares without decimals.
    """
    size, names_size, decimals = (9, 7.5, 0) if is_small else (12, 9, 1)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        share = shares[row, column]
        shown = f"{count}\n{share:.{decimals}%}" if matrix[row].any() else "0\n-"
        colour = ON_DEEP if share > 0.55 else ON_PALE
        ax.text(column, row, shown, ha="center", va="center", color=colour, fontsize=size)
    ticks, none = range(len(STATES)), [""] * len(STATES)
    ax.set_xticks(ticks, STATES if with_column_names else none, fontsize=names_size)
    ax.set_yticks(ticks, STATES if with_row_names else none, rotation=90, va="center", fontsize=names_size)
    ax.set(xlabel="answer" if with_column_names else "", ylabel="truth" if with_row_names else "")
    ax.tick_params(length=0)
    ax.grid(False)
