"""What an evaluation leaves in a folder: metrics, every answer, what was asked about what, and figures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kerasfusion.figure_style import save_png
from kerasfusion.files.kept_answers import answers_record, predictions_path
from kerasfusion.files.run_files import keep_metrics, record_evaluation
from kerasfusion.files.writing import write_text
from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.detect.answering import MASK
from kerasfusion.fume.evaluate import paper
from kerasfusion.fume.evaluate.figures import draw_confusion
from kerasfusion.fume.evaluate.mask_figures import gas_iou_distribution, gas_ious
from kerasfusion.fume.evaluate.predictions import write_predictions
from kerasfusion.fume.evaluate.split import VIEWS, Answers
from kerasfusion.fume.evaluate.state_figures import (
    reliability_curve,
    roc_and_pr_curves,
    states_with_curves,
    view_scores,
)


def keep_evaluation(
    folder: Path, split: str, answers: Answers, report: Mapping[str, dict], record: Mapping[str, object]
) -> None:
    """Write metrics.json, predictions_SPLIT.csv, evaluated.json, SPLIT_table.tex and .md, and the figures of a split.

    Args:
        folder: a run's, or any other; what it has of other splits stays.
        split: which split.
        answers: to every question.
        report: {split or view: {part: {metric: value}}, "network": {...}}.
        record: what was asked about what, for evaluated.json.

    Raises:
        KerasFusionError: a file cannot be written, or an older metrics.json is damaged.
    """
    older = {f"{split}{view}" for view in VIEWS}
    keep_metrics(folder, lambda known: {name: part for name, part in known.items() if name not in older} | report)
    write_predictions(predictions_path(folder, split), answers)
    record_evaluation(folder, split, dict(record) | answers_record(folder, split))
    rows = paper.view_rows(report, split)
    write_text(folder / f"{split}_table.tex", paper.as_latex(rows))
    write_text(folder / f"{split}_table.md", paper.as_markdown(rows))
    _draw(folder / "figures", split, answers, report)


def shown_masks(answers: Answers, rows: np.ndarray) -> dict[str, np.ndarray]:
    """{output: (K, 3, 3)} pixels of the masks that a figure shows: each gas's; the one mask where there is none."""
    gases = [f"{gas}_{MASK}" for gas in GASES if f"{gas}_{MASK}" in answers.pixels]
    found = {output: answers.pixels[output][rows] for output in gases or answers.pixels}
    return {output: counts for output, counts in found.items() if gas_ious(counts).size}


def state_views(report: Mapping[str, dict], split: str) -> dict[str, dict]:
    """{split or view: the "state" part} of a split's views that have one."""
    names = (f"{split}{view}" for view in VIEWS)
    return {name: report[name]["state"] for name in names if "state" in report.get(name, {})}


def _draw(figures: Path, split: str, answers: Answers, report: Mapping[str, dict]) -> None:
    rows = answers.rows("")
    if masks := shown_masks(answers, rows):
        save_png(gas_iou_distribution(masks), figures / f"{split}_gas_iou.png")
    if answers.states is None:
        return
    views, labels, states = state_views(report, split), answers.labels[rows], answers.states[rows]
    save_png(draw_confusion(views), figures / f"{split}_confusion_matrices.png")
    save_png(view_scores(views), figures / f"{split}_views.png")
    save_png(reliability_curve(labels, states), figures / f"{split}_reliability.png")
    if states_with_curves(labels):
        save_png(roc_and_pr_curves(labels, states), figures / f"{split}_roc_pr.png")
