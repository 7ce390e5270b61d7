"""FLIR's own container (FFF): a header, a directory of records, and the records; a SEQ or CSQ is one after the other.

The layout is the public one that ExifTool's documentation of FLIR files tells; cameras write the header in either byte
order, and each record in its own.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kerasfusion.images.decoding import ImageError

MAGIC = b"FFF\0"
HEADER = 64
_ENTRY = 32
_VERSION, _DIRECTORY, _COUNT, _LENGTH = 0x14, 0x18, 0x1C, 0x34
"""Places in the header; the length is that of all that belongs to the frame, 0 from some cameras."""
_VERSIONS = range(100, 200)
_MOST_RECORDS = 1000
_BLOCK = 1 << 20
RAW, CAMERA = 0x01, 0x20
"""Types of records: counts with their width and height; what the camera says of itself, and the time."""


@dataclass(frozen=True)
class Records:
    """One frame of a file.

    Attributes:
        start: where it begins.
        end: where its last record ends.
        places: {type of record: (place in the file, length)}; the first of each type.
    """

    start: int
    end: int
    places: dict[int, tuple[int, int]]


def frames_of(file: BinaryIO, path: Path) -> Iterator[Records]:
    """The frames of a file from its beginning on, one at a time; only headers and directories are read.

    What is written between two frames is passed over, if it is padding or shorter than a frame.

    Args:
        file: opened.
        path: of it, for messages.

    Raises:
        ImageError: no such container, or what follows is damaged or cut.
    """
    size = file.seek(0, 2)
    start = 0
    while start < size:
        frame, length = _frame_at(file, start, size, path)
        yield frame
        start = _next(file, max(frame.end, start + length), frame, size, path)


def byte_order(record: bytes) -> str:
    """ "<" or ">": each record of counts or of the camera begins with a number from 1 to 255."""
    return "<" if int.from_bytes(record[:2], "little") < 0x100 else ">"


def _frame_at(file: BinaryIO, start: int, size: int, path: Path) -> tuple[Records, int]:
    """(the frame, the length that its header says)."""
    header = _read(file, start, HEADER, path)
    order = _order_of(header)
    if order is None:
        raise ImageError(
            f"the film is damaged at byte {start:,}" if start else f"it begins with {header[:4]!r}, not with FFF",
            where=path,
            expected="a SEQ or CSQ of a FLIR camera",
            todo="copy it from the camera again, or export it in the camera's program as a TIFF of 16 bits",
        )
    directory, count, length = (struct.unpack_from(f"{order}I", header, at)[0] for at in (_DIRECTORY, _COUNT, _LENGTH))
    if count > _MOST_RECORDS:
        raise ImageError(f"the film is damaged at byte {start:,}: a frame of {count:,} records", where=path)
    entries = _read(file, start + directory, count * _ENTRY, path)
    places, end = {}, start + max(HEADER, directory + len(entries))
    for kind, _, _, _, offset, extent in struct.iter_unpack(f"{order}HHIIII12x", entries):
        if kind:
            places.setdefault(kind, (start + offset, extent))
            end = max(end, start + offset + extent)
    if end > size:
        raise _cut(path, start)
    return Records(start, end, places), length if start + length <= size else 0


def _order_of(header: bytes) -> str | None:
    if len(header) < HEADER or not header.startswith(MAGIC):
        return None
    return next((order for order in "<>" if struct.unpack_from(f"{order}I", header, _VERSION)[0] in _VERSIONS), None)


def _next(file: BinaryIO, start: int, frame: Records, size: int, path: Path) -> int:
    """Where the next frame begins: at `start`, or after padding; the file's size where none does."""
    file.seek(start)
    begin = file.read(HEADER)
    if _order_of(begin) is not None:
        return start
    place, blank, longest = start, True, frame.end - frame.start
    while place < size and (blank or place - start < longest):
        file.seek(place)
        block = file.read(_BLOCK + HEADER)
        found = _first_in(block)
        gap = block[: _BLOCK if found is None else found]
        blank = blank and not gap.strip(b"\0")
        place += len(gap)
        if found is not None:
            break
    if begin.startswith(MAGIC) and place == size:
        raise _cut(path, start)
    if not blank and place - start >= longest:
        raise ImageError(
            f"the film is damaged at byte {start:,}: no frame begins there",
            where=path,
            todo="copy it from the camera again; what came before was answered",
        )
    return place


def _first_in(block: bytes) -> int | None:
    place = block.find(MAGIC)
    while place >= 0 and _order_of(block[place : place + HEADER]) is None:
        place = block.find(MAGIC, place + 1)
    return place if place >= 0 else None


def _read(file: BinaryIO, start: int, length: int, path: Path) -> bytes:
    file.seek(start)
    data = file.read(length)
    if len(data) < length:
        raise _cut(path, start)
    return data


def read_record(file: BinaryIO, frame: Records, kind: int, path: Path, most: int | None = None) -> bytes | None:
    """A frame's record of a type, or its first `most` bytes; None where the frame has none.

    Raises:
        ImageError: the file ends before it does.
    """
    if kind not in frame.places:
        return None
    place, length = frame.places[kind]
    return _read(file, place, length if most is None else min(length, most), path)


def _cut(path: Path, start: int) -> ImageError:
    return ImageError(
        f"the film ends in the middle of a frame, which begins at byte {start:,}: it was cut",
        where=path,
        todo="copy it from the camera again; what came before the end was answered",
    )
