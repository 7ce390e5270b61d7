"""Sections of fume's report: how well the state is told, and what a missing gas costs."""

from typing import Any

import numpy as np

from kerasfusion.fume.data.annotations import GASES, STATES
from kerasfusion.fume.evaluate.comparison import compare_answers
from kerasfusion.fume.evaluate.figures import draw_confusion
from kerasfusion.fume.evaluate.mask_figures import mask_title
from kerasfusion.fume.evaluate.split import Answers
from kerasfusion.fume.evaluate.state_figures import (
    reliability_curve,
    roc_and_pr_curves,
    states_with_curves,
    view_scores,
)
from kerasfusion.fume.report.run import Run
from kerasfusion.fume.report.words import DIGITS, VIEWS, difference_text, masks_of, with_intervals
from kerasfusion.report_page.blocks import Block, Chart, Paragraph, Section, Table

SCORES = {"balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}


def state_section(run: Run) -> Section | None:
    """How well the state is told; None if it was not learned or never evaluated."""
    views = {VIEWS[view]: parts["state"] for view, parts in run.views().items() if "state" in parts}
    if not views:
        return None
    main = run.main["state"]
    blocks: list[Block] = [_per_state(main), _matrices(views), _curves(run), _reliability(run)]
    return Section("Rumen state", [block for block in blocks if block is not None])


def missing_gas_section(run: Run) -> Section | None:
    """What it costs to have but one gas; None if no pair was asked about or the state was not learned."""
    views = {VIEWS[view]: parts["state"] for view, parts in run.views().items() if "state" in parts}
    if len(views) < 2:
        return None
    says = [f"{name} {of['balanced_accuracy']:.3f} and {of['macro_f1']:.3f}" for name, of in views.items()]
    chart = Chart(
        view_scores(views),
        "Dots: balanced accuracy and macro F1 of the state; bars: 95 % bootstrap intervals, whole originals drawn; "
        "dotted line: guessing. The samples of the last rows are those of the pairs, with one gas taken away.",
        f"Balanced accuracy and macro F1: {'; '.join(says)}",
        narrow=view_scores(views, width=4.2),
    )
    rows = [
        {
            "samples": name,
            **with_intervals(values, SCORES),
            "accuracy": values["accuracy"],
            "kappa": values["cohen_kappa"],
            "n": values["n"],
            "originals": values["n_groups"],
        }
        for name, values in views.items()
    ]
    table = Table(rows, "The state, by what the network was given, with 95 % bootstrap intervals.", DIGITS)
    return Section("A missing gas", [chart, table, *_costs(run)])


def _per_state(main: dict[str, Any]) -> Table:
    metrics = {"precision": "precision", "recall": "recall", "f1": "F1"}
    rows = [
        {
            "state": name,
            **with_intervals(main, {f"{metric}_{name.lower()}": title for metric, title in metrics.items()}),
            "n": sum(main["confusion_matrix"][number]),
        }
        for number, name in enumerate(STATES)
    ]
    return Table(rows, "Each state among the samples as they are, with 95 % bootstrap intervals.", DIGITS)


def _matrices(views: dict[str, dict]) -> Chart:
    says = []
    for name, values in views.items():
        right = int(np.trace(values["confusion_matrix"]))
        says.append(f"{name}: {right} of {values['n']} right")
    return Chart(
        draw_confusion(views, per_row=2),
        "Counts and shares of the true state, by what the network was given: the samples as they are, those with both "
        "gases, and these again with one gas alone (a network of single frames: the pairs' frames of that gas).",
        f"Confusion matrices of the state. {'; '.join(says)}.",
        narrow=draw_confusion(views, per_row=1),
    )


def _curves(run: Run) -> Block | None:
    answers = run.main_answers
    if answers is None or answers.states is None:
        return None
    labels, states = _of_main(answers)
    there = states_with_curves(labels)
    if not there:
        return Paragraph("All samples are of one state: there are no ROC and precision-recall curves.")
    shares = ", ".join(f"{name} {(labels == STATES.index(name)).mean():.1%}" for name in there)
    return Chart(
        roc_and_pr_curves(labels, states),
        "Each state against the other two, samples as they are. Guessing reaches a state's prevalence as its precision "
        f"(dotted): {shares}. For a rare state look at the right panel: the left one flatters it.",
        f"ROC and precision-recall curves of {', '.join(there)}.",
        narrow=roc_and_pr_curves(labels, states, per_row=1),
    )


def _reliability(run: Run) -> Chart | None:
    answers = run.main_answers
    if answers is None or answers.states is None:
        return None
    return Chart(
        reliability_curve(*_of_main(answers)),
        "Of the answers that were about as sure, the share that was right, with 95 % Wilson intervals; the numbers "
        "above count the answers. On the dotted line probabilities are worth what they say: below it the network is "
        "too sure, above it not sure enough. ECE is the mean distance.",
        "Reliability of the likeliest state.",
    )


def _costs(run: Run) -> list[Block]:
    answers = run.main_answers
    if answers is None:
        return []
    both = answers.rows("_paired")
    if not both.size:
        return [Paragraph("This network takes frames one by one: it has no pairs that could lose a gas.")]
    groups = [answers.asked[row].sample.group for row in both]
    # A sample's questions stand together, so the rows of the views are in one order.
    costs = {gas: compare_answers(answers, both, answers, answers.rows(f"_{gas}_only"), groups) for gas in GASES}
    states = [{"samples": VIEWS[f"_{gas}_only"], **_state_cells(found["state"])} for gas, found in costs.items()]
    masks = [row for gas, found in costs.items() for row in _mask_rows(gas, found)]
    blocks: list[Block] = [
        Table(
            states,
            f"One gas minus both, on the same {len(both)} pairs: differences with 95 % intervals of the paired "
            "bootstrap; how many samples only one of the two has right, and the sign-flip test of that by original.",
            DIGITS,
        )
    ]
    if any(row["difference"] for row in masks):
        blocks.append(Table(masks, "IoU of the gas with one gas alone and with both, on the same pairs.", DIGITS))
    elif masks:
        blocks.append(Paragraph("The mask of a gas is the same with and without the other gas."))
    return blocks


def _state_cells(found: dict[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for metric, title in SCORES.items():
        cells |= {title: found[metric]["difference"], f"95 % of {title}": difference_text(found[metric]["ci95"])}
    return cells | {
        "only both right": found["only_a_right"],
        "only one right": found["only_b_right"],
        "sign-flip p": f"{found['sign_flip_p']:.2g}",
        "one gas is": found["verdict"],
    }


def _mask_rows(gas: str, found: dict[str, dict]) -> list[dict[str, Any]]:
    return [
        {
            "mask": mask_title(part),
            "given": f"{gas.upper()} alone",
            "alone": values["iou_gas"]["b"],
            "with both": values["iou_gas"]["a"],
            "difference": values["iou_gas"]["difference"],
            "95 % of difference": difference_text(values["iou_gas"]["ci95"]),
        }
        for part, values in masks_of(found).items()
        if "iou_gas" in values
    ]


def _of_main(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    rows = answers.rows("")
    return answers.labels[rows], answers.states[rows]
