"""Panels of answers: of any one, and of a spread of evaluated samples."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasfusion.fume.annotations import GASES, STATES
from kerasfusion.fume.answering import MASK, Answer, Network
from kerasfusion.fume.evaluate import Answers, read_truth, true_mask
from kerasfusion.fume.frames import read_grey, resize_frame
from kerasfusion.fume.masks import write_png
from kerasfusion.fume.panels import PanelRow, draw_panel, spread

if TYPE_CHECKING:
    from kerasfusion.fume.models import Architecture

TITLE_LENGTH = 150


def write_panels(
    network: Network, answers: Answers, root: Path, count: int, folder: Path, seed: int = 42
) -> list[Path]:
    """Answer a spread of samples again and draw them: some of each state, and some that were answered wrongly.

    Args:
        network: that gave the answers.
        answers: what it said.
        root: what the samples' paths are relative to.
        count: samples that are drawn, at most.
        folder: for the PNGs; those of an earlier run in it are deleted.
        seed: of the choice.

    Returns:
        The PNGs' paths: NUMBER_STATE_right.png, NUMBER_STATE_wrong.png, or NUMBER_STATE.png without a predicted state.
    """
    rows = answers.rows("")
    truth = answers.labels[rows]
    right = [None] * len(rows) if answers.predicted is None else (answers.predicted[rows] == truth).tolist()
    for older in folder.glob("[0-9][0-9][0-9]_*.png"):
        older.unlink()
    paths = []
    for number, place in enumerate(spread(truth, right, count, seed), start=1):
        sample = answers.asked[rows[place]].sample
        frames = {gas: read_grey(root / frame.frame_path) for gas, frame in sample.frames.items()}
        (answer,) = network.answer([network.prepare(frames)])
        title = f"{sample.sample_id}\ntruth: {STATES[sample.class_id]}"
        word = {None: "", True: "_right", False: "_wrong"}[right[place]]
        paths.append(folder / f"{number:03}_{STATES[truth[place]].lower()}{word}.png")
        write_png(paths[-1], draw_answer(network, frames, answer, title, read_truth(sample, root)))
    return paths


def draw_answer(
    network: "Network | Architecture",
    frames: dict[str, np.ndarray],
    answer: Answer,
    title: str,
    truths: dict[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Draw what a network said of a sample.

    Args:
        network: that said it, or its kind.
        frames: {gas: (H, W) uint8} of the sample, as decoded.
        answer: what it said.
        title: above the pictures; the predicted state is added.
        truths: {gas: (H, W) uint8} masks, if known.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    rows = answer_rows(network, frames, answer, truths)
    lines = [line if len(line) <= TITLE_LENGTH else f"...{line[-TITLE_LENGTH:]}" for line in title.split("\n")]
    if answer.state is not None:
        shares = ", ".join(f"{name} {share:.2f}" for name, share in zip(STATES, answer.state, strict=True))
        lines[-1] += f"   prediction: {STATES[int(answer.state.argmax())]} ({shares})"
    return draw_panel(rows, "\n".join(lines))


def answer_rows(
    network: "Network | Architecture",
    frames: dict[str, np.ndarray],
    answer: Answer,
    truths: dict[str, np.ndarray] | None = None,
) -> list[PanelRow]:
    """What is drawn of a sample, gas by gas, and both together where the network has one mask; as `draw_answer`."""
    truths, rows = truths or {}, []
    for gas in GASES if network.is_paired else frames:
        prediction = answer.masks.get(f"{gas}_{MASK}" if network.is_paired else MASK)
        rows.append(PanelRow(gas.upper(), frames.get(gas), truths.get(gas), prediction))
    if network.is_paired and MASK in answer.masks:
        both = true_mask(MASK, truths) if truths else None
        rows.append(PanelRow("both", _mean_frame(list(frames.values())), both, answer.masks[MASK]))
    return rows


def _mean_frame(frames: list[np.ndarray]) -> np.ndarray:
    """The frames' mean at the first one's size: what stands behind the mask of their union."""
    height, width = frames[0].shape
    return np.mean([resize_frame(frame, width, height) for frame in frames], axis=0).round().astype(np.uint8)
