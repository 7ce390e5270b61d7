"""The panel of an answer: frames, masks and what a network said of them."""

from typing import TYPE_CHECKING

import numpy as np

from kerasfusion.fume.data.annotations import GASES, STATES
from kerasfusion.fume.data.frames import resize_frame
from kerasfusion.fume.data.masks import union_of
from kerasfusion.fume.detect.answering import MASK, Answer, Network
from kerasfusion.fume.detect.panels import PanelRow, draw_panel

if TYPE_CHECKING:
    from kerasfusion.fume.networks.architectures import Architecture

TITLE_LENGTH = 150


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
        both = union_of(truths.values()) if truths else None
        rows.append(PanelRow("both", _mean_frame(list(frames.values())), both, answer.masks[MASK]))
    return rows


def _mean_frame(frames: list[np.ndarray]) -> np.ndarray:
    """The frames' mean at the first one's size: what stands behind the mask of their union."""
    height, width = frames[0].shape
    return np.mean([resize_frame(frame, width, height) for frame in frames], axis=0).round().astype(np.uint8)
