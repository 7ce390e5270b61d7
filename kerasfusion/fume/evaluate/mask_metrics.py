"""What masks are worth: pixels counted sample by sample, and the values of such counts."""

import numpy as np

from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.metrics import classification


def pixel_confusion(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Count a mask's pixels by true and predicted class.

    Args:
        truth, prediction: (H, W) uint8 in 0..2.

    Returns:
        (3, 3) int64, rows are the truth.

    Raises:
        ValueError: other sizes or other values.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"masks of {truth.shape} and {prediction.shape}")
    return classification.confusion_matrix(truth.ravel(), prediction.ravel(), len(PIXEL_CLASSES))


def mask_values(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """The values of masks' pixel counts.

    A class that neither truth nor prediction has in the whole set is undefined (NaN) and left out of the means; one
    that only a single sample lacks makes no difference, because pixels are counted over all samples together.

    Args:
        matrices: (..., 3, 3), sums of `pixel_confusion`.

    Returns:
        "miou", "mean_dice", "pixel_accuracy", and "iou_CLASS" and "dice_CLASS" of each class: (...) float64 in 0..1;
        NaN without pixels.
    """
    iou, dice = classification.iou(matrices), classification.dice(matrices)
    values = {
        "miou": classification.mean_of_defined(iou),
        "mean_dice": classification.mean_of_defined(dice),
        "pixel_accuracy": np.where(matrices.sum(axis=(-2, -1)) > 0, classification.accuracy(matrices), np.nan),
    }
    for column, name in enumerate(PIXEL_CLASSES):
        values |= {f"iou_{name}": iou[..., column], f"dice_{name}": dice[..., column]}
    return values
