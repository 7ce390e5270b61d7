"""What is told of each epoch to the one who waits: a line, and how far it is."""

import time
from collections.abc import Callable, Mapping

import keras

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.fit.training_metrics import SAID
from kerasfusion.progress import track

SHOWN = {
    "loss": "loss",
    "val_loss": "val loss",
    "val_state_balanced_accuracy": "balanced accuracy",
    "val_state_transitional_f1": "Transitional F1",
    "val_co2_mask_gas_iou": "gas IoU CO2",
    "val_ch4_mask_gas_iou": "CH4",
    "val_mask_gas_iou": "gas IoU",
}
"""Metric -> what it is called in an epoch's line."""


def only_state(values: Mapping[str, float]) -> str | None:
    """The one state that all validation answers of an epoch are; None if there are two, or none is told.

    Args:
        values: what the history says of the epoch.
    """
    return next((state for state in STATES if values.get(f"val_{SAID}{state.lower()}") == 1), None)


class EpochLine(keras.callbacks.Callback):
    """One line an epoch, and its progress meanwhile.

    Args:
        epochs: of the whole run.
        report: takes the line.
    """

    def __init__(self, epochs: int, report: Callable[[str], None]):
        super().__init__()
        self.epochs, self.report = epochs, report

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock and the bar."""
        self.start, steps = time.monotonic(), self.params["steps"]
        self.bar = track(range(steps + 1), f"epoch {epoch + 1}/{self.epochs}", total=steps)
        next(self.bar)

    def on_train_batch_end(self, batch, logs=None):
        """A step further."""
        next(self.bar)

    def on_epoch_end(self, epoch, logs=None):
        """Say how it went."""
        self.bar.close()
        values = "  ".join(f"{label} {logs[name]:.4f}" for name, label in SHOWN.items() if name in logs)
        only = f"  all answers {state}" if (state := only_state(logs)) else ""
        self.report(f"epoch {epoch + 1}/{self.epochs}  {values}{only}  {time.monotonic() - self.start:.0f} s")
