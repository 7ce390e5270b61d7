"""Exports end in a checksum of all that is before it, so that a damaged one is refused and not asked.

OpenVINO, ONNX Runtime and LiteRT check nothing: one flipped bit in the weights is another answer. Each format has a
place at its end that its library does not look at: a comment in XML, one more entry of ONNX's metadata_props, the
comment of the zip behind LiteRT's flatbuffer. OpenVINO's `.bin` counts as if it came before the end of its `.xml`.
A `.keras` file is a zip, whose reader checks the CRC-32 of each member.

It is meant against damage, not against forgers. The description inside a sealed file says that it is sealed, so that
one that lost its end does not pass for an export of an older version. Those before were sealed with a CRC-32.

The check takes more than the one per cent of opening that was hoped for: every byte has to be looked at, and memory
gives some 11 GB/s. Processor time for a transformer of 342 MB: 0.04 s with LiteRT (CRC-32: 0.13 s), which is given the
bytes that were checked, and takes 0.5 s to open them; 0.1 s (0.2 s) with ONNX Runtime and OpenVINO, which read the file
again, and take 1.8 s. That is the check by itself; five pairs of openings with and without it, on a machine that was
busy with other work, differed by 0.09, 0.2 and 0.3 s. It goes on in a thread while the library is imported, which takes
OpenVINO 0.15 s and ONNX Runtime 0.04 s.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_crc32, file_sum32, sum32
from kerasfusion.formats.open_model import EXPORT_AGAIN


class Seal(NamedTuple):
    """What a file names: the kind of its checksum (SUM or CRC), and eight hex digits."""

    kind: bytes
    digits: str

    def __str__(self) -> str:
        return f"{'CRC-32' if self.kind == CRC else 'checksum'} {self.digits}"


SUM, CRC = b"kerasfusion_sum32", b"kerasfusion_crc32"
"""What is written, and what older versions wrote; of one length."""


def _around(kind: bytes) -> dict[str, tuple[bytes, bytes]]:
    """Suffix of a file -> what stands before and behind the eight digits."""
    # An entry of a protobuf map: field number and type, length of what follows, key, value (8 digits).
    entry = b"\x72" + bytes([2 + len(kind) + 2 + 8]) + b"\x0a" + bytes([len(kind)]) + kind + b"\x12\x08"
    return {".xml": (b"<!-- " + kind + b" ", b" -->\n"), ".onnx": (entry, b""), ".tflite": (kind + b" ", b"")}


_AROUND = {kind: _around(kind) for kind in (SUM, CRC)}
UNKNOWN = b"00000000"
MARK = {"sealed": True}
"""What the description of a sealed file says."""


def end_of(suffix: str, digits: bytes = UNKNOWN) -> bytes:
    """What a sealed file with this suffix ends in."""
    before, behind = _AROUND[SUM][suffix]
    return before + digits + behind


def seal(path: Path) -> None:
    """Give a file that was just written its end, or put the right digits into the one that it has."""
    size = path.stat().st_size
    if read_seal(path) is not None:
        size -= len(end_of(path.suffix))
    found = _checksum(path, size, file_sum32)
    with path.open("r+b") as file:
        file.seek(size)
        file.write(end_of(path.suffix, b"%08x" % found))


def read_seal(path: Path) -> Seal | None:
    """The checksum that a file names; None where it names none, as the first exports."""
    length = len(end_of(path.suffix))
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - length))
        end = file.read(length)
    for kind, around in _AROUND.items():
        before, behind = around[path.suffix]
        if len(end) == length and end.startswith(before) and end.endswith(behind):
            return Seal(kind, end[len(before) : len(before) + len(UNKNOWN)].decode("ascii", "replace"))
    return None


def what_is_checked(path: Path, description: dict[str, Any]) -> str:
    """By what opening a model file of any format finds damage, in words; `description` is what it says of itself."""
    if path.suffix not in _AROUND[SUM]:
        return "CRC-32 of each member"
    named = read_seal(path)
    if named is None and MARK.items() <= description.items():
        return "nothing: the checksum at its end is lost, the file is damaged"
    return str(named) if named else "nothing: the file holds no checksum, export it again to give it one"


def refuse_damaged(path: Path) -> None:
    """Compare a file that is sealed, and its weights, with the checksum that it names.

    Raises:
        RequestError: it is not the file that was written, or its weights are missing or are not.
    """
    named = read_seal(path) if path.is_file() else None  # what is not there is told by who opens it
    if named is None:
        return
    weights = path.with_suffix(".bin")
    if path.suffix == ".xml" and not weights.is_file():
        raise RequestError("the weights of the model are missing", where=weights, todo=EXPORT_AGAIN)
    size = path.stat().st_size - len(end_of(path.suffix))
    _refuse_other(path, named, _checksum(path, size, file_crc32 if named.kind == CRC else file_sum32))


def read_undamaged(path: Path) -> bytes:
    """The bytes of a file without weights beside it; the same that are compared, if it is sealed.

    Raises:
        RequestError: it is not the file that was written.
    """
    named, content = read_seal(path), path.read_bytes()
    if named is not None:
        checksum = zlib.crc32 if named.kind == CRC else sum32
        _refuse_other(path, named, checksum(memoryview(content)[: -len(end_of(path.suffix))]))
    return content


def refuse_lost_seal(path: Path, description: dict[str, Any]) -> None:
    """Check that a file whose description says that it is sealed has its end.

    Raises:
        RequestError: it has lost it, and what else of it is not known.
    """
    if MARK.items() <= description.items() and read_seal(path) is None:
        raise RequestError(
            "the file is cut short or damaged: it was written with a checksum at its end, which is not there",
            where=path,
            todo=EXPORT_AGAIN,
        )


def _refuse_other(path: Path, named: Seal, found: int) -> None:
    if f"{found:08x}" != named.digits:
        beside = f", or {path.with_suffix('.bin').name} beside it is" if path.suffix == ".xml" else ""
        raise RequestError(
            f"the file is damaged or was altered{beside}: it is not what was written",
            where=path,
            expected=f"{named}, found {found:08x}",
            todo=EXPORT_AGAIN,
        )


def _checksum(path: Path, size: int, of_file: Callable[..., int]) -> int:
    """Of the first `size` bytes of a file and then of all of its `.bin`, if it is an `.xml`."""
    found = of_file(path, size)
    if path.suffix == ".xml":
        weights = path.with_suffix(".bin")
        found = of_file(weights, weights.stat().st_size, found)
    return found
