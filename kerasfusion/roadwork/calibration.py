"""Temperature and threshold of a fusion, fitted on labelled photos.

The subnet's validators round at 0.5, so the best cut has to lie there:

    calibrated = sigmoid((logit(p) - logit(threshold)) / temperature)

It rises with p, so the order of photos, and with it the ROC curve, stays as it is.
"""

from dataclasses import dataclass

import numpy as np

from kerasfusion import metrics
from kerasfusion.roadwork.reward import decide
from kerasfusion.roadwork.thresholds import mcc_by_threshold

MIN_PER_CLASS = 30
"""Photos of each class that a fit needs: with 30, some 11 of a class are left out of each resample to judge it by, and
one photo is 3 % of its class."""

TEMPERATURES = (0.25, 10.0)
"""What a temperature may be. Photos without a mistake would draw it to 0, answers at random to infinity: neither says
how sure the model may be of other photos."""

RESAMPLES = 1000
QUANTILE = 0.05


@dataclass(frozen=True)
class Calibration:
    """What was fitted.

    Attributes:
        temperature: divides the logits; None if these photos have it beyond TEMPERATURES.
        best_logit: the logit of P(roadwork) with the highest MCC on these photos when it is the threshold.
        mcc_gain: (5 % quantile, median) of what a moved threshold gained on photos that it was not fitted on.
    """

    temperature: float | None
    best_logit: float
    mcc_gain: tuple[float, float]

    @property
    def threshold_moved(self) -> bool:
        """Whether moving the threshold pays."""
        return self.mcc_gain[0] > 0

    @property
    def threshold_logit(self) -> float:
        """The logit that becomes 0, which is a P(roadwork) of 0.5."""
        return self.best_logit if self.threshold_moved else 0.0


def fit(labels: np.ndarray, logits: np.ndarray, seed: int = 42) -> Calibration:
    """Fit temperature and threshold.

    The threshold is only moved if that pays on photos that were left out when it was chosen: in 1000 stratified
    resamples, the 5 % quantile of the gain in MCC has to be above 0.

    Args:
        labels: (N,) 0 or 1, both present.
        logits: (N,) log of P(roadwork) over P(no roadwork), finite.
        seed: of the resamples.
    """
    temperature = fit_temperature(labels, logits)
    scale = temperature or 1.0
    p = sigmoid(logits / scale)
    threshold, _ = best_threshold(labels, p)
    gain = np.quantile(out_of_bag_gains(labels, p, seed), (QUANTILE, 0.5))
    return Calibration(temperature, scale * _logit(threshold), tuple(gain.tolist()))


def fit_temperature(labels: np.ndarray, logits: np.ndarray) -> float | None:
    """The temperature with the smallest negative log-likelihood; None if it is not within TEMPERATURES.

    Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599, 2017), section 4.2. The likelihood is
    concave in 1 / temperature, so that halving the interval in which its slope changes sign finds the one optimum.
    """

    def slope(temperature: float) -> float:
        return float(((sigmoid(logits / temperature) - labels) * logits).mean())

    low, high = TEMPERATURES
    if slope(low) <= 0 or slope(high) >= 0:
        return None
    while high / low > 1 + 1e-9:
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return float(np.sqrt(low * high))


def best_threshold(labels: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Where to cut for the highest MCC: the middle between two neighbouring answers; of equally good ones that nearest
    to 0.5.

    Returns:
        (threshold, MCC); 0.5 if all answers are the same.
    """
    thresholds, values = mcc_by_threshold(labels, p)
    inside = (thresholds >= p.min()) & (thresholds < p.max())  # answers on both sides
    if not inside.any():
        return 0.5, 0.0
    best = values[inside].max()
    (plateaus,) = np.nonzero(inside & (values >= best - 1e-12))
    middles = (thresholds[plateaus] + thresholds[plateaus + 1]) / 2
    return float(middles[np.argmin(np.abs(middles - 0.5))]), float(best)


def out_of_bag_gains(labels: np.ndarray, p: np.ndarray, seed: int, n_resamples: int = RESAMPLES) -> np.ndarray:
    """What a threshold that is chosen on a resample gains over 0.5 on the photos that the resample left out.

    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 17; each class is resampled by itself.

    Returns:
        (n_resamples,) differences in MCC.
    """
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == each) for each in (0, 1)]
    gains = np.empty(n_resamples)
    for number in range(n_resamples):
        bag = np.concatenate([rng.choice(rows, rows.size) for rows in classes])
        threshold, _ = best_threshold(labels[bag], p[bag])
        rest = np.setdiff1d(np.arange(labels.size), bag)
        moved, still = (_mcc(labels[rest], decision) for decision in (p[rest] > threshold, decide(p[rest])))
        gains[number] = moved - still
    return gains


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logits)) without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(logits, dtype=np.float64)))


def _logit(p: float) -> float:
    """log(p / (1 - p)); a p that float64 rounded to 1 counts as the largest number below."""
    p = min(p, float(np.nextafter(1.0, 0.0)))
    return float(np.log(p) - np.log1p(-p))


def _mcc(labels: np.ndarray, decisions: np.ndarray) -> float:
    return float(metrics.mcc(metrics.confusion_matrix(labels, decisions, n_classes=2)))
