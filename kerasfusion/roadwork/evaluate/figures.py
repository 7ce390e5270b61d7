"""Figures of a run: confusion matrices, ROC and precision-recall curves, training curves.

Every function gives a figure, which `figure_style` keeps. An output has the same colour everywhere.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from kerasfusion.errors import RequestError
from kerasfusion.figure_style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ON_DEEP,
    ON_PALE,
    ORANGE,
    PAPER,
    PURPLE,
    SKY,
    VERMILION,
    panels,
)
from kerasfusion.files.csv_table import damaged, read_rows
from kerasfusion.metrics import classification
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.scoring.reward import clean_answers, decide

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "fusion": BLUE,
    "vit": ORANGE,
    "yolo": GREEN,
    "efficientnetv2": PURPLE,
    "vit_adapted": SKY,
    "first": VERMILION,
}
OTHER_COLOUR = BLACK
TITLES = {
    "fusion": "fusion",
    "vit": "ViT",
    "yolo": "YOLO",
    "efficientnetv2": "EfficientNetV2",
    "vit_adapted": "ViT adapted",
    "first": "first stage",
}
PANELS_PER_ROW = 4

HISTORY_AGAIN = "delete it; the command that trained, run again, writes it from what it keeps"
NOT_CURVES = {"epoch", "time", "seconds", "learning_rate", "lr", "val_accuracy_top5"}


def confusion_matrices(report: Mapping[str, Mapping[str, object]], per_row: int = PANELS_PER_ROW) -> "Figure":
    """One 2x2 panel per output, counts and shares of the true class.

    Args:
        report: {output: {"confusion_matrix": [[.., ..], [.., ..]], "accuracy": .., "mcc": ..}}, as `full_report` gives.
        per_row: panels beside each other.

    Raises:
        RequestError: matplotlib is not installed.
    """
    figure, axes = panels(len(report), width=3.0, height=3.3, per_row=per_row)
    for i, (ax, (output, values)) in enumerate(zip(axes, report.items(), strict=True)):
        matrix = np.asarray(values["confusion_matrix"])
        _draw_matrix(ax, matrix, with_row_names=i % per_row == 0)
        ax.set_title(f"{title_of(output)}\naccuracy {values['accuracy']:.3f}, MCC {values['mcc']:.3f}", fontsize=10)
    figure.suptitle(f"{matrix.sum()} photos, % of the true class", fontsize=11)
    return figure


def roc_and_pr_curves(
    labels: ArrayLike, answers: Mapping[str, ArrayLike], per_row: int = 2, colours: Mapping[str, str] = COLOURS
) -> "Figure":
    """ROC curves and precision-recall curves of all outputs; a dot marks the subnet's threshold 0.5.

    Args:
        labels: (N,) 0 or 1, both present.
        answers: output name -> (N,) P(roadwork); invalid ones count as 0.0.
        per_row: panels beside each other.
        colours: of each output, black for others.

    Raises:
        RequestError: matplotlib is not installed, or the labels are all of one class.
    """
    labels = np.asarray(labels)
    if np.unique(labels).size < 2:
        raise RequestError("ROC and precision-recall curves need photos of both classes", expected="labels 0 and 1")
    figure, (roc, pr) = panels(2, width=4.6, height=4.4, per_row=per_row)
    for output, p in reversed(answers.items()):
        style = {"color": colours.get(output, OTHER_COLOUR), "linewidth": width_of(output)}
        _curve_pair(roc, pr, output, labels, clean_answers(p)[0], style)
    share = labels.mean()
    roc.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="chance")
    pr.axhline(share, color=GREY, linewidth=1, linestyle=":", label=f"chance ({share:.2f})")
    roc.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate (recall)")
    pr.set(title="Precision and recall", xlabel="recall", ylabel="precision")
    for ax, place in ((roc, "lower right"), (pr, "lower left")):
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        ax.set_aspect("equal")
        # The outputs were drawn last to first, so that the first lies on top; the legend keeps their order.
        handles, names = ax.get_legend_handles_labels()
        ax.legend([*handles[-2::-1], handles[-1]], [*names[-2::-1], names[-1]], loc=place, fontsize=8)
    figure.suptitle(f"{labels.size} photos, {int(labels.sum())} with roadwork; dots: threshold 0.5", fontsize=10)
    return figure


def history_curves(history_csv: Path, per_row: int = PANELS_PER_ROW) -> "Figure":
    """Training (solid) and validation (dashed) curves, one panel per kind of value, one colour per output.

    Args:
        history_csv: one row per epoch; columns as Keras names them ("loss", "fusion_accuracy", "val_..."), or the
            results file of a YOLO training. Text columns, the learning rate and times are not drawn.
        per_row: panels beside each other.

    Raises:
        RequestError: no such file, nothing to draw in it, or matplotlib is not installed.
    """
    kinds: dict[str, list[tuple[str, bool, np.ndarray]]] = {}
    for name, values in history_columns(Path(history_csv)).items():
        base = name.removeprefix("val_")
        output = next((known for known in COLOURS if base.startswith(f"{known}_")), "")
        kinds.setdefault(base.removeprefix(f"{output}_"), []).append((output, base != name, values))
    figure, axes = panels(len(kinds), width=4.2, height=3.4, per_row=per_row)
    for ax, (kind, curves) in zip(axes, kinds.items(), strict=True):
        _draw_curves(ax, kind, curves)
    outputs = list(dict.fromkeys(output for curves in kinds.values() for output, *_ in curves))
    _history_legend(figure, outputs, per_row=3 * min(len(kinds), per_row))
    return figure


def _draw_matrix(ax: "Axes", matrix: np.ndarray, with_row_names: bool) -> None:
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        share = shares[row, column]
        colour = ON_DEEP if share > 0.55 else ON_PALE
        ax.text(column, row, f"{count}\n{share:.1%}", ha="center", va="center", color=colour, fontsize=12)
    names = [name.replace("_", " ") for name in CLASS_NAMES]
    ax.set_xticks([0, 1], names)
    ax.set_yticks([0, 1], names if with_row_names else ["", ""], rotation=90, va="center")
    ax.set(xlabel="answer", ylabel="truth" if with_row_names else "")
    ax.tick_params(length=0)
    ax.grid(False)


def _curve_pair(roc: "Axes", pr: "Axes", output: str, labels: np.ndarray, answers: np.ndarray, style: dict) -> None:
    area, precision = classification.roc_auc(labels, answers), classification.average_precision(labels, answers)
    roc.plot(*classification.roc_curve(labels, answers), **style, label=f"{title_of(output)}, area {area:.3f}")
    recalls, precisions = classification.precision_recall_curve(labels, answers)
    label = f"{title_of(output)}, average precision {precision:.3f}"
    pr.step(np.append(0, recalls), np.append(precisions[0], precisions), **style, where="pre", label=label)
    matrix = classification.confusion_matrix(labels, decide(answers), n_classes=2)
    recall, false_rate = classification.recall(matrix), matrix[0, 1] / matrix[0].sum()
    dot = {"marker": "o", "markersize": 7, "markeredgecolor": PAPER, "color": style["color"], "zorder": 3}
    roc.plot(false_rate, recall, **dot)
    if matrix[:, 1].any():
        pr.plot(recall, classification.precision(matrix), **dot)


def history_columns(path: Path) -> dict[str, np.ndarray]:
    """{column: (epochs,) float64}, empty cells as NaN; YOLO's "train/", "val/" and "metrics/" in Keras' spelling.

    Raises:
        RequestError: no such file, or no numbers in it. DamagedError: it is damaged; names the line.
    """
    if not path.is_file():
        raise RequestError("there is no training history", where=path, todo="run the training first")
    rows = [row for _, row in read_rows(path, "the training history", todo=HISTORY_AGAIN)]
    columns = {}
    for raw in rows[0] if rows else ():
        name = raw.removeprefix("train/").replace("metrics/", "val_").replace("val/", "val_")
        name = name.removesuffix("_top1")
        values = _numbers(path, raw, [row[raw] for row in rows])
        if values is not None and name not in NOT_CURVES and not name.startswith("lr/"):
            columns[name] = values
    if not columns:
        raise RequestError(
            "the training history has no numbers to draw", where=path, expected="a row per epoch", todo=HISTORY_AGAIN
        )
    return columns


def _numbers(path: Path, column: str, cells: list[str]) -> np.ndarray | None:
    """Floats, or None where every cell is text or empty; a text among numbers is damage."""
    values, texts = np.full(len(cells), np.nan), {}
    for row, cell in enumerate(cells):
        try:
            values[row] = float(cell) if cell.strip() else np.nan
        except ValueError:
            texts[row] = cell
    if np.isnan(values).all():
        return None
    for row, cell in texts.items():
        why = f"line {row + 2}: {column} is {cell!r}, not a number"
        raise damaged("the training history", why, path, HISTORY_AGAIN)
    return values


def _draw_curves(ax: "Axes", kind: str, curves: list[tuple[str, bool, np.ndarray]]) -> None:
    for output, validation, values in curves:
        epochs = np.arange(1, values.size + 1)
        ax.plot(epochs, values, color=colour_of(output), linestyle="--" if validation else "-", marker=".")
    unit = {"loss": "cross-entropy (nats)", "accuracy": "share of photos right (0 to 1)"}.get(kind, kind)
    ax.set(title=kind.replace("_", " "), xlabel="epoch", ylabel=unit.replace("_", " "))
    ax.xaxis.get_major_locator().set_params(integer=True)
    if kind != "loss" and all(np.nanmin(values) >= 0 and np.nanmax(values) <= 1 for *_, values in curves):
        ax.set_ylim(top=1.02)


def _history_legend(figure: "Figure", outputs: list[str], per_row: int) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour_of(output), label=title_of(output) or "whole model") for output in outputs]
    handles = handles if outputs != [""] else []
    handles.append(Line2D([], [], color=GREY, linestyle="-", marker=".", label="training"))
    handles.append(Line2D([], [], color=GREY, linestyle="--", marker=".", label="validation"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), per_row), fontsize=9, frameon=False
    )


def title_of(output: str) -> str:
    """How a figure or a page calls an output."""
    return TITLES.get(output, output)


def colour_of(output: str) -> str:
    """The output's colour in every figure."""
    return COLOURS.get(output, OTHER_COLOUR)


def width_of(output: str) -> float:
    """The output's line width, points: the fusion stands out."""
    return 2.4 if output == "fusion" else 1.4
