"""How good probabilities are as probabilities, not only which side of 0.5 they lie on."""

import numpy as np

SMALLEST = 1e-30
"""Probabilities below this count as this, so that a sure mistake costs 69 nats and not infinitely many."""


def negative_log_likelihood(labels: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean of minus the logarithm of the true class's probability, in nats.

    Args:
        labels: (N,) 0 or 1.
        p: (N,) P(roadwork), 0..1.
        weights: (N,) how much each counts; None: all alike.
    """
    of_truth = np.where(labels == 1, p, 1 - p)
    return float(-np.average(np.log(np.maximum(of_truth, SMALLEST)), weights=weights))


def brier(labels: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean squared difference of probability and truth, 0..1 (Brier, Monthly Weather Review 78, 1950); arguments as for
    `negative_log_likelihood`."""
    return float(np.average((p - labels) ** 2, weights=weights))
