"""What the streetvision subnet pays for answers, from the code that its validators run.

Source: github.com/natixnetwork/streetvision-subnet, natix/validator/reward.py and miner_performance_tracker.py.
An answer is P(roadwork). The validator rounds it with np.round, which takes 0.5 to the even 0: "roadwork" is p > 0.5.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from kerasfusion.metrics import classification

REWARD_EXPONENT = 3.0
MCC_WINDOW = 100
ACCURACY_WINDOW = 10


def clean_answers(p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Replace answers that are missing (NaN, None) or outside 0..1 by 0.0.

    Args:
        p: (N,) P(roadwork) as a miner gave it.

    Returns:
        (N,) float64 answers in 0..1, and (N,) bool: was the answer valid?
    """
    answers = np.asarray(p, dtype=np.float64)
    valid = (answers >= 0.0) & (answers <= 1.0)
    return np.where(valid, answers, 0.0), valid


def decide(answers: np.ndarray) -> np.ndarray:
    """(N,) P(roadwork) -> (N,) int64, 1 = roadwork. Exactly 0.5 is 0, as np.round has it."""
    return (answers > 0.5).astype(np.int64)


def reward_raw(accuracy: ArrayLike, mcc: ArrayLike) -> np.ndarray:
    """(MCC + accuracy) / 2, elementwise: in -0.5..1, without floor and curve."""
    return (np.asarray(mcc) + np.asarray(accuracy)) / 2


def reward(accuracy: ArrayLike, mcc: ArrayLike) -> np.ndarray:
    """((max(MCC, 0) + accuracy) / 2)^3, elementwise: in 0..1, what a validator computes of its two windows."""
    return reward_raw(accuracy, np.maximum(mcc, 0.0)) ** REWARD_EXPONENT


def metrics_of(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """All metrics that follow from (..., 2, 2) confusion matrices (rows = truth), each of shape (...)."""
    accuracy, mcc = classification.accuracy(matrices), classification.mcc(matrices)
    return {
        "accuracy": accuracy,
        "mcc": mcc,
        "reward_raw": reward_raw(accuracy, mcc),
        "reward": reward(accuracy, mcc),
        "precision": classification.precision(matrices),
        "recall": classification.recall(matrices),
        "f1": classification.f1(matrices),
    }


def binary_report(labels: ArrayLike, p: ArrayLike) -> dict[str, object]:
    """Every metric of one output on one split, ready for JSON.

    Args:
        labels: (N,) 0 = no roadwork, 1 = roadwork.
        p: (N,) P(roadwork); a missing or impossible answer counts as 0.0 and lowers n_valid.

    Returns:
        accuracy, mcc, reward_raw, reward, precision, recall, f1, roc_auc (None with one class only), n, n_valid,
        confusion_matrix ([[true negatives, false positives], [false negatives, true positives]]).

    Raises:
        ValueError: no samples, different lengths, or labels other than 0 and 1.
    """
    answers, valid = clean_answers(p)
    if not answers.size:
        raise ValueError("a report needs at least one sample")
    matrix = classification.confusion_matrix(labels, decide(answers), n_classes=2)
    auc = float(classification.roc_auc(labels, answers))
    return {
        **{name: float(value) for name, value in metrics_of(matrix).items()},
        "roc_auc": None if np.isnan(auc) else auc,
        "n": int(answers.size),
        "n_valid": int(valid.sum()),
        "confusion_matrix": matrix.tolist(),
    }


def moving_view(
    sample_ids: Sequence[str],
    labels: ArrayLike,
    p: ArrayLike,
    mcc_window: int = MCC_WINDOW,
    accuracy_window: int = ACCURACY_WINDOW,
) -> dict[str, object]:
    """The reward after each answer, if the photos were asked one by one in sample_id order.

    A window that is not full yet uses what there is. A step whose own answer is missing or outside 0..1 pays 0, as in
    the subnet; in later windows such an answer stays as 0.0 (the subnet leaves a missing one, -1, out of them).

    Args:
        sample_ids: N ids.
        labels: (N,) 0 or 1.
        p: (N,) P(roadwork).
        mcc_window, accuracy_window: how many of the last answers count, at least 1.

    Returns:
        "sample_ids" (list of N, sorted), "mcc" (floored at 0), "accuracy", "reward": (N,) float64 in that order;
        "final_reward" and "mean_reward": float.
    """
    order = np.array(sorted(range(len(sample_ids)), key=sample_ids.__getitem__), dtype=np.int64)
    answers, valid = clean_answers(p)
    labels, answers, valid = np.asarray(labels)[order], answers[order], valid[order]
    matrices = classification.confusion_per_sample(labels, decide(answers), n_classes=2)
    mcc = np.maximum(classification.mcc(_window_sums(matrices, mcc_window)), 0.0)
    accuracy = classification.accuracy(_window_sums(matrices, accuracy_window))
    rewards = np.where(valid, reward(accuracy, mcc), 0.0)
    return {
        "sample_ids": [sample_ids[i] for i in order],
        "mcc": mcc,
        "accuracy": accuracy,
        "reward": rewards,
        "final_reward": float(rewards[-1]),
        "mean_reward": float(rewards.mean()),
    }


def _window_sums(values: np.ndarray, window: int) -> np.ndarray:
    """(N, ...) -> (N, ...): entry t is the sum of the last `window` entries up to and with t."""
    sums = np.cumsum(values, axis=0)
    sums[window:] -= sums[:-window].copy()
    return sums
