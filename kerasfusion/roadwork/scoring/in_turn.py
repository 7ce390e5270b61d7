"""What a validator pays after each answer, in the order in which it asked.

Source: github.com/natixnetwork/streetvision-subnet at 28a1755, natix/validator/reward.py and
miner_performance_tracker.py; its rewrite of May 2026 (5d0756b, natix/validator/scoring/) moved the two files and left
every byte of them as it was. Two windows end at the present answer:

    reward = ((max(MCC of the last 100, 0) + accuracy of the last 10) / 2) ^ 3

A missing answer (-1) pays 0, takes up its place in a window, and is left out of what is counted there. One outside 0..1
pays 0 and stays, rounded. Where one rounds to another number than 0 or 1, or is NaN, scikit-learn refuses the window,
and both numbers of it are 0 until that answer has left. It takes one kind of window all the same: see `_is_taken`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kerasfusion.metrics import classification
from kerasfusion.roadwork.scoring.reward import reward

MCC_WINDOW = 100
ACCURACY_WINDOW = 10
MISSING = -1.0
"""What the validator reads where a miner gave no answer, or none that is a number."""

_INTEGERS = 2.0**63
"""scikit-learn holds floats from here on for a continuous target, and refuses them."""


@dataclass(frozen=True)
class Paid:
    """What a validator works out after each answer; arrays (..., N) float64, each in 0..1.

    Attributes:
        reward: for this answer.
        mcc: of the last 100 answers, floored at 0.
        accuracy: of the last 10.
    """

    reward: np.ndarray
    mcc: np.ndarray
    accuracy: np.ndarray


def pay(labels: ArrayLike, answers: ArrayLike) -> Paid:
    """Score answers in turn, as a validator that knows nothing of the miner before the first.

    Args:
        labels: (..., N) 0 = no roadwork, 1 = roadwork; N answers in their order, leading axes are runs apart.
        answers: (..., N) as the validator received them: P(roadwork), -1 for none, or whatever else was sent.

    Raises:
        ValueError: shapes differ, or a label is neither 0 nor 1.
    """
    labels, answers = np.asarray(labels), np.asarray(answers, dtype=np.float64)
    if labels.shape != answers.shape:
        raise ValueError(f"{labels.shape} labels and {answers.shape} answers")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels are 0 or 1")
    mcc = np.clip(_windows(labels, answers, MCC_WINDOW, classification.mcc), 0.0, 1.0)  # rounding may go beyond 1
    accuracy = _windows(labels, answers, ACCURACY_WINDOW, classification.accuracy)
    in_bounds = (answers >= 0) & (answers <= 1)
    return Paid(np.where(in_bounds, reward(accuracy, mcc), 0.0), mcc, accuracy)


def _windows(labels: np.ndarray, answers: np.ndarray, window: int, metric) -> np.ndarray:
    """(..., N): a metric of the last `window` answers up to and with each."""
    rounded, present = np.round(answers), answers != MISSING
    decision = present & (rounded == 1)
    counted = decision | (present & (rounded == 0))
    cells = np.stack([(labels == i) & (decision == j) & counted for i in (0, 1) for j in (0, 1)], axis=-1)
    values = metric(_sums(cells.astype(np.int64), window).reshape(*labels.shape, 2, 2))
    odd = _sums((present & ~counted).astype(np.int64)[..., None], window)[..., 0] > 0
    if metric is classification.mcc:
        values[odd] = 0.0  # refused, or of one true class
        return values
    for place in zip(*np.nonzero(odd), strict=True):
        values[place] = _of_odd_window(labels[place[:-1]], rounded[place[:-1]], present[place[:-1]], place[-1], window)
    return values


def _of_odd_window(labels: np.ndarray, rounded: np.ndarray, present: np.ndarray, end: int, window: int) -> float:
    """Accuracy where an answer rounds to another number than 0 or 1; 0 if scikit-learn refuses."""
    inside = slice(max(0, end + 1 - window), end + 1)
    kept = present[inside]
    labels, rounded = labels[inside][kept], rounded[inside][kept]
    return float((rounded == 1).mean()) if _is_taken(labels, rounded) else 0.0


def _is_taken(labels: np.ndarray, rounded: np.ndarray) -> bool:
    """Whether scikit-learn's precision takes a window with an odd answer for two classes, of which 1 is one.

    So it does where every photo shows roadwork and all odd answers round to the same whole number, with no 0 among the
    answers: short windows, mostly at the beginning.
    """
    return bool(
        np.isfinite(rounded).all()
        and (np.abs(rounded) < _INTEGERS).all()
        and (labels == 1).all()
        and np.unique(np.append(rounded, 1.0)).size == 2
    )


def _sums(values: np.ndarray, window: int) -> np.ndarray:
    """(..., N, K) -> (..., N, K): entry t is the sum of the last `window` entries up to and with t."""
    sums = np.cumsum(values, axis=-2)
    late = sums.copy()
    late[..., window:, :] -= sums[..., :-window, :]
    return late
