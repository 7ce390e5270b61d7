"""TensorBoard's event files: TFRecords of `Event` messages. The tensorboard package is only needed for looking."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

PICTURE = "samples"
PREFIX = "events.out.tfevents.epoch-"
"""How the files' names begin; TensorBoard knows its own by `tfevents`."""


class EventFiles:
    """Scalars and pictures of each epoch.

    Every epoch has files of its own, with its number in their names: those of an epoch that a killed run did not
    finish are removed when it goes on, so that no epoch is there twice. TensorBoard reads a folder's files in the order
    of their names and never goes back, so the number comes first.

    Args:
        folder: where they go: training metrics in train/, validation metrics under the same names in validation/.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def begin(self, history: Sequence[Mapping[str, float]], pictures: Mapping[int, Path]) -> None:
        """Forget what comes after the finished epochs.

        Args:
            history: one mapping for each epoch that was finished before.
            pictures: their PNGs by epoch; these are in the event files already.
        """
        for path in self._folder.glob(f"*/{PREFIX}*"):
            if int(path.name.removeprefix(PREFIX).partition(".")[0]) > len(history):
                path.unlink()

    def tell(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write the metrics of an epoch, which counts from 1."""
        for name, prefix in (("train", ""), ("validation", "val_")):
            chosen = {
                f"epoch/{key.removeprefix(prefix)}": np.float32(value)
                for key, value in values.items()
                if key.startswith("val_") == bool(prefix)
            }
            self._write(name, epoch, "scalars", chosen)

    def show(self, epoch: int, picture: np.ndarray) -> None:
        """Write a picture of an epoch: (H, W, 3) uint8."""
        import tensorflow as tf

        height, width, _ = picture.shape
        encoded = tf.io.encode_png(picture).numpy()
        value = np.array([b"%d" % width, b"%d" % height, encoded], object)
        self._write("validation", epoch, "images", {PICTURE: value})

    def end(self) -> None:
        """Nothing is left open."""

    def _write(self, name: str, epoch: int, plugin: str, values: Mapping[str, np.ndarray]) -> None:
        """Write one file with what tf.summary.scalar and tf.summary.image would: these need the tensorboard package."""
        import tensorflow as tf
        from tensorflow.core.framework.summary_pb2 import Summary, SummaryMetadata
        from tensorflow.core.util.event_pb2 import Event

        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
        summary = Summary(
            value=[
                Summary.Value(tag=tag, tensor=tf.make_tensor_proto(value), metadata=metadata)
                for tag, value in values.items()
            ]
        )
        now = time.time()
        with tf.io.TFRecordWriter(str(folder / f"{PREFIX}{epoch:05d}.{plugin}")) as writer:
            writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
            writer.write(Event(wall_time=now, step=epoch, summary=summary).SerializeToString())
