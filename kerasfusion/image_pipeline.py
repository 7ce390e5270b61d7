"""Arrays on disk to tf.data: photos decoded once, kept as pixels, and read back in batches with flat memory."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from kerasfusion.file_writing import disk_errors
from kerasfusion.progress import track


def stored_array(
    path: Path, shape: tuple[int, ...], dtype: str, rows: Callable[[], Iterable], label: str
) -> np.ndarray:
    """An array that is worked out once and then read from disk, a page at a time.

    Args:
        path: `.npy` file; its name must tell what the content depends on. It is there whole or not at all.
        shape: of the whole array; the first axis counts rows.
        dtype: NumPy dtype.
        rows: gives an iterable of blocks of rows ((k, *shape[1:]) each) that together fill the array.
        label: what is being worked out, for the progress bar.

    Returns:
        A read-only memory map.

    Raises:
        KerasFusionError: the disk is full.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".partial-{os.getpid()}")
        try:
            with disk_errors(path):
                _fill(partial, shape, dtype, rows(), label)
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")


def _fill(path: Path, shape: tuple[int, ...], dtype: str, blocks: Iterable, label: str) -> None:
    # Written as a stream rather than through a memory map: a full disk is then an error and not a bus error.
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": tuple(map(int, shape))}
        )
        for row in track((row for block in blocks for row in block), label, total=shape[0]):
            file.write(np.ascontiguousarray(row, dtype))


def epoch_batches(
    gather: Callable[[np.ndarray], dict[str, np.ndarray]],
    count: int,
    batch: int,
    seed: int,
    epochs: range,
    transform: Callable | None = None,
):
    """Shuffled batches of several epochs, one after the other.

    Order and augmentation of an epoch depend on (seed, epoch) alone, so that a run that is resumed at an epoch's
    start sees what an undisturbed one sees.

    Args:
        gather: (B,) int64 row numbers -> arrays of B rows by name.
        count: number of rows.
        batch: rows a batch; the last one of an epoch may be smaller.
        seed: of the shuffling, and first half of the seed given to `transform`.
        epochs: which epochs, for example range(3, 10).
        transform: (arrays, seed (2,) int32 unique to the batch) -> arrays, inside tf.data.

    Returns:
        tf.data.Dataset of dicts; steps_per_epoch is ceil(count / batch).
    """
    import tensorflow as tf

    steps = -(-count // batch)

    def one_epoch(epoch):
        order = tf.random.experimental.stateless_shuffle(
            tf.range(count, dtype=tf.int64), tf.stack([tf.constant(seed, tf.int64), epoch])
        )
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch)
        numbers = tf.data.Dataset.range(epoch * steps, (epoch + 1) * steps)
        return tf.data.Dataset.zip(batches, numbers)

    dataset = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one_epoch)
    dataset = dataset.map(lambda rows, number: (_gather(gather, rows), number))
    if transform is None:
        return dataset.map(lambda arrays, number: arrays).prefetch(2)

    def apply(arrays, number):
        return transform(arrays, tf.stack([tf.constant(seed, tf.int32), tf.cast(number, tf.int32)]))

    return dataset.map(apply, num_parallel_calls=os.cpu_count()).prefetch(2)


def plain_batches(gather: Callable[[np.ndarray], dict[str, np.ndarray]], count: int, batch: int):
    """All rows once, in order: tf.data.Dataset of dicts."""
    import tensorflow as tf

    rows = tf.data.Dataset.range(count).batch(batch)
    return rows.map(lambda numbers: _gather(gather, numbers)).prefetch(2)


def _gather(gather: Callable, rows):
    """Call a NumPy function inside tf.data and keep the names, dtypes and ranks of what it gives."""
    import tensorflow as tf

    example = gather(np.zeros(1, np.int64))
    names = list(example)
    values = tf.numpy_function(
        lambda numbers: [gather(numbers)[name] for name in names], [rows], [example[name].dtype for name in names]
    )
    for name, value in zip(names, values, strict=True):
        value.set_shape((None, *example[name].shape[1:]))
    return dict(zip(names, values, strict=True))
