"""Section of fume's report: the worst mistakes, as pictures where the frames and the network are at hand."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.data.masks import GAS
from kerasfusion.fume.detect.answering import open_network
from kerasfusion.fume.evaluate.files import shown_masks
from kerasfusion.fume.evaluate.mask_figures import mask_title
from kerasfusion.fume.evaluate.split import Answers
from kerasfusion.fume.report.limits import same_model
from kerasfusion.fume.report.run import Run
from kerasfusion.fume.report.strips import STRIP, answer_strip, data_root, why_not_drawn
from kerasfusion.fume.report.words import counted
from kerasfusion.metrics import classification
from kerasfusion.progress import track
from kerasfusion.report_page.blocks import Block, Note, Paragraph, Picture, Pictures, Section, Table
from kerasfusion.reporting import command_line

SHOWN = 6
"""Samples of each kind of mistake."""

PICTURE_WIDTH = 340


def mistakes_section(run: Run, data: Path | None) -> Section | None:
    """The most confident wrong states and the lowest gas IoU; None if the answers were not kept.

    Args:
        run: the run.
        data: where the frames are now; None is where they were evaluated.
    """
    answers = run.main_answers
    if answers is None:
        return None
    wrong, low = wrong_states(answers), low_masks(answers)
    shown = [*_one_per_original(answers, wrong), *_one_per_original(answers, low)]
    if not shown:
        return Section("The worst mistakes", [Paragraph("There are none: every state is right and no mask has gas.")])
    root = data_root(run, data)
    why_not = why_not_drawn(run, [answers.asked[row].sample for row in shown], root)
    strips = {} if why_not else _draw(run, answers, dict.fromkeys(shown), root)
    blocks: list[Block] = []
    if answers.states is not None:
        about = f"Wrong states: {len(wrong)} of {counted(len(answers.rows('')), 'sample')}; those that it was surest of"
        blocks.append(_block(answers, _one_per_original(answers, wrong), strips, about))
    if low:
        blocks.append(_block(answers, _one_per_original(answers, low), strips, "Lowest IoU of the gas"))
    if why_not:
        report = command_line(["kerasfusion", "report", run.folder, "--data", "FOLDER"])
        again = report if same_model(run) else run.evaluate_command(run.split)
        blocks.append(Note(f"No pictures: {why_not}.", again, "missing"))
    return Section("The worst mistakes", [block for block in blocks if block is not None])


def wrong_states(answers: Answers) -> list[int]:
    """Rows of samples as they are whose state is wrong, the surest first."""
    if answers.states is None:
        return []
    rows = answers.rows("")
    wrong = rows[answers.predicted[rows] != answers.labels[rows]]
    return [int(row) for row in wrong[np.argsort(-answers.states[wrong].max(axis=-1), kind="stable")]]


def low_masks(answers: Answers) -> list[int]:
    """Rows of samples as they are by the lowest gas IoU among their masks, lowest first; without those without gas."""
    rows, lowest = answers.rows(""), {}
    for output in shown_masks(answers, rows):
        ious = classification.iou(answers.pixels[output][rows])[:, GAS]
        for row, iou in zip(rows, ious, strict=True):
            if not np.isnan(iou):
                lowest[int(row)] = min(iou, lowest.get(int(row), 1.0))
    return sorted(lowest, key=lambda row: (lowest[row], row))


def _one_per_original(answers: Answers, rows: Iterable[int]) -> list[int]:
    """The first of each original: its copies fail alike."""
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(answers.asked[row].sample.group, row)
    return list(first.values())[:SHOWN]


def _draw(run: Run, answers: Answers, rows: Iterable[int], root: Path) -> dict[int, bytes]:
    network = open_network(run.folder / run.record["model"])
    samples = {row: answers.asked[row].sample for row in rows}
    return {row: answer_strip(network, sample, root) for row, sample in track(samples.items(), "draw mistakes")}


def _block(answers: Answers, rows: list[int], strips: dict[int, bytes], about: str) -> Block | None:
    if not rows:
        return None
    once = "one of each original"
    if strips:
        pictures = [Picture(strips[row], title_of(answers, row), lines_of(answers, row)) for row in rows]
        return Pictures(pictures, f"{about} ({once}). In each, {STRIP}.", PICTURE_WIDTH)
    listed = [{"sample": answers.asked[row].sample.sample_id, "answer": title_of(answers, row)} for row in rows]
    for line, row in zip(listed, rows, strict=True):
        line["more"] = "; ".join(lines_of(answers, row)[1:])
    return Table(listed, f"{about} ({once}).")


def title_of(answers: Answers, row: int) -> str:
    """What a sample is and what was said, such as "Healthy, said Acidotic (0.93)"."""
    truth = STATES[answers.asked[row].sample.class_id]
    if answers.states is None:
        return truth
    said = STATES[int(answers.states[row].argmax())]
    sure = f"{answers.states[row].max():.2f}"
    return f"{truth}, said {said} ({sure})" if said != truth else f"{truth}, right ({sure})"


def lines_of(answers: Answers, row: int) -> list[str]:
    """More about a sample: its frames, its pH, every state's probability, the gas IoU of its masks."""
    sample = answers.asked[row].sample
    lines = [sample.sample_id]
    if not np.isnan(sample.ph_value):
        lines.append(f"pH {sample.ph_value:g}")
    if answers.states is not None:
        lines.append(", ".join(f"{name} {p:.2f}" for name, p in zip(STATES, answers.states[row], strict=True)))
    ious = {
        mask_title(output): classification.iou(answers.pixels[output][row])[GAS]
        for output in shown_masks(answers, np.array([row]))
    }
    if ious:
        lines.append("IoU of the gas: " + ", ".join(f"{name} {iou:.2f}" for name, iou in ious.items()))
    return lines
