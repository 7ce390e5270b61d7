"""What the streetvision subnet pays for answers, from the code that its validators run.

Source: github.com/natixnetwork/streetvision-subnet, natix/validator/reward.py and miner_performance_tracker.py.
An answer is P(roadwork). The validator rounds it with np.round, which takes 0.5 to the even 0: "roadwork" is p > 0.5.
"""

import numpy as np
from numpy.typing import ArrayLike

from kerasfusion.metrics import classification

REWARD_EXPONENT = 3.0


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
