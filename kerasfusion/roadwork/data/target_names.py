"""Names for files that are made of photos: each its own, on every file system."""

import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

_LONGEST_NAME = 255
"""Bytes, on the usual file systems."""


def free_names(wanted: Iterable[str], digests: Sequence[str], spare: int = 0) -> list[str]:
    """Keep each name; where two photos would share one, or it is too long, the later gets its digest in it.

    Args:
        wanted: POSIX path of each photo.
        digests: sha256 of each, hex.
        spare: bytes that will be added to the name.

    Returns:
        The paths, which also differ where case does not count (Windows, macOS). One starts as the wanted one does.
    """
    taken: set[str] = set()
    names = []
    for path, digest in zip(wanted, digests, strict=True):
        name = next(str(name) for name in _names(PurePosixPath(path), digest, spare) if _folded(name) not in taken)
        taken.add(_folded(name))
        names.append(name)
    return names


def _folded(name: object) -> str:
    """Without case and with accents composed, as the file systems of Windows and macOS compare names."""
    return unicodedata.normalize("NFC", str(name)).casefold()


def _names(path: PurePosixPath, digest: str, spare: int) -> Iterator[PurePosixPath]:
    """The photo's own name, then ones that start like it (a group key at its start stays)."""
    longest = _LONGEST_NAME - spare
    if len(path.name.encode()) <= longest:
        yield path
    for ending in itertools.chain([f"-{digest[:8]}"], (f"-{digest[:8]}-{number}" for number in itertools.count(2))):
        room = longest - len(f"{ending}{path.suffix}".encode())
        yield path.with_stem(path.stem.encode()[:room].decode(errors="ignore") + ending)
