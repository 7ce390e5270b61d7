"""Measured values as a paper has them: one row a run or a view, in LaTeX and in Markdown, a spread behind each mean."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.evaluate.split import VIEWS

Row = dict[str, Any]

COLUMNS = {
    "name": "run",
    "samples": "samples",
    "n": "n",
    "parameters": "parameters",
    "gmacs": "GMACs",
    "miou_co2": "mIoU CO2",
    "miou_ch4": "mIoU CH4",
    "miou_mask": "mIoU",
    "iou_gas_co2": "gas IoU CO2",
    "iou_gas_ch4": "gas IoU CH4",
    "iou_gas_mask": "gas IoU",
    "iou_gas_p": "p, gas IoU",
    "boundary_f_gas_co2": "gas BF CO2",
    "boundary_f_gas_ch4": "gas BF CH4",
    "boundary_f_gas_mask": "gas BF",
    "boundary_f_tube_co2": "tube BF CO2",
    "boundary_f_tube_ch4": "tube BF CH4",
    "boundary_f_tube_mask": "tube BF",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "balanced_accuracy_p": "p, balanced accuracy",
    "macro_f1": "macro F1",
    "f1_transitional": "Transitional F1",
    "joint": "joint",
}
"""Column -> its title; a column without any value is left out."""
MASKS = (*GASES, "mask")
"""Behind a metric's name in a row: of which mask it is."""

SMALLEST_P = 0.001
"""A smaller p is only said to be smaller."""

_OF_MASKS = ("miou", "iou_gas", "boundary_f_gas", "boundary_f_tube")
_OF_STATE = ("accuracy", "balanced_accuracy", "balanced_accuracy_ci95", "macro_f1", "f1_transitional")
_IN_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "-": "-{}",  # only where another follows: LaTeX makes a dash of two
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    "CO2": r"CO\textsubscript{2}",
    "CH4": r"CH\textsubscript{4}",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
}
_LATEX = re.compile("|".join(r"-(?=-)" if sign == "-" else re.escape(sign) for sign in _IN_LATEX))
_MARKDOWN = re.compile(r"([\\`*_|])")


def measured(parts: Mapping[str, Mapping[str, Any]]) -> Row:
    """What a report says of a split, under the names that a table's columns have.

    Args:
        parts: {part: {metric: value}} as `report.report_rows` gives them.

    Returns:
        A row; None where there is no value. A network that has a mask for each gas has none under "mask".
    """
    masks = {gas: parts[f"{gas}_mask"] for gas in GASES if f"{gas}_mask" in parts} or {"mask": parts.get("mask", {})}
    row: Row = {f"{metric}_{mask}": masks.get(mask, {}).get(metric) for metric in _OF_MASKS for mask in MASKS}
    row |= {metric: parts.get("state", {}).get(metric) for metric in _OF_STATE}
    return row | {"joint": parts.get("joint", {}).get("score")}


def view_rows(report: Mapping[str, Mapping[str, Any]], split: str) -> list[Row]:
    """A row of each view of a split, with "samples" (which view) and "n" (how many)."""
    views = {f"{split}{view}": report[f"{split}{view}"] for view in VIEWS if f"{split}{view}" in report}
    return [
        {"samples": name, "n": max(values["n"] for values in parts.values() if "n" in values)} | measured(parts)
        for name, parts in views.items()
    ]


def as_latex(rows: Sequence[Row]) -> str:
    r"""A `tabular` for the package booktabs; rows as `table.rows_of` or `seeds.gather` give them."""
    titles, lines = _cells(rows)
    body = [" & ".join(map(_escaped, line)) + r" \\" for line in lines]
    head = " & ".join(map(_escaped, titles)) + r" \\"
    kinds = "l" + "r" * (len(titles) - 1)
    parts = [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(parts) + "\n"


def as_markdown(rows: Sequence[Row]) -> str:
    """The same table in Markdown."""
    titles, lines = _cells(rows)
    marks = ["---", *["---:"] * (len(titles) - 1)]
    return "".join(
        f"| {' | '.join(line)} |\n"
        for line in ([*map(in_markdown, titles)], marks, *(map(in_markdown, x) for x in lines))
    )


def in_markdown(text: str) -> str:
    """A text as a cell of a table, so that it is read as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Titles, and the texts of each row."""
    names = [name for name in COLUMNS if any(row.get(name) is not None for row in rows)]
    return [COLUMNS[name] for name in names], [[_cell(row, name) for name in names] for row in rows]


def _cell(row: Row, name: str) -> str:
    value, spread = row.get(name), row.get(f"{name}_sd")
    if value is None:
        return "-"
    if name.endswith("_p"):
        return p_text(value)
    if isinstance(value, float):
        return f"{value:.3f}" + ("" if spread is None else f" ± {spread:.3f}")
    return f"{value:,}" if isinstance(value, int) else str(value)


def p_text(value: float, before: str = "") -> str:
    """A p-value such as "0.012" or "<0.001"; after a "p " as "p = 0.012" or "p < 0.001"."""
    if value < SMALLEST_P:
        return f"{before}< {SMALLEST_P}" if before else f"<{SMALLEST_P}"
    return f"{before}= {value:.3f}" if before else f"{value:.3f}"


def _escaped(text: str) -> str:
    return _LATEX.sub(lambda found: _IN_LATEX[found[0]], text)
