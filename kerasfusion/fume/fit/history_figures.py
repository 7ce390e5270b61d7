"""Training curves of one run, or of two, head by head, with the epoch whose weights were kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasfusion.figure_style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEADS = {"": BLACK, "state_": PURPLE, "co2_mask_": BLUE, "ch4_mask_": ORANGE, "mask_": GREEN}
"""What a column of history.csv begins with -> colour; "" is the whole network."""

NAMES = {"": "whole network", "state_": "state", "co2_mask_": "CO2 mask", "ch4_mask_": "CH4 mask", "mask_": "mask"}


@dataclass(frozen=True)
class Kind:
    """A panel.

    Attributes:
        title: above it.
        metrics: column names without "val_" whose heads stand in `HEADS`.
        unit: at the y axis.
    """

    title: str
    metrics: tuple[str, ...]
    unit: str


_MASKS = ("co2_mask_", "ch4_mask_", "mask_")
KINDS = (
    Kind("Loss, weighted sum of the heads", ("loss",), "loss"),
    Kind("Loss of each head", ("state_loss", *(f"{mask}loss" for mask in _MASKS)), "loss"),
    Kind("State: balanced accuracy", ("state_balanced_accuracy",), "balanced accuracy (0 to 1)"),
    Kind("State: F1 of Transitional", ("state_transitional_f1",), "F1 (0 to 1)"),
    Kind("Masks: IoU of the gas", tuple(f"{mask}gas_iou" for mask in _MASKS), "IoU (0 to 1)"),
    Kind("Masks: mean IoU of the classes", tuple(f"{mask}mean_iou" for mask in _MASKS), "mean IoU (0 to 1)"),
)
PAIR = (BLUE, VERMILION)
"""Colours of the first run and the second."""

COMPARED = {
    "val_loss": "validation loss (each run's own)",
    "val_state_balanced_accuracy": "validation balanced accuracy",
    "val_state_transitional_f1": "validation F1 of Transitional",
    "val_mean_iou": "validation mean IoU of the masks",
}


def history_curves(history: Sequence[Mapping[str, float]], best: int | None, per_row: int = 3) -> "Figure":
    """Training (solid) and validation (dashed) values by epoch, a panel a kind, a colour a head.

    Args:
        history: an epoch's values by the columns of history.csv; at least one epoch.
        best: number of the epoch, from 1, whose weights were kept; None marks none.
        per_row: panels beside each other.

    Raises:
        RequestError: matplotlib is not installed.
    """
    kinds = [kind for kind in KINDS if any(name in history[0] for name in kind.metrics)]
    figure, axes = panels(len(kinds), width=3.6, height=3.0, per_row=per_row)
    heads = {}
    for ax, kind in zip(axes, kinds, strict=True):
        for name in (name for name in kind.metrics if name in history[0]):
            head = next(head for head in reversed(HEADS) if name.startswith(head))
            heads[head] = True
            for column, style in ((name, "-"), (f"val_{name}", "--")):
                _plot(ax, history, column, color=HEADS[head], linestyle=style)
        _finish(ax, kind.title, kind.unit)
        if best is not None:
            ax.axvline(best, color=GREY, linewidth=1, linestyle=":")
    _legend(figure, [head for head in HEADS if head in heads], best, per_row)
    return figure


def compared_curves(
    runs: Mapping[str, Sequence[Mapping[str, float]]], best: Mapping[str, int], per_row: int = 2
) -> "Figure":
    """Validation values of two runs over each other; a ring marks the epoch whose weights were kept.

    Args:
        runs: {name: history as `history_curves` takes it}, two, each with at least one epoch.
        best: {name: number of that epoch}.
        per_row: panels beside each other.

    Raises:
        RequestError: matplotlib is not installed.
    """
    kinds = [name for name in COMPARED if any(name in history[0] for history in runs.values())]
    figure, axes = panels(len(kinds), width=4.4, height=3.2, per_row=per_row)
    for ax, name in zip(axes, kinds, strict=True):
        for colour, (run, history) in zip(PAIR, runs.items(), strict=True):
            _plot(ax, history, name, color=colour, linestyle="-", label=run)
            if run in best and name in history[0]:
                ring = {"markersize": 10, "markerfacecolor": "none", "markeredgecolor": colour}
                ax.plot(best[run], history[best[run] - 1][name], "o", **ring)
        _finish(ax, COMPARED[name], "loss" if name == "val_loss" else "0 to 1")
    handles = {label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=per_row, fontsize=9, frameon=False)
    return figure


def _plot(ax: "Axes", history: Sequence[Mapping[str, float]], column: str, **style) -> None:
    if column in history[0]:
        epochs = np.arange(1, len(history) + 1)
        ax.plot(epochs, [values[column] for values in history], marker=".", linewidth=1.4, **style)


def _finish(ax: "Axes", title: str, unit: str) -> None:
    ax.set_title(title, fontsize=10)
    ax.set(xlabel="epoch", ylabel=unit)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_ylim(bottom=0)


def _legend(figure: "Figure", heads: list[str], best: int | None, per_row: int) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=HEADS[head], label=NAMES[head]) for head in heads]
    handles.append(Line2D([], [], color=GREY, linestyle="-", marker=".", label="training"))
    handles.append(Line2D([], [], color=GREY, linestyle="--", marker=".", label="validation"))
    if best is not None:
        handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=1, label=f"epoch {best}: weights kept"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2 * per_row, fontsize=9, frameon=False)
