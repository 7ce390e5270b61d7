"""How well the contours of masks are drawn: the boundary F-score."""

import math

import numpy as np

from kerasfusion.errors import require
from kerasfusion.fume.config_types import PIXEL_CLASSES

TOLERANCE = 0.0075
"""How far off a contour may be, as a share of the image's diagonal: 6 pixels of 640 x 480."""

CONTOURS = ("tube", "gas")
"""The classes that have contours of their own; what is left over is the background."""

_ROUNDING = 1e-9
"""Pixels; 0.0075 has no exact float, and a distance of 6 of 640 x 480 shall not depend on that."""


def boundary_f(truth: np.ndarray, prediction: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """The boundary F-score of each class of CONTOURS in one image.

    Csurka, Larlus and Perronnin, "What is a good evaluation measure for semantic segmentation?", BMVC 2013, section 3.
    Precision is the share of the answer's boundary pixels that lie within the tolerance of a true one, recall the share
    of the true ones that lie within it of one of the answer; F is their harmonic mean, image by image. The value of a
    set is the mean over its images.

    A boundary pixel is one of the class with a pixel above, below, left or right of it that is not. The edge of the
    image is no contour: what is cut off there has none.

    Args:
        truth, prediction: (H, W) uint8 in 0..2.
        tolerance: the largest distance between pixels' centres that counts as a match, as a share of the diagonal.

    Returns:
        (2,) float64 in 0..1, 0 where only one of them has a boundary; NaN where neither has.

    Raises:
        ValueError: masks of other sizes.
        RequestError: SciPy is not installed.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"masks of {truth.shape} and {prediction.shape}")
    reach = tolerance * math.hypot(*truth.shape) + _ROUNDING
    numbers = [PIXEL_CLASSES.index(name) for name in CONTOURS]
    return np.array([_f_of(truth == number, prediction == number, reach) for number in numbers])


def boundary_pixels(region: np.ndarray) -> np.ndarray:
    """(K, 2) int64 rows and columns of the boundary pixels of a (H, W) bool region."""
    inner = region.copy()
    inner[1:] &= region[:-1]
    inner[:-1] &= region[1:]
    inner[:, 1:] &= region[:, :-1]
    inner[:, :-1] &= region[:, 1:]
    return np.argwhere(region & ~inner)


def mean_boundary_f(scores: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The mean over images, without those that have no boundary.

    Args:
        scores: (K, 2) of `boundary_f`.
        weights: (..., K) how often each image counts.

    Returns:
        "boundary_f_CLASS" of each class of CONTOURS: (...) float64 in 0..1; NaN where no image has a boundary.
    """
    there = ~np.isnan(scores)
    sums, counts = weights @ np.where(there, scores, 0), weights @ there.astype(float)
    means = np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    return {f"boundary_f_{name}": means[..., column] for column, name in enumerate(CONTOURS)}


def _f_of(truth: np.ndarray, prediction: np.ndarray, reach: float) -> float:
    true, said = boundary_pixels(truth), boundary_pixels(prediction)
    if not true.size and not said.size:
        return math.nan
    if not true.size or not said.size:
        return 0.0
    precision, recall = _share_near(said, true, reach), _share_near(true, said, reach)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share_near(points: np.ndarray, others: np.ndarray, reach: float) -> float:
    """Share of points with one of the others within reach; contours are few pixels, so a tree is quicker than a map."""
    tree = require("scipy.spatial", extra="train").KDTree(others)
    return float((tree.query(points)[0] <= reach).mean())
