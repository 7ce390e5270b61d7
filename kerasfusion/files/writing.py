"""Files that are either whole or absent, and disk errors that say what to do."""

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from kerasfusion.address import Address, Place
from kerasfusion.errors import KerasFusionError

_NO_SPACE = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_PARTIAL_SUFFIX = ".partial"
_LONGEST_NAME = 255 - len(f".4294967295.{_PARTIAL_SUFFIX}")
"""Bytes of a file's name that leave room for what a part's name adds."""
_OWNED = ".partial-"
_BLOCK = 1 << 20


def write_file(path: Place, data: bytes | memoryview) -> None:
    """Write `data` to a path or an address; after an error or a kill there is the old file or none, never a part.

    Raises:
        KerasFusionError: the disk is full or refuses the write, or what `Address.write_bytes` raises; names the file.
    """
    if isinstance(path, Address):
        path.write_bytes(data)
    else:
        _replace(path, lambda partial: partial.write_bytes(data))


def write_text(path: Place, text: str) -> None:
    """`write_file` of UTF-8 text, with \\n line ends on every system."""
    write_file(path, text.encode("utf-8"))


def copy_file(source: Path, path: Path) -> None:
    """Copy a file's bytes with the guarantees of `write_file`; `source` may be on another file system.

    Raises:
        KerasFusionError: as `write_file`; or the source cannot be read, which names that one.
    """

    def write(partial: Path) -> None:
        with partial.open("wb") as target:
            for block in _blocks(source):
                target.write(block)

    _replace(path, write)


def _blocks(source: Path) -> Iterator[bytes]:
    """A file's bytes; an error of reading is no KerasFusionError of the file that is written."""
    try:
        with source.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except OSError as error:
        raise KerasFusionError(f"cannot read the file: {error.strerror or error}", where=source) from error


def read_source(path: Path) -> bytes:
    """A file's bytes, which are to be written elsewhere.

    Raises:
        KerasFusionError: it cannot be read; names it.
    """
    return b"".join(_blocks(path))


def remove_partial_files(folder: Path) -> None:
    """Delete what a killed `write_file` or `copy_file` left below `folder`."""
    for partial in folder.rglob(f".*{_PARTIAL_SUFFIX}"):
        if not _is_owned(partial.name.removesuffix(_PARTIAL_SUFFIX).rpartition(".")[2]):
            partial.unlink(missing_ok=True)


def _is_owned(number: str) -> bool:
    """Whether another process with this number lives."""
    return number.isdecimal() and int(number) != os.getpid() and _lives(int(number))


def _lives(process: int) -> bool:
    import psutil  # what only answers writes nothing, and goes without it

    return psutil.pid_exists(process)


def hidden_beside(path: Path, ending: str) -> Path:
    """A name beside `path` for what goes with it; a name that would become too long is replaced by its digest.

    The leading dot keeps a leftover out of every scan; the same folder keeps a rename on one file system.
    """
    encoded = os.fsencode(path.name)
    name = path.name if len(encoded) <= _LONGEST_NAME else hashlib.sha256(encoded).hexdigest()
    return path.with_name(f".{name}{ending}")


def own_partial(path: Path, owner: str | None = None) -> Path:
    """A name beside `path` that tells of its process, for what is long in the making; see `remove_abandoned`.

    Args:
        path: what it will be.
        owner: this process's number if None, else more about it.
    """
    return path.with_name(f"{_OWNED}{owner or os.getpid()}-{path.name}")


def remove_abandoned(folder: Path) -> None:
    """Delete in `folder` itself each file and folder of `own_partial` whose process lives no more.

    Older versions wrote NAME.partial-PROCESS; theirs go too. A process number that another program has taken since
    keeps its leftover until that one ends.
    """
    for partial in folder.glob(f"*{_OWNED}*"):
        before, _, after = partial.name.rpartition(_OWNED) if not partial.name.startswith(_OWNED) else ("", "", "")
        number = after if before else partial.name.removeprefix(_OWNED).partition("-")[0]
        if not number.isdecimal() or _lives(int(number)):
            continue
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def require_free_space(folder: Path, needed: int) -> None:
    """Stop before a long copy that cannot end well.

    Args:
        folder: where the files will be written; it or one of its parents exists.
        needed: bytes still to be written.

    Raises:
        KerasFusionError: less than `needed` bytes are free.
    """
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise KerasFusionError(
            f"not enough disk space: {free / 1e9:.2f} GB free",
            where=folder,
            expected=f"about {needed / 1e9:.2f} GB",
            todo="free some space, or choose a folder on another drive",
        )


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError about writing `path` into a KerasFusionError."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            what, todo = "no space left on the disk", "free some space, then run the same command again"
        else:
            what, todo = f"cannot write the file: {error.strerror or error}", None
        raise KerasFusionError(what, where=path, todo=todo) from error


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    partial = hidden_beside(path, f".{os.getpid()}{_PARTIAL_SUFFIX}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(partial)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
