"""What predicted states are worth, and states and masks together."""

from collections.abc import Mapping

import numpy as np

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.metrics import classification


def state_values(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """The values of states' confusion matrices.

    Balanced accuracy is the mean recall of the states that occur in the truth, macro F1 the mean over those that occur
    in truth or predictions. A precision, recall or F1 without samples is 0.

    Args:
        matrices: (..., 3, 3) counts, rows are the truth.

    Returns:
        "accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "cohen_kappa", and "precision_STATE",
        "recall_STATE", "f1_STATE" of each state in lower case: (...) float64; kappa is NaN where it is undefined.
    """
    values = {
        "accuracy": classification.accuracy(matrices),
        "balanced_accuracy": classification.balanced_accuracy(matrices),
        "macro_f1": classification.macro_f1(matrices),
        "weighted_f1": classification.weighted_f1(matrices),
        "cohen_kappa": classification.cohen_kappa(matrices),
    }
    for number, name in enumerate(STATES):
        for metric in (classification.precision, classification.recall, classification.f1):
            values[f"{metric.__name__}_{name.lower()}"] = metric(matrices, number)
    return values


def joint_values(parts: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Masks and state in one number: score = 0.5 mIoU + 0.5 balanced accuracy (as taminulislam/fume weighs them).

    Args:
        parts: {"state": ..., "co2_mask": ..., "ch4_mask": ...} as `state_values` and `mask_values` give them, or
            "mask" where a network has but one mask for both gases.

    Returns:
        "score", "miou" (mean over the gases that are there) and "balanced_accuracy": (...) float64.
    """
    gases = [name for name in parts if name.endswith("_mask")] or ["mask"]
    miou = classification.mean_of_defined(np.stack([parts[name]["miou"] for name in gases], axis=-1))
    balanced = parts["state"]["balanced_accuracy"]
    return {"score": 0.5 * miou + 0.5 * balanced, "miou": miou, "balanced_accuracy": balanced}
