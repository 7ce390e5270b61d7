"""What a network says of one moment of a film, in numbers."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasfusion.fume.data.annotations import GASES, STATES
from kerasfusion.fume.data.masks import GAS, plume_pixels
from kerasfusion.fume.detect.answering import MASK, Answer, Network
from kerasfusion.fume.films.alignment import Moment

SMOOTHED = 1.0
"""Seconds over which the state's probabilities are averaged: the moment's and those before it."""


@dataclass(frozen=True)
class Plume:
    """The gas in one mask.

    Attributes:
        pixels: of the frame that are gas.
        percent: of the frame.
        level: mean grey level (0..255) of the gas's pixels in its frame; None without any.
    """

    pixels: int
    percent: float
    level: float | None


@dataclass(frozen=True)
class Row:
    """One moment.

    Attributes:
        time: seconds.
        plumes: {"co2", "ch4", or "union" of both from a network with one mask for both: plume}.
        state: (3,) float64 probabilities; None from a network that does not tell it.
        smoothed: the same, averaged over SMOOTHED seconds.
    """

    time: float
    plumes: dict[str, Plume]
    state: np.ndarray | None
    smoothed: np.ndarray | None


class Measure:
    """Turns moments and answers into rows, in the order of time."""

    def __init__(self):
        self._recent: deque[tuple[float, np.ndarray]] = deque()

    def row(self, moment: Moment, masks: Mapping[str, np.ndarray], state: np.ndarray | None) -> Row:
        """The row of a moment; `masks` and `state` as `join_answers` gives them."""
        plumes = {}
        for name, mask in masks.items():
            levels = moment.shots[name if name in moment.shots else next(iter(moment.shots))].levels
            pixels = plume_pixels(mask)
            level = float(levels[mask == GAS].mean()) if pixels and levels.shape == mask.shape else None
            plumes[name] = Plume(pixels, 100 * pixels / mask.size, level)
        return Row(moment.time, plumes, state, self._smooth(moment.time, state))

    def _smooth(self, time: float, state: np.ndarray | None) -> np.ndarray | None:
        if state is None:
            return None
        self._recent.append((time, state))
        while self._recent[0][0] <= time - SMOOTHED:
            self._recent.popleft()
        return np.mean([each for _, each in self._recent], axis=0)


def join_answers(
    network: Network, moment: Moment, answers: list[Answer]
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """({"co2", "ch4" or "union": mask}, (3,) float64 probabilities of the state or None) of one moment.

    Args:
        network: that answered.
        moment: what it was asked about.
        answers: to all its questions: one, or one a frame of a network that takes single frames. Of several the mean
            probabilities count.
    """
    masks = {}
    for gas, answer in zip(moment.shots if not network.is_paired else ("union",), answers, strict=True):
        for output, mask in answer.masks.items():
            masks[gas if output == MASK else output.removesuffix(f"_{MASK}")] = mask
    states = [np.asarray(answer.state, np.float64) for answer in answers if answer.state is not None]
    return masks, np.mean(states, axis=0) if states else None


def names_of(network: Network, gases: tuple[str, ...]) -> tuple[str, ...]:
    """The names that `join_answers` can give."""
    masks = [output for output in network.outputs if output != "state"]
    if not masks:
        return ()
    return ("union",) if network.is_paired and MASK in masks else gases


def columns_of(names: tuple[str, ...], with_state: bool, scale: float | None) -> list[str]:
    """Columns of the table."""
    found = ["time_s"]
    for name in names:
        found += [f"{name}_plume_px", f"{name}_plume_percent", *([f"{name}_plume_mm2"] if scale else [])]
        found.append(f"{name}_mean_level")
    if with_state:
        found += [f"p_{state.lower()}" for state in STATES] + ["state", "smoothed_state"]
    return found


def cells_of(row: Row, scale: float | None) -> dict[str, str]:
    """{column: text} of a row; what a moment lacks stays empty.

    Args:
        row: of a moment.
        scale: mm that a pixel is wide; None gives no areas in mm2.
    """
    cells = {"time_s": f"{row.time:.3f}"}
    for name, plume in row.plumes.items():
        cells |= {f"{name}_plume_px": str(plume.pixels), f"{name}_plume_percent": f"{plume.percent:.3f}"}
        if scale:
            cells[f"{name}_plume_mm2"] = f"{plume.pixels * scale**2:.2f}"
        if plume.level is not None:
            cells[f"{name}_mean_level"] = f"{plume.level:.1f}"
    if row.state is not None:
        cells |= {f"p_{state.lower()}": f"{share:.4f}" for state, share in zip(STATES, row.state, strict=True)}
        cells |= {"state": STATES[int(row.state.argmax())], "smoothed_state": STATES[int(row.smoothed.argmax())]}
    return cells


GAS_NAMES = {**{gas: gas.upper() for gas in GASES}, "union": "both gases"}
