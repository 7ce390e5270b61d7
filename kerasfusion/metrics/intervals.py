"""How sure a measured value is: bootstrap intervals, paired differences and McNemar's test.

A statistic here is a function of weights (R, N): how often each of N samples counts in each of R resamples. It returns
(R, ...). Counts need only `np.tensordot(weights, counts_per_sample, 1)`, so that no resample is looped over.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
# Weights of one chunk: 4 million float64 are 32 MB, whatever N and the number of resamples.
CHUNK_WEIGHTS = 4_000_000


def resample_weights(
    n_samples: int, groups: ArrayLike | None = None, n_resamples: int = 2000, seed: int = 42
) -> Iterator[np.ndarray]:
    """Draw samples (or whole groups) with replacement, as many as there are.

    Args:
        n_samples: N, at least 1.
        groups: (N,) group ids; samples with the same id are drawn together. None: each sample alone.
        n_resamples: how many resamples in total.
        seed: the same seed gives the same resamples, however they are split into chunks.

    Yields:
        (R, N) float64 counts, chunk by chunk.

    Raises:
        ValueError: no samples, or `groups` of another length.
    """
    if n_samples < 1:
        raise ValueError("a bootstrap needs at least one sample")
    unit_of_sample = np.arange(n_samples) if groups is None else _group_indices(groups, n_samples)
    n_units = int(unit_of_sample.max()) + 1
    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK_WEIGHTS // n_samples)
    for start in range(0, n_resamples, chunk):
        rows = min(chunk, n_resamples - start)
        drawn = rng.integers(0, n_units, (rows, n_units)) + np.arange(rows)[:, None] * n_units
        counts = np.bincount(drawn.ravel(), minlength=rows * n_units).reshape(rows, n_units)
        yield (counts if groups is None else counts[:, unit_of_sample]).astype(np.float64)


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    n_samples: int,
    groups: ArrayLike | None = None,
    n_resamples: int = 2000,
    seed: int = 42,
) -> np.ndarray:
    """The statistic's value on every resample; arguments as for `resample_weights`.

    Two calls with the same N, groups and seed see the same resamples, so that their results are paired.

    Returns:
        (n_resamples, ...) float64, NaN where a resample leaves the statistic undefined.
    """
    return np.concatenate([statistic(w) for w in resample_weights(n_samples, groups, n_resamples, seed)])


def bootstrap_ci(distribution: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval (low, high) of a bootstrapped value.

    Percentile bootstrap: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. When every
    resample has the same value (no mistakes at all, a single group), the interval has no width: it says nothing then.

    Args:
        distribution: (R,) values from `bootstrap`; NaN (undefined) ones are left out, and if all are, so is the result.
    """
    defined = distribution[~np.isnan(distribution)]
    if not defined.size:
        return (float("nan"), float("nan"))
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(defined, [tail, 100 - tail])
    return (float(low), float(high))


def paired_difference(distribution_a: np.ndarray, distribution_b: np.ndarray) -> tuple[float, float]:
    """95 % interval (low, high) of value A minus value B, both (R,) and measured on the same resamples.

    The pairing matters: two models fail on much the same samples, so the difference is surer than either value.
    """
    if distribution_a.shape != distribution_b.shape:
        raise ValueError(f"not the same resamples: {distribution_a.shape} and {distribution_b.shape}")
    return bootstrap_ci(distribution_a - distribution_b)


def mcnemar(
    labels: ArrayLike, predictions_a: ArrayLike, predictions_b: ArrayLike, groups: ArrayLike | None = None
) -> dict[str, int | float]:
    """McNemar's exact test: are A and B right equally often? (Psychometrika 12, 1947; two-sided, binomial.)

    With groups, whose samples are not independent, it is the exact sign-flip test of how many more samples of a group A
    has right than B (Fisher, The Design of Experiments, 1935): the same where every group has one sample.

    Args:
        labels, predictions_a, predictions_b: (N,) class indices.
        groups: (N,) ids of samples that belong together; None: each for itself.

    Returns:
        {"b": samples that only A has right, "c": samples that only B has right, "p": p-value, 1 when b = c}.
    """
    labels, predictions_a, predictions_b = map(np.asarray, (labels, predictions_a, predictions_b))
    right_a, right_b = predictions_a == labels, predictions_b == labels
    b, c = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    if groups is None:
        return {"b": b, "c": c, "p": _fair_coin_p(min(b, c), b + c)}
    net = np.bincount(_group_indices(groups, len(labels)), right_a.astype(int) - right_b)
    return {"b": b, "c": c, "p": _sign_flip_p(net.astype(int))}


def verdict(difference_ci: tuple[float, float], test: dict[str, int | float]) -> str:
    """What may be said of A against B: "better", "worse" or "no clear difference".

    Args:
        difference_ci: `paired_difference` of A and B in the value that counts.
        test: `mcnemar` of A and B. Both must point the same way, and p be under 0.05.
    """
    low, high = difference_ci
    significant = test["p"] < SIGNIFICANCE
    if low > 0 and significant and test["b"] > test["c"]:
        return "better"
    if high < 0 and significant and test["b"] < test["c"]:
        return "worse"
    return "no clear difference"


def _group_indices(groups: ArrayLike, n_samples: int) -> np.ndarray:
    groups = np.asarray(groups)
    if groups.shape != (n_samples,):
        raise ValueError(f"expected {n_samples} group ids, got shape {groups.shape}")
    return np.unique(groups, return_inverse=True)[1]


def _fair_coin_p(fewer: int, tosses: int) -> float:
    """Two-sided p of `fewer` heads; whole numbers, because 2**-tosses underflows a float from 1075 tosses on."""
    ways = term = 1
    for k in range(fewer):
        term = term * (tosses - k) // (k + 1)
        ways += term
    return min(1.0, 2 * ways / 2**tosses)


def _sign_flip_p(values: np.ndarray) -> float:
    """Two-sided p of a sum of whole numbers whose signs are as likely as their opposites; at least 1e-12.

    The chances of all sums come from their characteristic function, a product of cosines: work that grows with the
    largest sum, not with its square.
    """
    sizes, counts = np.unique(np.abs(values), return_counts=True)
    reach = int(sizes @ counts)
    angles = 2 * np.pi * np.arange(2 * reach + 1) / (2 * reach + 1)
    characteristic = np.prod(
        [np.cos(size * angles) ** count for size, count in zip(sizes, counts, strict=True)], axis=0
    )
    chances = np.fft.fft(characteristic).real / len(angles)  # of 0, 1, ... reach, -reach, ... -1
    sums = np.minimum(np.arange(len(angles)), np.arange(len(angles), 0, -1))
    return float(np.clip(chances[sums >= abs(values.sum())].sum(), 1e-12, 1))
