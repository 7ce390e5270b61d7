"""What another threshold than the subnet's 0.5 would have given."""

import numpy as np
from numpy.typing import ArrayLike

from kerasfusion.metrics import classification


def mcc_by_threshold(
    labels: ArrayLike, p: ArrayLike, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """MCC for every threshold: a step function, because it only changes where a photo's answer lies.

    Args:
        labels: (N,) 0 or 1.
        p: (N,) P(roadwork), 0..1; a photo is roadwork if its p is above the threshold.
        weights: (N,) how much each photo counts; None: all alike.

    Returns:
        (K,) rising thresholds from 0, and (K,) the MCC from each up to the next, the last one up to 1.
    """
    labels, p = np.asarray(labels), np.asarray(p, dtype=np.float64)
    counts = np.ones(labels.size, np.int64) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(p, kind="stable")
    thresholds = np.unique(np.append(0.0, p))
    not_above = np.searchsorted(p[order], thresholds, side="right")
    false_negatives, true_negatives = (
        np.append(0, np.cumsum((counts * of_class)[order]))[not_above] for of_class in (labels, 1 - labels)
    )
    positives = (counts * labels).sum()
    false_positives = (counts * (1 - labels)).sum() - true_negatives
    cells = np.stack([true_negatives, false_positives, false_negatives, positives - false_negatives], axis=-1)
    return thresholds, classification.mcc(cells.reshape(-1, 2, 2))
