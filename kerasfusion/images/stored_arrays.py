"""Arrays on disk to tf.data: photos decoded once, kept as pixels, and read back in batches with flat memory."""

import io
import math
import os
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from kerasfusion.errors import DamagedError
from kerasfusion.files.digests import file_crc32
from kerasfusion.files.writing import disk_errors, own_partial, remove_abandoned
from kerasfusion.progress import track

PARALLEL_TRANSFORMS = 2
"""Batches that are transformed at a time: the second fills the gaps in which the first leaves cores idle."""
_END = b"crc32 %08x\n"
_END_SIZE = len(_END % 0)


class StoredArray:
    """A `.npy` file of which only the rows that are asked for are read. It ends in the CRC-32 of all that is before it.

    Opening it reads it once as a whole and compares: 0.4 s a GB, less than the first epoch takes to read it, and what
    is damaged is said before hours of training rather than in them.
    Not a memory map: whatever was read of a map counts as the process's memory until the system is short of it.

    Args:
        path: a C-ordered array's file, as `stored_array` writes it.

    Attributes:
        shape: of the whole array; the first axis counts rows.
        dtype: NumPy dtype.

    Raises:
        DamagedError: the file is cut short or altered, or not an array.
    """

    def __init__(self, path: Path):
        self._path = Path(path)
        size = self._path.stat().st_size - _END_SIZE
        if size < 0 or _read_end(self._path) != _END % file_crc32(self._path, size):
            raise _damaged(self._path)
        try:
            with self._path.open("rb") as file:
                np.lib.format.read_magic(file)
                self.shape, _, self.dtype = np.lib.format.read_array_header_1_0(file)
                self._start = file.tell()
        except ValueError as error:
            raise _damaged(self._path) from error
        self._row = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        if size != self._start + len(self) * self._row:
            raise _damaged(self._path)

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """The rows with these numbers: (B,) int -> (B, *shape[1:]) in the order asked for; any thread may call it."""
        rows = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        with self._path.open("rb", buffering=0) as file:
            for place in np.argsort(numbers, kind="stable"):  # in file order: how a disk is fast
                file.seek(self._start + int(numbers[place]) * self._row)
                if file.readinto(rows[place : place + 1]) != self._row:
                    raise _damaged(self._path)
        return rows


def _read_end(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-_END_SIZE, os.SEEK_END)
        return file.read()


def _damaged(path: Path) -> DamagedError:
    return DamagedError(
        "a stored array is damaged: it is not what was written",
        where=path,
        todo="delete this file and run the same command again; it is then made again",
    )


def stored_array(
    path: Path, shape: tuple[int, ...], dtype: str, rows: Callable[[], Iterable], label: str
) -> StoredArray:
    """An array that is worked out once and then read from disk, row by row.

    Args:
        path: `.npy` file; its name must tell what the content depends on. It is there whole or not at all.
        shape: of the whole array; the first axis counts rows.
        dtype: NumPy dtype.
        rows: gives an iterable of blocks of rows ((k, *shape[1:]) each) that together fill the array.
        label: what is being worked out, for the progress bar.

    Raises:
        KerasFusionError: the disk is full.
        DamagedError: the file of an earlier run is damaged, or holds another array.
    """
    remove_abandoned(path.parent)
    if not path.exists() or _is_unchecked(path, shape, dtype):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = own_partial(path)
        try:
            with disk_errors(path):
                _fill(partial, shape, dtype, rows(), label)
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    found = StoredArray(path)
    if (found.shape, found.dtype) != (tuple(shape), np.dtype(dtype)):
        raise _damaged(path)
    return found


def _is_unchecked(path: Path, shape: tuple[int, ...], dtype: str) -> bool:
    """Whether an older version wrote it, without a checksum: such a file is made again."""
    size = len(_header(shape, dtype)) + math.prod(shape) * np.dtype(dtype).itemsize
    return path.stat().st_size == size


def _header(shape: tuple[int, ...], dtype: str) -> bytes:
    written = io.BytesIO()
    about = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": tuple(map(int, shape))}
    np.lib.format.write_array_header_1_0(written, about)
    return written.getvalue()


def _fill(path: Path, shape: tuple[int, ...], dtype: str, blocks: Iterable, label: str) -> None:
    # Written as a stream rather than through a memory map: a full disk is then an error and not a bus error.
    with path.open("wb") as file:
        header = _header(shape, dtype)
        file.write(header)
        crc = zlib.crc32(header)
        for row in track((row for block in blocks for row in block), label, total=shape[0]):
            written = np.ascontiguousarray(row, dtype)
            file.write(written)
            crc = zlib.crc32(written, crc)
        file.write(_END % crc)


def epoch_batches(
    gather: Callable[[np.ndarray], dict[str, np.ndarray]],
    count: int,
    batch: int,
    seed: int,
    epochs: range,
    transform: Callable | None = None,
    order: Callable[[int], np.ndarray] | None = None,
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
        order: epoch -> (count,) int64 row numbers, where rows are to be drawn in another way than by shuffling.

    Returns:
        tf.data.Dataset of dicts; steps_per_epoch is ceil(count / batch).
    """
    import tensorflow as tf

    steps = -(-count // batch)

    def drawn(epoch):
        if order is None:
            rows = tf.range(count, dtype=tf.int64)
            return tf.random.experimental.stateless_shuffle(rows, tf.stack([tf.constant(seed, tf.int64), epoch]))
        return tf.ensure_shape(tf.numpy_function(order, [epoch], tf.int64, stateful=False), (count,))

    def one_epoch(epoch):
        batches = tf.data.Dataset.from_tensor_slices(drawn(epoch)).batch(batch)
        numbers = tf.data.Dataset.range(epoch * steps, (epoch + 1) * steps)
        return tf.data.Dataset.zip(batches, numbers)

    dataset = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one_epoch)
    dataset = dataset.map(lambda rows, number: (_gather(gather, rows), number))
    if transform is None:
        return dataset.map(lambda arrays, number: arrays).prefetch(2)

    def apply(arrays, number):
        return transform(arrays, tf.stack([tf.constant(seed, tf.int32), tf.cast(number, tf.int32)]))

    return dataset.map(apply, num_parallel_calls=PARALLEL_TRANSFORMS).prefetch(2)


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
