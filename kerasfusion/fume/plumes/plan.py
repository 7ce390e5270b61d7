"""Which originals a generated set has: their states, pH levels, gases and splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kerasfusion.errors import RequestError
from kerasfusion.fume.data.annotations import SPLITS, STATES
from kerasfusion.splits import assign_splits

Gases = tuple[str, ...]
BOTH: Gases = ("co2", "ch4")
CO2: Gases = ("co2",)
CH4: Gases = ("ch4",)

FRACTIONS = {"train": 0.7, "val": 0.15, "test": 0.15}
"""The public set's splits."""

PUBLISHED = {
    "Healthy": {BOTH: {6.5: 205}, CO2: {6.5: 24}, CH4: {6.5: 16}},
    "Transitional": {CO2: {5.9: 13, 6.2: 13}},
    "Acidotic": {BOTH: {5.6: 80}, CO2: {5.0: 128, 5.3: 127, 5.6: 100}, CH4: {5.6: 9}},
}
"""Originals per 1000 frames, by state, gases and pH, after taminulislam/fume (README and data/pairing.py of f0ab18b).

Published are the states' shares of all frames (45, 2.6 and 52.5 %), the gases' (CO2 69, CH4 31 %), and that CH4 was
filmed at pH 5.6 (798 of 2,415 frames there) and 6.5 (1,995 of 3,906) alone. How many originals have both gases is not
published: here nearly as many as can.
"""

BALANCED = {
    "Healthy": {BOTH: {6.5: 60}, CO2: {6.5: 20}, CH4: {6.5: 20}},
    "Transitional": {BOTH: {5.9: 30, 6.2: 30}, CO2: {5.9: 10, 6.2: 10}, CH4: {5.9: 10, 6.2: 10}},
    "Acidotic": {
        BOTH: {5.0: 20, 5.3: 20, 5.6: 20},
        CO2: {5.0: 7, 5.3: 7, 5.6: 6},
        CH4: {5.0: 6, 5.3: 7, 5.6: 7},
    },
}
"""States equally often, each with the same gases: unlike above, which gas is missing does not tell the state."""


@dataclass(frozen=True)
class Original:
    """One filmed moment.

    Attributes:
        original_id: its name; says the pH.
        class_id: index into STATES.
        ph: pH of the rumen fluid.
        gases: the gases that were filmed.
        split: "train", "val" or "test".
    """

    original_id: str
    class_id: int
    ph: float
    gases: Gases
    split: str


def plan(originals: int | Mapping[str, int], seed: int, balanced: bool = False) -> list[Original]:
    """The originals of a set, in the order in which they are drawn.

    Args:
        originals: how many; or {split: how many}, each split then with the states' shares.
        seed: decides which original goes to which split where one number is given.
        balanced: BALANCED instead of PUBLISHED.

    Returns:
        The originals. Every state has at least one in every split, whatever its share: there are at least three per
        state, or one per state and split, where the number is not too small for that.

    Raises:
        RequestError: a negative number, or an unknown split.
    """
    _check(originals)
    table = BALANCED if balanced else PUBLISHED
    if isinstance(originals, Mapping):
        parts = [(*kind, split) for split in SPLITS for kind in _kinds(table, originals.get(split, 0), 1)]
    else:
        kinds = _kinds(table, originals, len(SPLITS))
        names = [f"{number:05d}" for number in range(len(kinds))]
        splits = assign_splits([f"{state} {gases}" for state, gases, _ in kinds], names, FRACTIONS, seed)
        parts = [(*kind, split) for kind, split in zip(kinds, splits, strict=True)]
    counters: dict[float, int] = {}
    found = []
    for state, gases, ph, split in parts:
        counters[ph] = counters.get(ph, 0) + 1
        name = f"ph{round(ph * 10)}_{counters[ph]:04d}"
        found.append(Original(name, STATES.index(state), ph, gases, split))
    return found


def _check(originals: int | Mapping[str, int]) -> None:
    counts = originals if isinstance(originals, Mapping) else {"originals": originals}
    for name, count in counts.items():
        if name not in (*SPLITS, "originals"):
            raise RequestError(f"there is no split {name!r}", expected=", ".join(SPLITS))
        if count < 0:
            raise RequestError(f"{name} is {count}", where=name, expected="0 or more", todo="give another number")


def _kinds(table: Mapping, count: int, minimum: int) -> list[tuple[str, Gases, float]]:
    """State, gases and pH of `count` originals; of each state, and of its commonest gases, `minimum` if that can be."""
    weights = {state: sum(sum(levels.values()) for levels in kinds.values()) for state, kinds in table.items()}
    found = []
    for state, number in apportion(weights, count, minimum).items():
        kinds = {gases: sum(levels.values()) for gases, levels in table[state].items()}
        for gases, share in _with_commonest(kinds, number, minimum).items():
            found += [(state, gases, ph) for ph, n in apportion(table[state][gases], share).items() for _ in range(n)]
    return found


def _with_commonest(kinds: Mapping[Gases, int], number: int, minimum: int) -> dict[Gases, int]:
    """Originals of a state by gases. Splits are stratified by state and gases: `minimum` of one kind reach them all."""
    commonest, first = max(kinds, key=kinds.get), min(minimum, number)
    counts = apportion(kinds, number)
    if counts[commonest] < first:
        counts = dict.fromkeys(kinds, 0) | {commonest: first}
        others = {gases: weight for gases, weight in kinds.items() if gases != commonest}
        counts |= apportion(others, number - first) if others else {}
    return counts


def apportion(weights: Mapping, count: int, minimum: int = 0) -> dict:
    """Divide `count` by weight, whole numbers of that sum (largest remainders); each gets `minimum` if that can be.

    Where it cannot, all get the same or one more.
    """
    keys = list(weights)
    total, least = sum(weights.values()), min(minimum, count // len(keys))
    exact = {key: count * weights[key] / total for key in keys}
    counts = {key: max(least, int(exact[key])) for key in keys}
    while (left := count - sum(counts.values())) != 0:
        step = 1 if left > 0 else -1
        able: Sequence = keys if step > 0 else [key for key in keys if counts[key] > least]
        counts[max(able, key=lambda key: (exact[key] - counts[key]) * step)] += step
    return counts
