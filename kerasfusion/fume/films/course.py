"""The course of a film in a few numbers a moment: areas, states, bursts; and what is said of the whole."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.films.measuring import GAS_NAMES, Row

LOW, HIGH = 10, 90
"""Percentiles of a plume's area between which a burst begins and ends: at their middle."""
LEAST = 0.2
"""Per cent of the frame that they must lie apart; else there are no bursts."""
STEADY = 5
"""Moments whose median counts: a flicker of one mask is no burst."""


@dataclass(frozen=True)
class Burst:
    """From where a plume's area rises over the middle to where it falls below it.

    Attributes:
        begin, end: seconds.
        peak: largest area in it, per cent of the frame.
    """

    begin: float
    end: float
    peak: float


@dataclass
class Course:
    """Numbers that grow with the film by some tens of bytes a moment.

    Attributes:
        names: of the plumes.
        times: seconds.
        areas: {name: per cent of the frame; NaN where the gas was not filmed}.
        states: smoothed states, three probabilities a moment; empty if the network does not tell it.
    """

    names: tuple[str, ...]
    times: array = field(default_factory=lambda: array("d"))
    areas: dict[str, array] = field(default_factory=dict)
    states: array = field(default_factory=lambda: array("f"))

    def add(self, row: Row) -> None:
        """Take a moment's numbers in."""
        self.times.append(row.time)
        for name in self.names:
            plume = row.plumes.get(name)
            self.areas.setdefault(name, array("f")).append(np.nan if plume is None else plume.percent)
        if row.smoothed is not None:
            self.states.extend(row.smoothed.tolist())

    def area(self, name: str) -> np.ndarray:
        """(N,) float32 per cent of the frame."""
        return np.asarray(self.areas.get(name, ()), np.float32)

    def state(self) -> np.ndarray:
        """(N, 3) float32 smoothed probabilities, or (0, 3)."""
        return np.asarray(self.states, np.float32).reshape(-1, len(STATES))

    def bursts(self, name: str) -> list[Burst]:
        """The bursts of a plume."""
        return find_bursts(np.asarray(self.times), self.area(name))

    def to_json(self, scale: float | None) -> dict[str, Any]:
        """Of each plume mean and largest area over its moments and the bursts; of each state its number of moments."""
        found: dict[str, Any] = {"moments": len(self.times), "plumes": {name: self._plume(name) for name in self.names}}
        states = self.state()
        if len(states):
            counts = np.bincount(states.argmax(axis=-1), minlength=len(STATES))
            found["smoothed_states"] = {state: int(n) for state, n in zip(STATES, counts, strict=True)}
        return found | {"mm_per_pixel": scale}

    def _plume(self, name: str) -> dict[str, Any]:
        area = self.area(name)
        seen = area[np.isfinite(area)]
        return {
            "moments": len(seen),
            "mean_percent": float(seen.mean()) if len(seen) else None,
            "max_percent": float(seen.max()) if len(seen) else None,
            "bursts": [vars(burst) for burst in self.bursts(name)],
        }


def find_bursts(times: np.ndarray, areas: np.ndarray) -> list[Burst]:
    """Where an area rises over the middle of its lower and upper tenth, and where it falls below it again.

    What was not filmed is in no burst: a pause between known moments ends one (`_pauses`).

    Args:
        times: (N,) seconds, rising.
        areas: (N,) per cent of the frame; NaN where it is not known.
    """
    known = np.isfinite(areas)
    if np.count_nonzero(known) < STEADY:
        return []
    times, areas = times[known], areas[known]
    pauses = _pauses(times)
    parts = [(part, _median(own)) for part, own in zip(np.split(times, pauses), np.split(areas, pauses), strict=True)]
    low, high = np.percentile(np.concatenate([own for _, own in parts]), (LOW, HIGH))
    if high - low < LEAST:
        return []
    return [burst for part, own in parts for burst in _bursts_above((low + high) / 2, part, own)]


def _pauses(times: np.ndarray) -> np.ndarray:
    """Numbers of the times, STEADY at least, that come after a pause.

    It is longer than STEADY usual steps: the median of as many steps before it or after it, whichever is longer, since
    another film goes on at another rate where one ends.
    """
    steps = np.diff(times)
    padded = np.pad(steps, STEADY, mode="reflect")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(padded, STEADY), axis=-1)
    before, after = usual[: len(steps)], usual[-len(steps) :]
    return np.flatnonzero(steps > STEADY * np.maximum(before, after)) + 1


def _bursts_above(middle: float, times: np.ndarray, areas: np.ndarray) -> list[Burst]:
    above = np.concatenate([[False], areas > middle, [False]])
    begins, ends = np.flatnonzero(~above[:-1] & above[1:]), np.flatnonzero(above[:-1] & ~above[1:])
    return [
        Burst(float(times[begin]), float(times[end - 1]), float(areas[begin:end].max()))
        for begin, end in zip(begins, ends, strict=True)
    ]


def course_lines(found: Mapping[str, Any]) -> list[str]:
    """`Course.to_json` for a person: a line a plume, and one of the state."""
    lines = []
    for name, plume in found["plumes"].items():
        if plume["mean_percent"] is not None:
            lines.append(
                f"{GAS_NAMES[name]}: plume {plume['mean_percent']:.2f} % of the frame on average, "
                f"{plume['max_percent']:.2f} % at most; {len(plume['bursts'])} bursts"
            )
    if states := found.get("smoothed_states"):
        total = sum(states.values())
        shares = ", ".join(f"{name} {n / total:.1%}" for name, n in states.items())
        lines.append(f"smoothed state, of the moments: {shares}")
    return lines


def _median(areas: np.ndarray) -> np.ndarray:
    padded = np.pad(areas, STEADY // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, STEADY), axis=-1)
