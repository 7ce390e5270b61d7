"""One writer at a time in a run folder: two trainings in one folder would take each other's files away."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.writing import disk_errors

LOCK = ".lock"
"""The lock's file. Its presence says nothing: the lock itself is the operating system's and ends with its process."""


@contextmanager
def only_writer(folder: Path, what: str = "run folder") -> Iterator[None]:
    """Hold a folder, which is made if need be, for as long as the block lasts.

    A folder that was made here, and in which the block has left nothing when it ends in an error, goes again: a request
    that is refused leaves none.

    Args:
        folder: where the lock is kept.
        what: the folder's kind, for the message.

    Raises:
        KerasFusionError: another process holds it (said at once, nothing is waited for), or the folder cannot be
            written to.
    """
    is_new = not folder.exists()
    with disk_errors(folder / LOCK):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise KerasFusionError(
                f"another run is writing this {what}",
                where=folder,
                todo="wait until it ends, or name another folder",
            ) from None
    try:
        yield
    except BaseException:
        lock.release()
        if is_new and [path.name for path in folder.iterdir()] == [LOCK]:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        lock.release()
