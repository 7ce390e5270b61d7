"""Temperature and threshold of a fusion, fitted on labelled photos.

The subnet's validators round at 0.5, so the best cut has to lie there:

    calibrated = sigmoid((logit(p) - logit(threshold)) / temperature)

It rises with p, so the order of photos, and with it the ROC curve, stays as it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kerasfusion.metrics import classification
from kerasfusion.roadwork.scoring.prior import prior_weights
from kerasfusion.roadwork.scoring.probability_scores import negative_log_likelihood
from kerasfusion.roadwork.scoring.reward import decide
from kerasfusion.roadwork.scoring.thresholds import mcc_by_threshold

MIN_PER_CLASS = 30
"""Photos of each class that a fit needs, those that belong together counting as one: with 30, some 11 of a class are
left out of each resample to judge it by, and one photo is 3 % of its class."""

TEMPERATURES = (0.25, 10.0)
"""What a temperature may be. Photos without a mistake would draw it to 0, answers at random to infinity: neither says
how sure the model may be of other photos."""

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Labels, logits or probabilities, and weights: (R,) each, a row a view."""

RESAMPLES = 1000
QUANTILE = 0.05


@dataclass(frozen=True)
class Calibration:
    """What was fitted. Neither number is used unless it does better on photos that it was not fitted on.

    Attributes:
        best_temperature: divides the logits; None if these photos have it beyond TEMPERATURES.
        nll_gain: (5 % quantile, median) of the negative log-likelihood that a temperature saved on left-out photos.
        best_logit: the logit of P(roadwork) with the highest MCC on these photos when it is the threshold.
        mcc_gain: (5 % quantile, median) of what a moved threshold gained on left-out photos.
    """

    best_temperature: float | None
    nll_gain: tuple[float, float]
    best_logit: float
    mcc_gain: tuple[float, float]

    @property
    def temperature_fitted(self) -> bool:
        """Whether a temperature pays."""
        return self.best_temperature is not None and self.nll_gain[0] > 0

    @property
    def temperature(self) -> float:
        """What the logits are divided by; 1 leaves them."""
        return self.best_temperature if self.temperature_fitted else 1.0

    @property
    def threshold_moved(self) -> bool:
        """Whether moving the threshold pays."""
        return self.mcc_gain[0] > 0

    @property
    def threshold_logit(self) -> float:
        """The logit that becomes 0, which is a P(roadwork) of 0.5."""
        return self.best_logit if self.threshold_moved else 0.0

    def answers(self, logits: np.ndarray) -> np.ndarray:
        """P(roadwork) after calibration, of logits before it."""
        return sigmoid((logits - self.threshold_logit) / self.temperature)


def fit(
    labels: np.ndarray,
    logits: np.ndarray,
    prior: float | None = None,
    seed: int = 42,
    groups: Sequence | None = None,
) -> Calibration:
    """Fit temperature and threshold.

    Each is only used if that pays on photos that were left out when it was chosen: in 1000 stratified resamples, the
    5 % quantile of the gain (in negative log-likelihood, in MCC) has to be above 0. The views of a photo, and the
    photos of a group, are left out together.

    Args:
        labels: (N,) 0 or 1, both present.
        logits: (N, V) log of P(roadwork) over P(no roadwork) of each photo's views, finite.
        prior: share of roadwork that the photos are weighed to; None leaves it as it is.
        seed: of the resamples.
        groups: (N,) ids of photos that belong together (copies, one drive, one place); None: each for itself.
    """
    temperature = fit_temperature(*flat(labels, logits, prior))
    scale = temperature or 1.0
    p = sigmoid(logits / scale)
    threshold, _ = best_threshold(*flat(labels, p, prior))
    bags = [
        [(labels[photos], logits[photos], p[photos]) for photos in bag_and_rest]
        for bag_and_rest in _resamples(labels, groups, seed)
    ]
    saved = [_saved(*(flat(truth, said, prior) for truth, said, _ in each)) for each in bags]
    gained = [_gained(*(flat(truth, said, prior) for truth, _, said in each)) for each in bags]
    return Calibration(temperature, _low_and_middle(saved), scale * _logit(threshold), _low_and_middle(gained))


def flat(labels: np.ndarray, values: np.ndarray, prior: float | None) -> Rows:
    """A row a view: labels, values and how much each counts.

    Args:
        labels: (N,) 0 or 1.
        values: (N, V).
        prior: as `fit` takes it.
    """
    rows = np.repeat(labels, values.shape[1])
    return rows, values.ravel(), prior_weights(prior, labels)[rows]


def fit_temperature(labels: np.ndarray, logits: np.ndarray, weights: np.ndarray | None = None) -> float | None:
    """The temperature with the smallest negative log-likelihood; None if it is not within TEMPERATURES.

    Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599, 2017), section 4.2. The likelihood is
    concave in 1 / temperature, so that halving the interval in which its slope changes sign finds the one optimum.
    """

    def slope(temperature: float) -> float:
        return float(np.average((sigmoid(logits / temperature) - labels) * logits, weights=weights))

    low, high = TEMPERATURES
    if slope(low) <= 0 or slope(high) >= 0:
        return None
    while high / low > 1 + 1e-7:
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return float(np.sqrt(low * high))


def best_threshold(labels: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Where to cut for the highest MCC: the middle between two neighbouring answers; of equally good ones that nearest
    to 0.5.

    Returns:
        (threshold, MCC); 0.5 if all answers are the same.
    """
    thresholds, values = mcc_by_threshold(labels, p, weights)
    inside = (thresholds >= p.min()) & (thresholds < p.max())  # answers on both sides
    if not inside.any():
        return 0.5, 0.0
    best = values[inside].max()
    (plateaus,) = np.nonzero(inside & (values >= best - 1e-12))
    middles = (thresholds[plateaus] + thresholds[plateaus + 1]) / 2
    return float(middles[np.argmin(np.abs(middles - 0.5))]), float(best)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logits)) without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(logits, dtype=np.float64)))


def _logit(p: float) -> float:
    """log(p / (1 - p)); a p that float64 rounded to 1 counts as the largest number below."""
    p = min(p, float(np.nextafter(1.0, 0.0)))
    return float(np.log(p) - np.log1p(-p))


def _resamples(labels: np.ndarray, groups: Sequence | None, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Photos drawn with replacement, whole groups of each class (and of both) by themselves, and the photos left out.

    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 17.
    """
    rng = np.random.default_rng(seed)
    group_of = np.arange(labels.size) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(group_of)
    members = np.split(np.argsort(group_of, kind="stable"), np.cumsum(sizes)[:-1])
    roadwork = np.bincount(group_of, labels)
    strata = [np.flatnonzero(each) for each in (roadwork == 0, roadwork == sizes, (roadwork > 0) & (roadwork < sizes))]
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rng.choice(stratum, stratum.size) for stratum in strata if stratum.size])
        bag = drawn if groups is None else np.concatenate([members[group] for group in drawn])
        is_left_out = np.ones(sizes.size, bool)
        is_left_out[drawn] = False
        yield bag, np.flatnonzero(is_left_out[group_of])


def _saved(bag: Rows, rest: Rows) -> float:
    """Negative log-likelihood on `rest` that the temperature of `bag` saves."""
    temperature = fit_temperature(*bag) or 1.0
    labels, logits, weights = rest
    still, scaled = (negative_log_likelihood(labels, sigmoid(logits / each), weights) for each in (1.0, temperature))
    return still - scaled


def _gained(bag: Rows, rest: Rows) -> float:
    """MCC on `rest` that the threshold of `bag` gains over 0.5."""
    threshold, _ = best_threshold(*bag)
    labels, p, weights = rest
    return _mcc(labels, p > threshold, weights) - _mcc(labels, decide(p), weights)


def _low_and_middle(gains: list[float]) -> tuple[float, float]:
    low, middle = np.quantile(gains, (QUANTILE, 0.5))
    return float(low), float(middle)


def _mcc(labels: np.ndarray, decisions: np.ndarray, weights: np.ndarray) -> float:
    per_row = classification.confusion_per_sample(labels, decisions, n_classes=2)
    return float(classification.mcc(np.tensordot(weights, per_row, 1)))
