"""The ablation's table as a paper has it: in LaTeX and in Markdown, a spread behind each mean."""

import re
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]

COLUMNS = {
    "name": "run",
    "parameters": "parameters",
    "gmacs": "GMACs",
    "miou_co2": "mIoU CO2",
    "miou_ch4": "mIoU CH4",
    "miou_mask": "mIoU",
    "iou_gas_co2": "gas IoU CO2",
    "iou_gas_ch4": "gas IoU CH4",
    "iou_gas_mask": "gas IoU",
    "boundary_f_gas_co2": "gas BF CO2",
    "boundary_f_gas_ch4": "gas BF CH4",
    "boundary_f_gas_mask": "gas BF",
    "boundary_f_tube_co2": "tube BF CO2",
    "boundary_f_tube_ch4": "tube BF CH4",
    "boundary_f_tube_mask": "tube BF",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "f1_transitional": "Transitional F1",
    "joint": "joint",
}
"""Column -> its title; a column without any value is left out."""
_SPECIAL = re.compile(r"([&%$#_{}])")


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
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in (titles, marks, *lines)
    )


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Titles, and the texts of each row."""
    names = [name for name in COLUMNS if any(row[name] is not None for row in rows)]
    return [COLUMNS[name] for name in names], [[_cell(row, name) for name in names] for row in rows]


def _cell(row: Row, name: str) -> str:
    value, spread = row[name], row.get(f"{name}_sd")
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" + ("" if spread is None else f" ± {spread:.3f}")
    return f"{value:,}" if isinstance(value, int) else str(value)


def _escaped(text: str) -> str:
    return (
        _SPECIAL.sub(r"\\\1", text)
        .replace("±", r"$\pm$")
        .replace("CO2", r"CO\textsubscript{2}")
        .replace("CH4", r"CH\textsubscript{4}")
    )
