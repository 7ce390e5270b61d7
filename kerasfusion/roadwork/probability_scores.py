"""How good probabilities are as probabilities, not only which side of 0.5 they lie on."""

import numpy as np

SMALLEST = 1e-30
"""Probabilities below this count as this, so that a sure mistake costs 69 nats and not infinitely many."""

BINS = 15


def negative_log_likelihood(labels: np.ndarray, p: np.ndarray) -> float:
    """Mean of minus the logarithm of the true class's probability, in nats.

    Args:
        labels: (N,) 0 or 1.
        p: (N,) P(roadwork), 0..1.
    """
    of_truth = np.where(labels == 1, p, 1 - p)
    return float(-np.log(np.maximum(of_truth, SMALLEST)).mean())


def brier(labels: np.ndarray, p: np.ndarray) -> float:
    """Mean squared difference of probability and truth, 0..1 (Brier, Monthly Weather Review 78, 1950)."""
    return float(((p - labels) ** 2).mean())


def expected_calibration_error(labels: np.ndarray, p: np.ndarray, bins: int = BINS) -> float:
    """Mean gap between P(roadwork) and the share of roadwork, over bins of equal width, weighted by their photos.

    Guo et al., "On Calibration of Modern Neural Networks" (2017), eq. 3, for P(roadwork) in place of the confidence.
    """
    bin_of = np.minimum((p * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(bin_of, weights=p - labels, minlength=bins)
    return float(np.abs(gaps).sum() / len(p))
