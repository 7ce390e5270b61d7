"""Whether the gases that a sample has tell its state, which a network would learn instead of looking at the frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.data.samples import Sample

KITS = {("co2", "ch4"): "both gases", ("co2",): "CO2 alone", ("ch4",): "CH4 alone"}
"""Gases that a sample can have -> what that is called."""

SHUFFLES = 999
UNLIKELY = 0.01
"""Share of the shuffles that tell as much: above it the table may be chance."""
WEAK = 0.02
"""Share of the state's entropy below which it is not worth a warning."""

REMEDY = "data pair --balance-modality makes all states alike in this; --strategy random pairs more frames"


@dataclass(frozen=True)
class Dependence:
    """How far the gases that are there tell the state.

    Attributes:
        table: (3, 3) int64 samples by state and kit.
        bits: mutual information of the two.
        entropy: of the state, bits: what there is to be told.
        guess: balanced accuracy of the best guess by the kit alone; states without samples do not count.
        chance: the same of guessing: 1 / states with samples.
        p: share of SHUFFLES of the states among the originals that tell as much or more.
    """

    table: np.ndarray
    bits: float
    entropy: float
    guess: float
    chance: float
    p: float

    def __bool__(self) -> bool:
        return self.p <= UNLIKELY and self.bits >= WEAK * self.entropy

    def line(self) -> str:
        """One sentence."""
        measured = (
            f"{self.bits:.2f} of {self.entropy:.2f} bits, p = {self.p:.3f}; the best guess by it alone has a balanced "
            f"accuracy of {self.guess:.2f}, chance {self.chance:.2f}"
        )
        if not self:
            return f"which gases a sample has does not tell its state ({measured})"
        return f"which gases a sample has tells its state ({measured}): {'; '.join(self._states())}"

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists, and the sentence."""
        return {
            "tells": bool(self),
            "table": {
                state: dict(zip(KITS.values(), map(int, row), strict=True))
                for state, row in zip(STATES, self.table, strict=True)
            },
            "bits": self.bits,
            "entropy": self.entropy,
            "guess": self.guess,
            "p": self.p,
            "line": self.line(),
        }

    def _states(self) -> list[str]:
        """What each state has, in shares."""
        kits = [(column, name) for column, name in enumerate(KITS.values()) if self.table[:, column].any()]
        return [
            f"{state} " + ", ".join(f"{row[column] / row.sum():.0%} {name}" for column, name in kits)
            for state, row in zip(STATES, self.table, strict=True)
            if row.any()
        ]


def dependence(samples: Sequence[Sample], seed: int = 0) -> Dependence | None:
    """Measure it; None where there is but one state, or all samples have the same gases.

    Copies of one original are not independent: the states are shuffled among originals, with all their samples.

    Args:
        samples: with states.
        seed: of the shuffles.
    """
    groups = {group: row for row, group in enumerate(dict.fromkeys(sample.group for sample in samples))}
    kits, states = np.zeros((len(groups), len(KITS)), np.int64), np.zeros(len(groups), np.int64)
    table, columns = np.zeros((len(STATES), len(KITS)), np.int64), {kit: number for number, kit in enumerate(KITS)}
    for sample in samples:
        row, column = groups[sample.group], columns[tuple(sample.frames)]
        kits[row, column] += 1
        states[row] = sample.class_id
        table[sample.class_id, column] += 1
    if np.count_nonzero(table.any(axis=0)) < 2 or np.count_nonzero(table.any(axis=1)) < 2:
        return None
    bits, rng = float(_mutual_information(table)), np.random.default_rng(seed)
    of_state = np.eye(len(STATES), dtype=np.int64)[states]
    shuffled = np.stack([rng.permutation(of_state).T @ kits for _ in range(SHUFFLES)])
    there = table.any(axis=1)
    recalls = table[there] / table[there].sum(axis=1, keepdims=True)
    return Dependence(
        table=table,
        bits=bits,
        entropy=float(_entropy(table.sum(axis=1))),
        guess=float(recalls.max(axis=0).sum() / there.sum()),
        chance=1 / int(there.sum()),
        p=(1 + int(np.count_nonzero(_mutual_information(shuffled) >= bits - 1e-12))) / (1 + SHUFFLES),
    )


def _mutual_information(tables: np.ndarray) -> np.ndarray:
    """Bits of each table: (..., rows, columns) counts -> (...)."""
    together = tables.reshape(*tables.shape[:-2], -1)
    return _entropy(tables.sum(axis=-2)) + _entropy(tables.sum(axis=-1)) - _entropy(together)


def _entropy(counts: np.ndarray) -> np.ndarray:
    """Bits: (..., kinds) counts -> (...)."""
    shares = counts / counts.sum(axis=-1, keepdims=True)
    return -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=-1)
