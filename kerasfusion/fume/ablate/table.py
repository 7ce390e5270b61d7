"""The ablation's table: one row a run, for the terminal, as CSV and as Markdown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasfusion.files.csv_table import csv_of_dicts
from kerasfusion.files.writing import write_text
from kerasfusion.fume.ablate.configs import changes
from kerasfusion.fume.ablate.results import Result
from kerasfusion.fume.ablate.significance import RESAMPLES, in_words
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.evaluate.boundary import TOLERANCE
from kerasfusion.fume.evaluate.paper import as_latex, as_markdown, in_markdown, measured, p_text
from kerasfusion.reporting import table

Row = dict[str, Any]

SHOWN = {
    "name": "run",
    "parameters": "parameters",
    "gmacs": "GMACs",
    "latency_ms": "ms",
    "miou_co2": "mIoU CO2",
    "miou_ch4": "CH4",
    "miou_mask": "mask",
    "boundary_f_gas_co2": "gas BF CO2",
    "boundary_f_gas_ch4": "BF CH4",
    "boundary_f_gas_mask": "BF mask",
    "balanced_accuracy": "balanced accuracy",
    "balanced_accuracy_ci95": "95 %",
    "macro_f1": "macro F1",
    "f1_transitional": "Transitional F1",
    "joint": "joint",
    "iou_gas_p": "p, gas IoU",
    "balanced_accuracy_p": "p, balanced accuracy",
    "best_epoch": "best epoch",
    "epochs": "of",
}
"""Columns of the table on the terminal -> their titles there; the files have all."""

NOTES = (
    '"mask" is the one mask of a network that joins the gases. "-": the run has no such answer, or did not learn it.',
    "Single-frame networks answer frame by frame: their states are counted a frame each, their multiplications (GMACs) "
    "are those of one frame. The latency is of a sample, from its files to the masks.",
    "A run with one gas (data.gases) is measured on the samples that have it: compare the column states of the files.",
    f"BF: boundary F-score, contours that agree within {TOLERANCE:.2%} of the frame's diagonal; the mean over frames.",
    f"p: of the difference from the first row, two-sided: paired bootstrap, whole originals drawn {RESAMPLES:,} times, "
    "with Holm's correction over the rows. It weighs the chance in the test samples; seeds show that of the training.",
    "Intervals: 95 % bootstrap, whole originals drawn. Best epoch: whose weights were evaluated.",
)


def rows_of(results: Sequence[Result], first: FumeConfig) -> list[Row]:
    """The table.

    Args:
        results: finished runs, in order.
        first: the configuration that the others are compared with.

    Returns:
        A mapping of the same keys for each run; None where there is no value. JSON types.
    """
    return [_row(result, first) for result in results]


def as_text(rows: Sequence[Row]) -> str:
    """The table with the columns that fit on a terminal; columns without any value are left out."""
    shown = [name for name in SHOWN if any(row.get(name) is not None for row in rows)]
    return table([{SHOWN[name]: _rounded(name, row[name]) for name in shown} for row in rows], digits=3)


def write_table(rows: Sequence[Row], folder: Path, seeds: Sequence[Row] = ()) -> list[Path]:
    """Write FOLDER/ablation.csv (full precision, an interval as two columns), ablation.md and ablation.tex.

    Args:
        rows: of `rows_of`.
        folder: where to.
        seeds: of `seeds.gather`; where there are any, ablation_seeds.csv and .md too, and ablation.tex is of them.

    Raises:
        KerasFusionError: a file cannot be written.
    """
    texts = {"ablation.csv": _csv(rows), "ablation.md": _markdown(rows), "ablation.tex": as_latex(seeds or rows)}
    if seeds:
        texts |= {"ablation_seeds.csv": _csv(seeds), "ablation_seeds.md": as_markdown(seeds) + _notes_list(seeds)}
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def as_seeds_text(rows: Sequence[Row]) -> str:
    """The rows of `seeds.gather` for the terminal: means, and sample standard deviations behind them."""
    names = [name for name in SHOWN if any(row.get(name) is not None for row in rows) and name != "parameters"]
    lines = [{SHOWN[name]: _with_spread(row, name) for name in names} | {"seeds": row["seeds"]} for row in rows]
    return table(lines, digits=3)


def notes_on(rows: Sequence[Row]) -> list[str]:
    """NOTES, and before them what differs from the first row by more than chance."""
    told = in_words(rows)
    return [*([told] if told else []), *NOTES]


def _row(result: Result, first: FumeConfig) -> Row:
    size, speed = result.network["size"], result.network["speed"]
    return {
        "name": result.name,
        "network": result.config.model.name,
        "differs": changes(first, result.config) or None,
        "parameters": size["trainable_parameters"],
        "gmacs": size["macs"] / 1e9,
        "per": size["per"],
        "latency_ms": speed["total_ms"],
        **measured(result.parts),
        "states": result.state.get("n"),
        "best_epoch": result.best_epoch,
        "epochs": len(result.history["loss"]),
    }


def _with_spread(row: Row, name: str) -> Any:
    value, spread = _rounded(name, row.get(name)), row.get(f"{name}_sd")
    return value if spread is None else f"{value:.3f} ± {spread:.3f}"


def _rounded(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name.endswith("_p"):
        return p_text(value)
    if name == "parameters":
        return f"{value:>10,}"
    return f"{value:>6.1f}" if name == "latency_ms" else value


def _csv(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        low, high = row.get("balanced_accuracy_ci95") or (None, None)
        line = {}
        for name, value in row.items():
            line |= {f"{name}_low": low, f"{name}_high": high} if name.endswith("_ci95") else {name: value}
        lines.append({name: "-" if value is None else value for name, value in line.items()})
    return csv_of_dicts(list(lines[0]), lines)


def _markdown(rows: Sequence[Row]) -> str:
    names = list(rows[0])
    are_words = [any(isinstance(row[name], str) for row in rows) for name in names]
    lines = [[*map(in_markdown, names)], ["---" if words else "---:" for words in are_words]]
    lines += [[_cell(row[name]) for name in names] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + _notes_list(rows)


def _notes_list(rows: Sequence[Row]) -> str:
    return "\n" + "".join(f"- {in_markdown(note)}\n" for note in notes_on(rows))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return f"[{', '.join(_cell(item) for item in value)}]"
    return f"{value:.4f}" if isinstance(value, float) else in_markdown(str(value))
