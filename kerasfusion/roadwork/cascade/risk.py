"""How large a share may be of which some photos were seen: tests and bounds that hold for any number of them.

The p-value of Hoeffding and Bentkus: Bates et al., "Distribution-Free, Risk-Controlling Prediction Sets" (arXiv
2101.02703, 2021), section 3.1; Angelopoulos et al., "Learn then Test" (arXiv 2110.01052, 2021), equation 4. Where each
photo counts alike and either changed or not, the binomial itself is exact, and its bound that of Clopper and Pearson
(Biometrika 26, 1934).
"""

import math

import numpy as np

LEVEL = 0.05
"""Of a test; a bound holds with 1 - LEVEL."""


def p_value(losses: np.ndarray, limit: float, weights: np.ndarray | None = None) -> float:
    """How likely such losses, or smaller ones, are where the mean loss of all photos is at least `limit`.

    Args:
        losses: (N,) of each photo, 0..1.
        limit: above 0 and below 1.
        weights: (N,) of mean 1; None: all alike. The mean is the weighed one.
    """
    scaled, largest = _scaled(losses, weights)
    if limit >= largest:
        return 0.0  # no photos have a mean beyond that
    whole = np.isin(scaled, (0, 1)).all()
    return _p(float(scaled.sum()), len(losses), limit / largest, exact=bool(whole))


def upper_bound(losses: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The largest mean loss that `p_value` does not rule out at LEVEL: the upper end of a one-sided 95 % interval."""
    _, largest = _scaled(losses, weights)
    low, high = 0.0, min(1.0, largest)
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(losses, middle, weights) > LEVEL else (low, middle)
    return high


def photos_needed(rate: float, limit: float, largest: float = 1.0) -> int | None:
    """How many photos would show that less than `limit` is lost, if they lose as much as `rate`.

    Args:
        rate: mean loss, 0..1.
        limit: as for `p_value`.
        largest: the largest weight of a photo.

    Returns:
        The smallest number; None where none would do, since the rate is not below the limit.
    """
    if rate >= limit:
        return None

    def enough(count: int) -> bool:
        return _p(count * rate / largest, count, limit / largest, exact=rate == 0) <= LEVEL

    high = 1
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _scaled(losses: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, float]:
    """Weighed losses brought back to 0..1, and the largest weight by which they were divided."""
    if weights is None or np.ptp(weights) < 1e-6:
        return losses, 1.0
    largest = float(weights.max())
    return losses * weights / largest, largest


def _p(total: float, count: int, limit: float, exact: bool) -> float:
    at_most = math.floor(total + 1e-9) if exact else math.ceil(total - 1e-9)
    tail = _binomial_tail(at_most, count, limit)
    if exact:
        return tail
    mean = min(total / count, limit)
    hoeffding = math.exp(-count * _relative_entropy(mean, limit))
    return min(1.0, hoeffding, math.e * tail)


def _relative_entropy(a: float, b: float) -> float:
    """Of two coins, nats."""
    heads = a * math.log(a / b) if a > 0 else 0.0
    tails = (1 - a) * math.log((1 - a) / (1 - b)) if a < 1 else 0.0
    return heads + tails


def _binomial_tail(at_most: int, count: int, p: float) -> float:
    """P(at most so many heads of `count` tosses)."""
    if at_most >= count:
        return 1.0
    heads = np.arange(at_most + 1)
    ways = math.lgamma(count + 1) - np.array([math.lgamma(k + 1) + math.lgamma(count - k + 1) for k in heads])
    return float(np.exp(ways + heads * math.log(p) + (count - heads) * math.log1p(-p)).sum())
