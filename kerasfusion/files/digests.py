"""Digests by which files, photos and settings are recognised again."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kerasfusion.errors import KerasFusionError

_CHUNK = 1 << 20


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, as hex."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK))
    with Path(path).open("rb", buffering=0) as file:
        while read := file.readinto(buffer):
            digest.update(buffer[:read])
    return digest.hexdigest()


def source_sha256(path: Path) -> str:
    """`file_sha256` of a file that someone else may have locked or taken away.

    Raises:
        KerasFusionError: it cannot be read; names it.
    """
    try:
        return file_sha256(path)
    except OSError as error:
        raise KerasFusionError(f"cannot read the file: {error.strerror or error}", where=path) from error


def file_crc32(path: Path, size: int, crc: int = 0) -> int:
    """The CRC-32 of a file's first `size` bytes, going on from that of what is before them.

    For what is read for each use and may be large: 0.4 s a GB, half of what sha256 takes. It tells damage, not forgery.
    """
    buffer = memoryview(bytearray(_CHUNK))
    with Path(path).open("rb", buffering=0) as file:
        while size > 0 and (read := file.readinto(buffer[: min(size, _CHUNK)])):
            crc = zlib.crc32(buffer[:read], crc)
            size -= read
    return crc


def files_sha256(paths: Sequence[Path]) -> str:
    """Of one file its own sha256, of several that of their digests in this order, as hex."""
    digests = [file_sha256(path) for path in paths]
    return digests[0] if len(digests) == 1 else lines_sha256(digests)


def lines_sha256(lines: Iterable[str]) -> str:
    """The sha256 of the lines, each ended by a newline, as hex."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def json_sha256(value: Any) -> str:
    """The sha256 of a JSON value, whatever the order of its keys, as hex."""
    return lines_sha256([json.dumps(value, sort_keys=True)])
