"""The figures of an evaluation as charts of a page: wide and narrow, with captions and alternative texts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasfusion.report_page.blocks import Block, Chart, Note
from kerasfusion.roadwork.evaluate import decision_figures, figures, rehearsal_figure
from kerasfusion.roadwork.evaluate.figures import title_of
from kerasfusion.roadwork.evaluate.predictions import Predictions
from kerasfusion.roadwork.evaluate.rehearsal import Rehearsal

PHONE = 4.0
"""Inches of a figure for a phone."""


def confusion_chart(report: Mapping[str, Mapping[str, Any]]) -> Chart:
    """Right and wrong answers of every output."""
    words = []
    for output, values in report.items():
        (tn, fp), (fn, tp) = values["confusion_matrix"]
        words.append(f"{title_of(output)} missed {fn} of {fn + tp} and gave {fp} false alarms among {tn + fp}")
    return Chart(
        figures.confusion_matrices(report),
        "Answers by true class, at the subnet's threshold 0.5. Rows are the truth: the lower left cell is roadwork "
        "that was missed, the upper right one a false alarm.",
        "Confusion matrices. " + "; ".join(words) + ".",
        narrow=figures.confusion_matrices(report, per_row=1),
    )


def curve_chart(kept: Predictions) -> Chart:
    """ROC and precision-recall curves."""
    return Chart(
        figures.roc_and_pr_curves(kept.labels, kept.answers),
        "ROC: how much roadwork is found for how many false alarms, over all thresholds; nearer the upper left is "
        "better. Precision and recall: how many of the alarms are right, for how much is found; nearer the upper right "
        "is better. Dots mark threshold 0.5.",
        f"ROC and precision-recall curves of {', '.join(map(title_of, kept.answers))}.",
        narrow=figures.roc_and_pr_curves(kept.labels, kept.answers, per_row=1),
    )


def threshold_chart(kept: Predictions) -> Chart:
    """MCC for every threshold."""
    return Chart(
        decision_figures.mcc_against_threshold(kept.labels, kept.answers),
        "MCC if another threshold than 0.5 decided. Dots: the subnet's 0.5; diamonds: the best threshold on these very "
        "photos, which flatters itself. `kerasfusion calibrate` moves the best one to 0.5, by other photos.",
        f"MCC against threshold, from 0 to 1, of {', '.join(map(title_of, kept.answers))}.",
        narrow=decision_figures.mcc_against_threshold(kept.labels, kept.answers, width=PHONE),
    )


def reliability_chart(kept: Predictions) -> Chart:
    """How far P(roadwork) can be taken at its word."""
    return Chart(
        decision_figures.reliability_curves(kept.labels, kept.answers),
        "What was said against what was true: on the dotted line, of the photos with P(roadwork) 0.8 four in five show "
        "roadwork. ECE is the mean distance from that line, weighted by photos (0 is best, but an output that always "
        "says the share of roadwork has 0 too). Bins with few photos have wide intervals.",
        f"Reliability of {', '.join(map(title_of, kept.answers))}: share with roadwork against P(roadwork).",
        narrow=decision_figures.reliability_curves(kept.labels, kept.answers, per_row=1),
    )


def reward_chart(found: Rehearsal) -> Chart:
    """The subnet's reward along a rehearsal."""
    words = ", ".join(f"{title_of(name)} {earned.reward:.3f}" for name, earned in found.outputs.items())
    return Chart(
        rehearsal_figure.reward_in_turn(found),
        f"What a validator would pay {found.source} for each answer: the mean of {found.repeats} rehearsals, and a "
        "band in which 95 % of them lie. Few answers count at a time, so that the reward of one miner jumps without a "
        "change of its model.",
        f"The reward after each answer. Mean from the hundredth on: {words}.",
        narrow=rehearsal_figure.reward_in_turn(found, width=PHONE),
    )


def branches_chart(against: Mapping[str, Mapping[str, Any]]) -> Chart:
    """The fusion against each branch."""
    words = ", ".join(f"{title_of(name)} {values['reward_difference']:+.3f}" for name, values in against.items())
    return Chart(
        decision_figures.against_branches(against),
        "How much better the fusion is than each branch on the same photos, with 95 % intervals of the paired "
        "bootstrap. Right of zero the fusion is better; an interval that reaches over zero shows no difference.",
        f"Reward and MCC of the fusion minus those of each branch. Reward: {words}.",
        narrow=decision_figures.against_branches(against, width=PHONE),
    )


def answer_charts(kept: Predictions | None, command: str) -> list[Block]:
    """The charts that need every answer, or a note that they were not kept."""
    if kept is None:
        return [Note("The answers were not kept: no curves can be drawn. To keep them:", command, kind="missing")]
    blocks: list[Block] = []
    if np.unique(kept.labels).size > 1:
        blocks = [curve_chart(kept), threshold_chart(kept)]
    else:
        blocks.append(Note("All photos are of one class: ROC, precision-recall and threshold curves need both."))
    return [*blocks, reliability_chart(kept)]
