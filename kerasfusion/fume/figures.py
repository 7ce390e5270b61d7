"""PNG figures of an evaluation: confusion matrices of the states.

Drawn on matplotlib `Figure`s of their own, so that nothing depends on a display.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kerasfusion.errors import require
from kerasfusion.file_writing import write_file
from kerasfusion.fume.annotations import STATES

DPI = 150


def draw_confusion(reports: Mapping[str, Mapping[str, object]], path: Path) -> None:
    """One 3x3 panel a report: counts and shares of the true state.

    Args:
        reports: {title: the "state" part of a report}, at least one.
        path: the PNG to write.

    Raises:
        RequestError: matplotlib is not installed. KerasFusionError: the file cannot be written.
    """
    require("matplotlib", extra="train")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.0 * len(reports), 4.3), layout="constrained")
    FigureCanvasAgg(figure)
    for column, (title, values) in enumerate(reports.items()):
        ax = figure.add_subplot(1, len(reports), column + 1)
        _draw_matrix(ax, np.asarray(values["confusion_matrix"]), with_row_names=column == 0)
        scores = f"accuracy {values['accuracy']:.3f}, balanced {values['balanced_accuracy']:.3f}"
        ax.set_title(f"{title} ({values['n']})\n{scores}", fontsize=10)
    figure.suptitle("rumen state: counts and % of the true state", fontsize=11)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    write_file(path, buffer.getvalue())


def _draw_matrix(ax, matrix: np.ndarray, with_row_names: bool) -> None:
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        share = shares[row, column]
        shown = f"{count}\n{share:.1%}" if matrix[row].any() else "0\n-"
        ax.text(column, row, shown, ha="center", va="center", color="white" if share > 0.55 else "black", fontsize=12)
    ticks = range(len(STATES))
    ax.set_xticks(ticks, STATES, fontsize=9)
    ax.set_yticks(ticks, STATES if with_row_names else [""] * len(STATES), rotation=90, va="center", fontsize=9)
    ax.set(xlabel="answer", ylabel="truth" if with_row_names else "")
    ax.tick_params(length=0)
    ax.spines[["top", "right"]].set_visible(False)
