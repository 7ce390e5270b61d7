"""Two runs drawn over each other: trainings, ROC and precision-recall curves."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from kerasfusion.figure_style import BLUE, VERMILION, panels
from kerasfusion.roadwork.evaluate.figures import history_columns, roc_and_pr_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIR = (BLUE, VERMILION)
"""Colours of the first run and the second."""


def overlaid_histories(histories: Mapping[str, Path], per_row: int = 2) -> "Figure | None":
    """Every value that both trainings have by epoch, a panel each: training solid, validation dashed.

    Args:
        histories: {run: its history.csv}, two.
        per_row: panels beside each other.

    Returns:
        None if they have no value in common.
    """
    columns = {name: history_columns(path) for name, path in histories.items()}
    first, second = columns.values()
    shared = list(dict.fromkeys(key.removeprefix("val_") for key in first if key in second))
    if not shared:
        return None
    figure, axes = panels(len(shared), width=4.2, height=3.4, per_row=per_row)
    for ax, key in zip(axes, shared, strict=True):
        for colour, (name, values) in zip(PAIR, columns.items(), strict=True):
            for column, style in ((key, "-"), (f"val_{key}", "--")):
                if column in values:
                    epochs = np.arange(1, values[column].size + 1)
                    label = f"{name}, {'validation' if style == '--' else 'training'}"
                    ax.plot(epochs, values[column], color=colour, linestyle=style, marker=".", label=label)
        ax.set(title=key.replace("_", " "), xlabel="epoch", ylabel=key.replace("_", " "))
        ax.xaxis.get_major_locator().set_params(integer=True)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=per_row, fontsize=9, frameon=False)
    return figure


def overlaid_curves(labels: ArrayLike, answers: Mapping[str, ArrayLike], per_row: int = 2) -> "Figure":
    """ROC and precision-recall curves of two runs on the same photos.

    Args:
        labels: (N,) 0 or 1, both present.
        answers: {run: (N,) P(roadwork)}, two.
        per_row: panels beside each other.
    """
    return roc_and_pr_curves(labels, answers, per_row, dict(zip(answers, PAIR, strict=True)))
