"""One writer at a time in a run folder, or to a file elsewhere: two would take each other's files away.

A lock is the operating system's and ends with its process; the presence of its file says nothing.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.writing import LOCK, disk_errors, hidden_beside, remove_abandoned

PATIENCE_S = 30.0
"""How long an update of a small file, which takes milliseconds, is waited for."""


@contextmanager
def only_writer(folder: Path, what: str = "run folder") -> Iterator[None]:
    """Hold a folder, which is made if need be, for as long as the block lasts.

    What killed runs left unfinished in a run folder is deleted at the beginning. A folder that was made here, and in
    which the block has left nothing, goes again: a request that is refused leaves none.

    Args:
        folder: where the lock is kept.
        what: the folder's kind, for the message.

    Raises:
        KerasFusionError: another process holds it (said at once, nothing is waited for), or the folder cannot be
            written to.
    """
    is_new = not folder.exists()
    try:
        with _held(folder / LOCK, folder, what):
            if _is_run(folder):
                remove_abandoned(folder, is_held=True)
            yield
    finally:
        if is_new:
            with suppress(OSError):  # not empty
                folder.rmdir()


@contextmanager
def only_writer_of(*paths: Path) -> Iterator[None]:
    """Hold files, or folders as a whole, that are to be written: each its run folder, or elsewhere its name alone.

    Raises:
        KerasFusionError: another process holds one of them (said at once), or a folder cannot be written to.
    """
    paths = tuple(path.resolve() for path in paths)
    with ExitStack() as stack:
        for folder in dict.fromkeys(path.parent for path in paths if _is_run(path.parent)):
            stack.enter_context(only_writer(folder))
        for path in dict.fromkeys(path for path in paths if not _is_run(path.parent)):
            stack.enter_context(_held(hidden_beside(path, LOCK), path, "file or folder"))
        yield


@contextmanager
def turn_to_update(path: Path) -> Iterator[None]:
    """Wait until no other process reads and rewrites a file, then hold it: two updates at once lose neither.

    Raises:
        KerasFusionError: it took PATIENCE_S, or the folder cannot be written to.
    """
    with _held(hidden_beside(path, LOCK), path, "file", PATIENCE_S):
        yield


def _is_run(folder: Path) -> bool:
    return (folder / "config.yaml").is_file()


@contextmanager
def _held(lock_file: Path, where: Path, what: str, patience: float = 0) -> Iterator[None]:
    import filelock  # what only answers writes nothing, and goes without it

    with disk_errors(lock_file):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(lock_file, timeout=patience)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise KerasFusionError(
                f"another run is writing this {what}", where=where, todo="wait until it ends, or name another one"
            ) from None
    try:
        yield
    finally:
        # While it is held: whoever opened the file before finds it without a name (filelock looks, from 3.21 on), and
        # opens the next one.
        with suppress(OSError):
            lock_file.unlink()
        lock.release()
