"""What another threshold than the subnet's 0.5 would have given."""

import numpy as np
from numpy.typing import ArrayLike

from kerasfusion.metrics import classification


def mcc_by_threshold(labels: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """MCC for every threshold: a step function, because it only changes where a photo's answer lies.

    Args:
        labels: (N,) 0 or 1.
        p: (N,) P(roadwork), 0..1; a photo is roadwork if its p is above the threshold.

    Returns:
        (K,) rising thresholds from 0, and (K,) the MCC from each up to the next, the last one up to 1.
    """
    labels, p = np.asarray(labels), np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    thresholds = np.unique(np.append(0.0, p))
    not_above = np.searchsorted(p[order], thresholds, side="right")
    false_negatives = np.append(0, np.cumsum(labels[order]))[not_above]
    positives = labels.sum()
    true_negatives = not_above - false_negatives
    false_positives = labels.size - positives - true_negatives
    cells = np.stack([true_negatives, false_positives, false_negatives, positives - false_negatives], axis=-1)
    return thresholds, classification.mcc(cells.reshape(-1, 2, 2))
