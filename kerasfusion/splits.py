"""Assign samples to train, val and test: seeded, stratified by label, whole groups only."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from kerasfusion.errors import RequestError

DEFAULT_FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}


def assign_splits(
    labels: Sequence[Hashable],
    groups: Sequence[str],
    fractions: Mapping[str, float] = DEFAULT_FRACTIONS,
    seed: int = 42,
) -> list[str]:
    """Give every sample a split.

    Groups are taken in an order that depends on the seed and their keys alone, each is put where it brings
    the counts per class nearest to the fractions (least squares), and single groups are then moved for as long
    as that brings them nearer still. So the result does not depend on the samples' order, and with groups of one
    sample every count per class and split is within one of its exact share.

    Args:
        labels: the class of each sample.
        groups: the group key of each sample; samples with one key stay together.
        fractions: share of each split, 0..1, together 1. A share of 0 leaves the split empty.
        seed: another seed, another assignment.

    Returns:
        The split of each sample. Where a class has at least as many groups as there are splits (and no
        other class stands in the way), each split gets at least one of them.

    Raises:
        RequestError: fractions that are negative or do not sum to 1, or lengths that differ.
    """
    _check(labels, groups, fractions)
    if not labels:
        return []
    splits = [name for name, share in fractions.items() if share > 0]
    shares = np.array([fractions[name] for name in splits])
    keys = sorted(set(groups), key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).digest())
    counts = _count(labels, groups, keys)
    placement = _place(counts, shares)
    _improve(counts, shares, placement)
    _cover(counts, shares, placement)
    split_of = {key: splits[index] for key, index in zip(keys, placement, strict=True)}
    return [split_of[key] for key in groups]


def _check(labels: Sequence[Hashable], groups: Sequence[str], fractions: Mapping[str, float]) -> None:
    if len(labels) != len(groups):
        raise RequestError(f"{len(labels)} labels but {len(groups)} groups", expected="one group per sample")
    if not (all(share >= 0 for share in fractions.values()) and abs(sum(fractions.values()) - 1) <= 1e-6):
        raise RequestError(
            f"the fractions {dict(fractions)} do not divide a set", expected="shares of 0 or more that sum to 1"
        )


def _count(labels: Sequence[Hashable], groups: Sequence[str], keys: list[str]) -> np.ndarray:
    """Samples per group and class, (G, C) int64."""
    rows = {key: row for row, key in enumerate(keys)}
    columns = {label: column for column, label in enumerate(sorted(set(labels), key=str))}
    counts = np.zeros((len(rows), len(columns)), np.int64)
    for label, group in zip(labels, groups, strict=True):
        counts[rows[group], columns[label]] += 1
    return counts


def _excess(counts: np.ndarray, shares: np.ndarray, placement: np.ndarray) -> np.ndarray:
    """Samples above (+) or below (-) the exact share, (S, C) float64; unplaced groups (-1) count nowhere."""
    excess = -np.outer(shares, counts.sum(axis=0))
    for split in range(len(shares)):
        excess[split] += counts[placement == split].sum(axis=0)
    return excess


def _place(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    placement = np.full(len(counts), -1)
    excess = _excess(counts, shares, placement)
    for group, count in enumerate(counts):
        split = int(np.argmin(excess @ count))  # the squared error grows by 2 excess.count + count.count
        placement[group] = split
        excess[split] += count
    return placement


def _improve(counts: np.ndarray, shares: np.ndarray, placement: np.ndarray) -> None:
    """Move one group at a time while the squared error falls (it is bounded below, so this ends)."""
    excess = _excess(counts, shares, placement)
    sizes = (counts**2).sum(axis=1)
    rows = np.arange(len(counts))
    while True:
        gain = counts @ excess.T  # (G, S)
        change = 2 * (gain - gain[rows, placement][:, None] + sizes[:, None])
        change[rows, placement] = 0.0
        group, split = np.unravel_index(np.argmin(change), change.shape)
        if change[group, split] > -1e-6:
            return
        excess[placement[group]] -= counts[group]
        excess[split] += counts[group]
        placement[group] = split


def _cover(counts: np.ndarray, shares: np.ndarray, placement: np.ndarray) -> None:
    """Give a split that lacks a class one group of it, from a split that keeps another of each class given away."""
    for column in np.argsort(counts.sum(axis=0), kind="stable"):
        for split in range(len(shares)):
            held = np.stack([(counts[placement == s] > 0).sum(axis=0) for s in range(len(shares))])
            if held[split, column]:
                continue
            spare = [
                group
                for group in np.flatnonzero(counts[:, column])
                if np.all((held[placement[group]] > 1) | (counts[group] == 0))
            ]
            if spare:
                excess = _excess(counts, shares, placement)
                cost = [counts[g] @ (excess[split] - excess[placement[g]] + counts[g]) for g in spare]
                placement[spare[int(np.argmin(cost))]] = split
