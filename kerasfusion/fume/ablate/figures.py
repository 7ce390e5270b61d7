"""Figures of an ablation: training curves, confusion matrices, comparison of the runs. `figure_style` keeps them."""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasfusion.figure_style import BLUE, GREEN, GREY, ORANGE, PALETTE, new_figure, plain_axes
from kerasfusion.fume.ablate.results import Result
from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.evaluate.figures import draw_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = (("-", "o"), ("--", "s"), (":", "^"))
"""Lines and markers of the first seven runs, the next seven, and the next."""

CURVES = {
    "val_state_balanced_accuracy": "balanced accuracy",
    "val_mean_iou": "mean IoU",
    "val_loss": "loss (each run's own)",
}
"""Columns of history.csv -> what the panel is called."""

MASK_COLOURS = {"CO2": BLUE, "CH4": ORANGE, "mask": GREEN}
LABELS = {"mask": "one mask\nof both"}
MATRICES_PER_ROW = 5
NAME_WIDTH = 24


def draw_curves(results: Sequence[Result], names: Sequence[str]) -> "Figure":
    """Validation values by epoch, a panel a metric and a line a run; a ring marks the epoch whose weights were kept.

    Args:
        results: at least one.
        names: of each run, for the legend; runs of one name (seeds of a configuration) share colour and entry.

    Raises:
        RequestError: matplotlib is not installed.
    """
    metrics = [name for name in CURVES if any(name in result.history for result in results)]
    kinds = list(dict.fromkeys(names))
    height = 4.0 if len(kinds) <= len(PALETTE) else 6.0
    figure = new_figure(5.0 * len(metrics), height + 0.22 * math.ceil(len(kinds) / 3))
    lines = {}
    for column, metric in enumerate(metrics, start=1):
        ax = figure.add_subplot(1, len(metrics), column)
        for result, name in zip(results, names, strict=True):
            if metric in result.history:
                lines[name] = _draw_curve(ax, result, metric, kinds.index(name))
        ax.set(title=f"validation {CURVES[metric]}", xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        if metric != "val_loss":
            _round_limits(ax)
        plain_axes(ax)
    shown = [name for name in kinds if name in lines]
    figure.legend(
        [lines[name] for name in shown],
        shown,
        loc="outside lower center",
        ncols=min(3, len(shown)),
        fontsize=9,
        frameon=False,
        handlelength=3,
    )
    return figure


def draw_matrices(results: Sequence[Result]) -> "Figure":
    """The confusion matrix of each run that tells the state: counts and shares of the true state.

    Args:
        results: with a state; at least one.

    Raises:
        RequestError: matplotlib is not installed.
    """
    columns = min(len(results), MATRICES_PER_ROW)
    height = math.ceil(len(results) / columns)
    figure = new_figure(max(2.75 * columns + 0.5, 5.0), 3.15 * height + 0.5)
    for number, result in enumerate(results):
        ax = figure.add_subplot(height, columns, number + 1)
        has_room_below = number + columns >= len(results)
        matrix = np.asarray(result.state["confusion_matrix"])
        draw_matrix(ax, matrix, number % columns == 0, has_room_below, is_small=True)
        scores = f"balanced {result.state['balanced_accuracy']:.3f}, n = {result.state['n']}"
        ax.set_title(f"{_wrapped(result.name)}\n{scores}", fontsize=9)
    figure.suptitle("rumen state in the test split: counts and % of the true state", fontsize=11)
    return figure


def draw_comparison(results: Sequence[Result]) -> "Figure":
    """Balanced accuracy and mean IoU of each run with their 95 % intervals.

    Raises:
        RequestError: matplotlib is not installed.
    """
    figure = new_figure(10.5, 1.7 + 0.42 * len(results))
    states, masks = figure.subplots(1, 2, sharey=True)
    for row, result in enumerate(results):
        _draw_values(states, row, {"": result.state}, "balanced_accuracy", {"": PALETTE[-1]})
        _draw_values(masks, row, result.masks, "miou", MASK_COLOURS)
    for ax, title in ((states, "balanced accuracy of the state"), (masks, "mean IoU of the masks")):
        ax.set(title=title, xlim=(-0.02, 1.02), ylim=(len(results) - 0.5, -0.5))
        ax.set_yticks(range(len(results)), [result.name for result in results])
        ax.tick_params(axis="y", length=0)
        plain_axes(ax)
    states.axvline(1 / len(STATES), color=GREY, linewidth=1, linestyle=":")
    figure.supxlabel("dots: test split; bars: 95 % bootstrap intervals; dotted line: guessing", fontsize=9, color=GREY)
    _mask_legend(masks, results)
    return figure


def _round_limits(ax) -> None:
    """Tenths around what is drawn, at least two of them: a flat curve shall not fill the panel with its noise."""
    low, high = ax.dataLim.intervaly
    low = max(0.0, math.floor(low * 10 - 0.5) / 10)
    ax.set_ylim(low, min(1.02, max(math.ceil(high * 10 + 0.5) / 10, low + 0.2)))


def _draw_curve(ax, result: Result, metric: str, number: int):
    values = np.asarray(result.history[metric])
    epochs = np.arange(1, values.size + 1)
    style, marker = STYLES[number // len(PALETTE) % len(STYLES)]
    colour = PALETTE[number % len(PALETTE)]
    every = max(1, values.size // 6)
    (line,) = ax.plot(
        epochs,
        values,
        color=colour,
        linestyle=style,
        marker=marker,
        markevery=(number % every, every),
        markersize=4,
        linewidth=1.4,
    )
    best = min(result.best_epoch, values.size) - 1
    ax.plot(epochs[best], values[best], "o", markersize=9, markerfacecolor="none", markeredgecolor=colour)
    return line


def _draw_values(ax, row: int, parts: dict[str, dict], metric: str, colours: dict[str, str]) -> None:
    """A dot and an interval of each part, one under the other within the row; the row says so if there are none."""
    known = {name: values for name, values in parts.items() if values.get(metric) is not None}
    if not known:
        ax.text(
            0.5,
            row,
            "no such answer, or not learned",
            ha="center",
            va="center",
            color=GREY,
            fontsize=8,
            backgroundcolor="white",
        )
    for place, (name, values) in enumerate(known.items()):
        y = row + 0.22 * (place - (len(known) - 1) / 2)
        if interval := values.get(f"{metric}_ci95"):
            ax.plot(interval, (y, y), color=colours[name], linewidth=2, alpha=0.55, solid_capstyle="butt")
        ax.plot(values[metric], y, "o", color=colours[name], markersize=6)


def _mask_legend(ax, results: Sequence[Result]) -> None:
    from matplotlib.lines import Line2D

    there = [name for name in MASK_COLOURS if any(name in result.masks for result in results)]
    handles = [Line2D([], [], marker="o", color=MASK_COLOURS[name], label=LABELS.get(name, name)) for name in there]
    if handles:
        ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9, frameon=False)


def _wrapped(name: str) -> str:
    return "\n".join(textwrap.wrap(name, NAME_WIDTH, break_on_hyphens=True))
