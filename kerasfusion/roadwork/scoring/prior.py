"""Labelled photos weighed to the share of roadwork among those that will be asked about."""

import numpy as np


def prior_weights(prior: float | None, labels: np.ndarray) -> np.ndarray:
    """What each class weighs so that roadwork has the share `prior`; None leaves the shares as they are.

    Args:
        prior: above 0 and below 1.
        labels: (N,) 0 or 1, both present.

    Returns:
        (2,) float32, of mean 1 over the labels.
    """
    if prior is None:
        return np.ones(2, np.float32)
    shares = np.bincount(labels, minlength=2) / len(labels)
    return (np.array([1 - prior, prior]) / shares).astype(np.float32)
