"""Classification metrics in NumPy, over one confusion matrix or a stack of them.

The functions that take `matrices` accept shape (..., C, C): rows are the truth, columns the predictions, entries
are counts. Counts add up, so a metric of summed matrices equals the metric of all samples at once, however they were
batched, and 2000 bootstrap resamples are one call.
"""

import numpy as np
from numpy.typing import ArrayLike


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> np.ndarray:
    """Count the samples of each pair (true class, predicted class).

    Args:
        labels: (N,) integers in 0..n_classes-1, the truth.
        predictions: (N,) integers in 0..n_classes-1.
        n_classes: C.

    Returns:
        (C, C) int64, rows are the truth.

    Raises:
        ValueError: different lengths, values that are not integers, or values outside 0..n_classes-1.
    """
    cells = _cells(labels, predictions, n_classes)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def confusion_per_sample(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> np.ndarray:
    """As `confusion_matrix`, one matrix per sample: (N, C, C) int64 with a single 1 each.

    With weights (R, N), `np.tensordot(weights, per_sample, 1)` is the stack (R, C, C) of R resamples.
    """
    cells = _cells(labels, predictions, n_classes)
    return np.eye(n_classes**2, dtype=np.int64)[cells].reshape(-1, n_classes, n_classes)


def accuracy(matrices: np.ndarray) -> np.ndarray:
    """Share of right predictions, 0..1, shape (...); 0 for an empty matrix."""
    return _ratio(_trace(matrices), matrices.sum(axis=(-2, -1)))


def balanced_accuracy(matrices: np.ndarray) -> np.ndarray:
    """Mean recall of the classes that occur in the truth, 0..1, shape (...)."""
    support = matrices.sum(axis=-1)
    recalls = _ratio(np.diagonal(matrices, axis1=-2, axis2=-1), support)
    return _ratio(recalls.sum(axis=-1), (support > 0).sum(axis=-1))


def mcc(matrices: np.ndarray) -> np.ndarray:
    """Matthews correlation coefficient, -1..1, shape (...); 0 where the truth or the predictions are one class.

    For C > 2 this is R_K of Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient",
    Comput. Biol. Chem. 28 (2004), eq. 8; for C = 2 it equals Matthews' formula and Pearson's correlation of the two 0/1
    vectors.
    """
    matrices = np.asarray(matrices, dtype=np.float64)
    truth, predicted = matrices.sum(axis=-1), matrices.sum(axis=-2)
    total = truth.sum(axis=-1)
    covariance = _trace(matrices) * total - (truth * predicted).sum(axis=-1)
    truth_variance = total**2 - (truth**2).sum(axis=-1)
    predicted_variance = total**2 - (predicted**2).sum(axis=-1)
    return _ratio(covariance, np.sqrt(truth_variance) * np.sqrt(predicted_variance))


def precision(matrices: np.ndarray, positive: int = 1) -> np.ndarray:
    """Share of the predictions of class `positive` that are right, 0..1, shape (...); 0 where there are none."""
    return _ratio(matrices[..., positive, positive], matrices[..., :, positive].sum(axis=-1))


def recall(matrices: np.ndarray, positive: int = 1) -> np.ndarray:
    """Share of the true samples of class `positive` that are found, 0..1, shape (...); 0 where there are none."""
    return _ratio(matrices[..., positive, positive], matrices[..., positive, :].sum(axis=-1))


def f1(matrices: np.ndarray, positive: int = 1) -> np.ndarray:
    """Harmonic mean of precision and recall of class `positive`, 0..1, shape (...); 0 where it never occurs."""
    hits = matrices[..., positive, positive]
    return _ratio(2 * hits, matrices[..., :, positive].sum(axis=-1) + matrices[..., positive, :].sum(axis=-1))


def macro_f1(matrices: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes that occur in truth or predictions, 0..1, shape (...); 0 for an empty matrix."""
    return np.nan_to_num(mean_of_defined(dice(matrices)))


def weighted_f1(matrices: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes, each weighted by its true samples, 0..1, shape (...); 0 for an empty matrix."""
    support = matrices.sum(axis=-1)
    return _ratio((support * np.nan_to_num(dice(matrices))).sum(axis=-1), support.sum(axis=-1))


def cohen_kappa(matrices: np.ndarray) -> np.ndarray:
    """Agreement beyond chance, -1..1, shape (...); NaN where chance agrees always (one class in both, or no samples).

    Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20 (1960), eq. 1.
    """
    matrices = np.asarray(matrices, dtype=np.float64)
    total = matrices.sum(axis=(-2, -1))
    by_chance = (matrices.sum(axis=-1) * matrices.sum(axis=-2)).sum(axis=-1)
    return _ratio(_trace(matrices) * total - by_chance, total**2 - by_chance, otherwise=np.nan)


def iou(matrices: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, 0..1, shape (..., C); NaN where neither truth nor predictions have it."""
    hits, either = _hits_and_sizes(matrices)
    return _ratio(hits, either - hits, otherwise=np.nan)


def dice(matrices: np.ndarray) -> np.ndarray:
    """Dice coefficient (which is F1) of each class, 0..1, shape (..., C); NaN as for `iou`."""
    hits, sizes = _hits_and_sizes(matrices)
    return _ratio(2 * hits, sizes, otherwise=np.nan)


def mean_of_defined(values: ArrayLike) -> np.ndarray:
    """Mean over the last axis of the values that are not NaN; NaN where there are none."""
    values = np.asarray(values, dtype=np.float64)
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1), otherwise=np.nan)


def roc_auc(labels: ArrayLike, scores: ArrayLike, weights: np.ndarray | None = None) -> np.ndarray:
    """Chance that a positive sample scores higher than a negative one (Mann-Whitney U); a tie counts half.

    Args:
        labels: (N,) 0 or 1.
        scores: (N,) finite, higher = more likely positive.
        weights: (..., N) how often each sample counts; None for once each.

    Returns:
        (...) float64 in 0..1; NaN where only one class has weight.
    """
    labels, scores = _class_indices(labels, 2), np.asarray(scores, dtype=np.float64)
    weights = np.ones(labels.size) if weights is None else weights
    negatives, positives = np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)
    negatives = negatives[np.argsort(scores[negatives])]
    below = np.zeros((*weights.shape[:-1], negatives.size + 1))
    np.cumsum(weights[..., negatives], axis=-1, out=below[..., 1:])
    lower = np.searchsorted(scores[negatives], scores[positives], side="left")
    not_higher = np.searchsorted(scores[negatives], scores[positives], side="right")
    positive_weights = weights[..., positives]
    wins = (positive_weights * (below[..., lower] + below[..., not_higher])).sum(axis=-1) / 2
    return _ratio(wins, positive_weights.sum(axis=-1) * below[..., -1], otherwise=np.nan)


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Points of the ROC curve, one per distinct score, from (0, 0) to (1, 1).

    Returns:
        (K,) false positive rates and (K,) true positive rates, both rising; a rate without samples is 0.
    """
    hits, alarms = _counts_at_thresholds(labels, scores)
    return _ratio(alarms, alarms[-1]), _ratio(hits, hits[-1])


def precision_recall_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Points of the precision-recall curve, one per distinct score, from the highest threshold to the lowest.

    Returns:
        (K,) recalls, rising, and (K,) precisions.
    """
    hits, alarms = (counts[1:] for counts in _counts_at_thresholds(labels, scores))
    return _ratio(hits, hits[-1:]), _ratio(hits, hits + alarms)


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve as a sum of steps, 0..1; 0 without positives."""
    recalls, precisions = precision_recall_curve(labels, scores)
    return float((np.diff(recalls, prepend=0.0) * precisions).sum())


def _counts_at_thresholds(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives at each distinct score as threshold, highest first, after a leading 0."""
    labels, scores = _class_indices(labels, 2), np.asarray(scores, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), labels.size - 1)
    hits = np.cumsum(labels[order])[ends]
    return np.append(0, hits), np.append(0, ends + 1 - hits)


def _cells(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> np.ndarray:
    """(N,) position of each sample in the flattened confusion matrix."""
    labels, predictions = _class_indices(labels, n_classes), _class_indices(predictions, n_classes)
    if labels.shape != predictions.shape:
        raise ValueError(f"{labels.size} labels but {predictions.size} predictions")
    return labels * n_classes + predictions


def _class_indices(values: ArrayLike, n_classes: int) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iub":
        raise ValueError(f"expected integers of shape (N,), got {values.dtype} of shape {values.shape}")
    if values.size and not (values.min() >= 0 and values.max() < n_classes):
        raise ValueError(f"expected classes 0..{n_classes - 1}, got {values.min()}..{values.max()}")
    return values.astype(np.int64)


def _hits_and_sizes(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each class the right predictions, and the true samples plus the predictions: (..., C) each."""
    return np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(axis=-1) + matrices.sum(axis=-2)


def _trace(matrices: np.ndarray) -> np.ndarray:
    return np.trace(matrices, axis1=-2, axis2=-1)


def _ratio(numerator: ArrayLike, denominator: ArrayLike, otherwise: float = 0.0) -> np.ndarray:
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    result = np.full(numerator.shape, otherwise, dtype=np.float64)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result[()]
