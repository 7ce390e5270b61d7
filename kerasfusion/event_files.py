"""TensorBoard's event files. TensorFlow writes them itself; the tensorboard package is only needed for looking."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

PICTURE = "samples"


class EventFiles:
    """Scalars and pictures of each epoch.

    Every epoch has files of its own, with its number in their names: those of an epoch that a killed run did not
    finish are removed when it goes on, so that no epoch is there twice.

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
        for path in self._folder.glob("*/events.out.tfevents.*.epoch-*"):
            if int(path.name.rpartition("-")[2]) > len(history):
                path.unlink()

    def tell(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write the metrics of an epoch, which counts from 1."""
        for name, prefix in (("train", ""), ("validation", "val_")):
            chosen = {key: value for key, value in values.items() if key.startswith("val_") == bool(prefix)}
            with self._writing(name, epoch):
                for key, value in chosen.items():
                    _write(f"epoch/{key.removeprefix(prefix)}", np.float32(value), epoch, "scalars")

    def show(self, epoch: int, picture: np.ndarray) -> None:
        """Write a picture of an epoch: (H, W, 3) uint8."""
        import tensorflow as tf

        height, width, _ = picture.shape
        encoded = tf.io.encode_png(picture).numpy()
        with self._writing("validation", epoch):
            _write(PICTURE, np.array([b"%d" % width, b"%d" % height, encoded], object), epoch, "images")

    def end(self) -> None:
        """Nothing is left open."""

    @contextmanager
    def _writing(self, name: str, epoch: int) -> Iterator[None]:
        import tensorflow as tf

        writer = tf.summary.create_file_writer(str(self._folder / name), filename_suffix=f".epoch-{epoch:05d}")
        with writer.as_default():
            yield
        writer.close()


def _write(name: str, value: np.ndarray, step: int, plugin: str) -> None:
    """What tf.summary.scalar and tf.summary.image write; they themselves need the tensorboard package."""
    import tensorflow as tf
    from tensorflow.core.framework.summary_pb2 import SummaryMetadata

    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    tf.summary.write(name, tf.constant(value), step=step, metadata=metadata)
