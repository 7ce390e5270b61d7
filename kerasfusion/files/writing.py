"""Files that are either whole or absent, and disk errors that say what to do."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from kerasfusion.address import Address, Place
from kerasfusion.errors import KerasFusionError

_NO_SPACE = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_OWNED = ".partial-"
_LONGEST_NAME = 255 - len(f"{_OWNED}4294967295-")
"""Bytes of a file's name that leave room for what a part's name adds."""
_OLDEST = re.compile(r"(?P<name>.+)\.partial-(?P<process>\d{1,9})", re.DOTALL)
_PARTS = (
    re.compile(rf"{re.escape(_OWNED)}(?P<process>\d{{1,9}})-(?P<name>.+)", re.DOTALL),
    re.compile(r"\.(?P<name>.+?)(\.(?P<process>\d{1,9}))?\.partial", re.DOTALL),  # of older versions, as the next one
    _OLDEST,
)
LOCK = ".lock"
"""In a folder that has a writer now; see one_writer."""
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


def hidden_beside(path: Path, ending: str) -> Path:
    """A name beside `path` for what goes with it; the leading dot keeps a leftover out of every scan."""
    return path.with_name(f".{_shortened(path.name)}{ending}")


def own_partial(path: Path, owner: str | None = None) -> Path:
    """A name beside `path` that tells of its process, for what is in the making; see `remove_abandoned`.

    The leading dot keeps a leftover out of every scan; the same folder keeps a rename on one file system.

    Args:
        path: what it will be.
        owner: this process's number if None, else more about it.
    """
    return path.with_name(f"{_OWNED}{owner or os.getpid()}-{_shortened(path.name)}")


def _shortened(name: str) -> str:
    """A name that would become too long is replaced by its digest and its end."""
    encoded = os.fsencode(name)
    return name if len(encoded) <= _LONGEST_NAME else hashlib.sha256(encoded).hexdigest() + name[-16:]


def part_of(name: str) -> str | None:
    """The name of what a file or folder of this name was to become; None if it is no part."""
    part = _part(name)
    return part and part["name"]


def remove_abandoned(folder: Path, *, is_held: bool = False) -> None:
    """Delete each part, file or folder, whose process lives no more; also those that older versions named otherwise.

    A process number that another program has taken since keeps its leftover until that one ends.

    Args:
        folder: where to look.
        is_held: nobody else writes into the folder and those below it, but for those that have a lock of their own.
            Then they are looked through, too, and what has this process's number goes (in a container a killed one had
            the same), and what has none.
    """
    for place, below, files in os.walk(folder):
        for name in [*below, *files]:
            path, part = Path(place, name), _part(name)
            # The oldest names, which anybody's file may have, were never those of parts in a folder below.
            if part is None or (part.re is _OLDEST and path.parent != folder):
                continue
            if not _is_abandoned(part["process"], is_held):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        below[:] = [name for name in below if is_held and not Path(place, name, LOCK).exists()]


def _part(name: str) -> re.Match[str] | None:
    return next(filter(None, (pattern.fullmatch(name) for pattern in _PARTS)), None)


def _is_abandoned(process: str | None, is_held: bool) -> bool:
    if process is None or int(process) == os.getpid():
        return is_held
    import psutil  # what only answers writes nothing, and goes without it

    return not psutil.pid_exists(int(process))


def existing_part(path: Path) -> Path:
    """The path itself if it is there, else the nearest folder above it that is."""
    # Path.exists raises where a folder above may not be looked into.
    return next(part for part in (path, *path.absolute().parents) if os.access(part, os.F_OK))


def require_free_space(folder: Path, needed: int) -> None:
    """Stop before a long copy that cannot end well.

    Args:
        folder: where the files will be written; it or one of its parents exists.
        needed: bytes still to be written.

    Raises:
        KerasFusionError: less than `needed` bytes are free.
    """
    free = shutil.disk_usage(existing_part(folder)).free
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
    partial = own_partial(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(partial)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
