"""Metrics that are shown while a network learns; `evaluate` has the full set."""

import keras
import numpy as np
from keras import ops

from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.fit.best_epoch import BALANCED, JOINT, MEAN_IOU

SAID = "state_said_"
"""Before a state's name: the share of the answers that are this state."""
GAS, TRANSITIONAL = PIXEL_CLASSES.index("gas"), STATES.index("Transitional")


class Confusion(keras.metrics.Metric):
    """Counts (true class, predicted class) and tells several metrics of them; samples of weight 0 do not count.

    Args:
        output: "state" or the name of a mask; the metrics' names start with it.
    """

    def __init__(self, output: str):
        super().__init__(name=output, dtype="float32")
        self.output = output
        n_classes = len(STATES) if output == "state" else len(PIXEL_CLASSES)
        # Whole numbers: float32 would stop counting pixels at 16 million.
        self.counts = self.add_variable((n_classes, n_classes), "zeros", dtype="int64", name="counts")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """y_true (B, ...) integers, y_pred (B, ..., C) logits, sample_weight (B,)."""
        n_classes = self.counts.shape[0]
        cells = ops.cast(y_true, "int64") * n_classes + ops.cast(ops.argmax(y_pred, axis=-1), "int64")
        if sample_weight is not None:
            there = ops.reshape(sample_weight, (-1, *[1] * (len(cells.shape) - 1))) > 0
            cells = ops.where(there, cells, n_classes**2)
        found = ops.bincount(ops.reshape(cells, (-1,)), minlength=n_classes**2 + 1)
        self.counts.assign_add(ops.cast(ops.reshape(found[: n_classes**2], (n_classes, n_classes)), "int64"))

    def result(self):
        """{metric: value}; balanced accuracy, Transitional F1 and shares of the answers of the state, mean IoU and gas
        IoU of a mask: NaN where nothing counted has the class, in truth or prediction."""
        counts = ops.cast(self.counts.value, "float32")
        hits, truth, predicted = ops.diagonal(counts), ops.sum(counts, axis=1), ops.sum(counts, axis=0)
        if self.output == "state":
            f1 = _ratio(2 * hits, truth + predicted)
            return {
                "state_accuracy": _ratio(ops.sum(hits), ops.sum(counts)),
                "state_balanced_accuracy": _mean_where(_ratio(hits, truth), truth > 0),
                "state_transitional_f1": f1[TRANSITIONAL],
                **{f"{SAID}{name.lower()}": _ratio(predicted[row], ops.sum(counts)) for row, name in enumerate(STATES)},
            }
        union = truth + predicted - hits
        iou, occurs = _ratio(hits, union), union > 0
        return {
            f"{self.output}_mean_iou": ops.where(ops.any(occurs), _mean_where(iou, occurs), np.nan),
            f"{self.output}_gas_iou": ops.where(occurs, iou, np.nan)[GAS],
        }

    def reset_state(self):
        """Forget all counts."""
        self.counts.assign(np.zeros(self.counts.shape, np.int64))


def _ratio(numerator, denominator):
    return numerator / ops.maximum(denominator, 1)


def _mean_where(values, mask):
    mask = ops.cast(mask, "float32")
    return _ratio(ops.sum(values * mask), ops.sum(mask))


class EpochScores(keras.callbacks.Callback):
    """Adds what an epoch is judged by: `val_mean_iou`, the mean over the masks, and `best_epoch.JOINT`.

    An undefined IoU counts in no mean, as in `evaluate`. Its own column says 0: a history holds numbers alone.
    """

    def on_epoch_end(self, epoch, logs=None):
        """Called before the callbacks that read it."""
        ious = {name: value for name, value in logs.items() if name.startswith("val_") and name.endswith("_iou")}
        means, gases = (
            [value for name, value in ious.items() if name.endswith(kind) and not np.isnan(value)]
            for kind in ("_mean_iou", "_gas_iou")
        )
        if means:
            logs[MEAN_IOU] = float(np.mean(means))
        if ious and BALANCED in logs:
            # With no gas in truth and answers the masks say nothing: the state decides alone.
            logs[JOINT] = 0.5 * logs[BALANCED] + 0.5 * float(np.mean(gases or logs[BALANCED]))
        logs.update({name: 0.0 for name, value in logs.items() if name.endswith("_iou") and np.isnan(value)})
