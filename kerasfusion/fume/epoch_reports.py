"""What is told of each epoch: a line, TensorBoard's event files, and Weights & Biases if asked for."""

import time
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from kerasfusion.config import to_dict
from kerasfusion.errors import require
from kerasfusion.fume.config import FumeConfig
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
        self.report(f"epoch {epoch + 1}/{self.epochs}  {values}  {time.monotonic() - self.start:.0f} s")


class TensorBoardScalars(keras.callbacks.Callback):
    """Event files that TensorBoard shows as scalars.

    TensorFlow writes them itself; the tensorboard package, which keras.callbacks.TensorBoard needs, is for looking.

    Args:
        folder: where they go; training metrics in train/, validation metrics under the same names in validation/.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        """Write one value of each metric."""
        for name, prefix in (("train", ""), ("validation", "val_")):
            values = {key: value for key, value in logs.items() if key.startswith("val_") == bool(prefix)}
            writer = tf.summary.create_file_writer(str(self.folder / name))
            with writer.as_default():
                for key, value in values.items():
                    _write_scalar(f"epoch/{key.removeprefix(prefix)}", value, epoch + 1)
            writer.close()


def _write_scalar(name: str, value: float, step: int) -> None:
    from tensorflow.core.framework.summary_pb2 import SummaryMetadata

    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
    tf.summary.write(name, tf.constant(value, tf.float32), step=step, metadata=metadata)


def wandb_callback(config: FumeConfig) -> list[keras.callbacks.Callback]:
    """A callback that reports to Weights & Biases, if the configuration asks for it.

    Raises:
        RequestError: wandb is not installed.
    """
    if not config.experiment.use_wandb:
        return []
    wandb = require("wandb", extra="wandb")
    settings = config.experiment
    run = wandb.init(
        project=settings.project,
        entity=settings.wandb_entity,
        name=settings.name,
        tags=list(settings.tags),
        config=to_dict(config),
        dir=str(config.run_folder),
        id=settings.name,
        resume="allow",
    )
    return [
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: run.log({**logs, "epoch": epoch + 1}),
            on_train_end=lambda logs: run.finish(),
        )
    ]
