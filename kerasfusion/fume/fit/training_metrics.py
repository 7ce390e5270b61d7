"""Metrics that are shown while a network learns; `evaluate` has the full set."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.fit.best_epoch import BALANCED, GAS_IOU, JOINT, MEAN_IOU
from kerasfusion.fume.fit.history_columns import tells_of

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
    """Adds what an epoch is judged by, see `best_epoch`, and takes away the losses of what is not told of.

    An undefined IoU counts in no mean, as in `evaluate`. Its own column says 0: a history holds numbers alone.

    Args:
        outputs: that epochs tell of.
        kept: history of the run so far. A run that an earlier version began keeps its columns, and if there an
            undefined IoU counted as 0, it goes on doing so: its epochs are compared with each other.
    """

    def __init__(self, outputs: Sequence[str], kept: Sequence[Mapping[str, float]] = ()):
        super().__init__()
        self.outputs, self.columns = outputs, kept[0].keys() if kept else None
        self.masks = [name for name in outputs if name != "state"]
        self.undefined_is_zero = bool(kept) and GAS_IOU not in kept[0] and self._counted_as_zero(kept)

    def on_epoch_end(self, epoch, logs=None):
        """Called before the callbacks that read it."""
        if self.undefined_is_zero:
            _fill(logs)
        if self.masks:
            logs[MEAN_IOU], logs[GAS_IOU] = self._mean(logs, "mean_iou"), self._mean(logs, "gas_iou")
            if "state" in self.outputs:
                # With no gas in truth and answers the masks say nothing: the state decides alone.
                logs[JOINT] = _joint(logs[BALANCED], logs[BALANCED if np.isnan(logs[GAS_IOU]) else GAS_IOU])
        _fill(logs)
        for name in [name for name in logs if not self._is_told(name)]:
            del logs[name]

    def _mean(self, logs: Mapping[str, float], metric: str) -> float:
        """Over the masks of which it is defined; NaN where it is of none."""
        values = [value for mask in self.masks if not np.isnan(value := logs[f"val_{mask}_{metric}"])]
        return float(np.mean(values)) if values else np.nan

    def _is_told(self, name: str) -> bool:
        return tells_of(name, self.outputs) if self.columns is None else name in self.columns

    def _counted_as_zero(self, kept: Sequence[Mapping[str, float]]) -> bool:
        """Whether the joint scores are those of all masks' columns, in which an undefined IoU is 0."""
        return all(
            JOINT in values and np.isclose(values[JOINT], _joint(values[BALANCED], self._mean(values, "gas_iou")))
            for values in kept
        )


def _joint(balanced: float, gas: float) -> float:
    return 0.5 * balanced + 0.5 * gas


def _fill(logs: dict[str, float]) -> None:
    logs.update({name: 0.0 for name, value in logs.items() if name.endswith("_iou") and np.isnan(value)})
