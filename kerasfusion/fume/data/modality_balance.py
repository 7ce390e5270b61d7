"""Samples whose gases do not tell their state: pairs are taken apart, and what is still too much is left out."""

import hashlib
from collections.abc import Sequence

import numpy as np

from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.data.samples import Sample, with_gases

STEPS = 50
"""Of the shares that are tried: 2 %."""


def balance_modality(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """Give every state the same shares of pairs, of CO2 alone and of CH4 alone.

    Of all such shares those are taken that keep most frames of each state, and of these the ones with most pairs. Which
    pairs are taken apart, and which frames are left out, is random.

    Args:
        samples: of one split.
        seed: another seed, other pairs.

    Returns:
        Some of the samples, and single frames of others, in the order of `pair_frames`. All samples where there is one
        state alone.
    """
    of_state: dict[int, list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: _random(seed, sample.sample_id)):
        of_state.setdefault(sample.class_id, []).append(sample)
    if len(of_state) < 2:
        return list(samples)
    shares = _best_shares(np.array([_frames_of(found) for found in of_state.values()], float))
    chosen = [sample for found in of_state.values() for sample in _chosen(found, shares)]
    return sorted(chosen, key=lambda s: (s.class_id, s.ph_value, not s.is_paired, s.sample_id))


def _frames_of(samples: Sequence[Sample]) -> tuple[int, int, int]:
    """Pairs, CO2 frames and CH4 frames."""
    return (
        sum(sample.is_paired for sample in samples),
        *(sum(gas in sample.frames for sample in samples) for gas in GASES),
    )


def _sizes(there: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """How many samples each state can have with these shares.

    Args:
        there: (S, 3) pairs, CO2 frames, CH4 frames of each state.
        shares: (..., 3) of pairs, CO2 alone and CH4 alone.

    Returns:
        (..., S) float64.
    """
    pairs = shares[..., 0]
    needed = np.stack([pairs, pairs + shares[..., 1], pairs + shares[..., 2]], axis=-1)[..., None, :]
    room = np.divide(
        there, needed, out=np.full(np.broadcast_shapes(there.shape, needed.shape), np.inf), where=needed > 0
    )
    return room.min(axis=-1)


def _best_shares(there: np.ndarray) -> np.ndarray:
    """(3,) shares of pairs, CO2 alone and CH4 alone."""
    tried = np.array([(p, c, STEPS - p - c) for p in range(STEPS + 1) for c in range(STEPS + 1 - p)]) / STEPS
    kept = _sizes(there, tried) * (1 + tried[:, :1]) / there[:, 1:].sum(axis=-1)
    # The geometric mean of the states' shares: the sum would give up a rare state, or one that lacks a gas.
    worth = np.log(np.maximum(kept, 1e-9)).mean(axis=-1)
    return max(zip(worth.round(9), tried[:, 0], map(tuple, tried), strict=True))[2]


def _chosen(samples: Sequence[Sample], shares: Sequence[float]) -> list[Sample]:
    """Those of one state, in their random order."""
    size = float(_sizes(np.array([_frames_of(samples)], float), np.array(shares))[0])
    pairs = [sample for sample in samples if sample.is_paired]
    kept = pairs[: round(size * shares[0])]
    rest = [sample for sample in samples if not sample.is_paired] + pairs[len(kept) :]
    chosen = list(kept)
    for gas, share in zip(GASES, shares[1:], strict=True):
        alone = with_gases(rest, gas)
        chosen += alone[: round(size * share)]
    return chosen


def _random(seed: int, key: str) -> bytes:
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()
