"""The texts that an ONNX file holds about itself, without opening its graph, which takes seconds and every weight.

The file is one protobuf message, ModelProto of onnx.proto: fields of a number and a kind, one after the other
(protobuf.dev, "Encoding").
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2
"""Numbers of the fields: of ModelProto, and of each StringStringEntryProto in it."""
_NUMBER, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
"""Kinds of field."""


def read_metadata(path: Path) -> dict[str, str]:
    """The file's metadata_props.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is cut short, not a message of protobuf, or its texts are no UTF-8.
    """
    with path.open("rb") as file:
        entries = [dict(_fields(io.BytesIO(entry), _KEY, _VALUE)) for _, entry in _fields(file, _METADATA_PROPS)]
    return {entry.get(_KEY, b"").decode(): entry.get(_VALUE, b"").decode() for entry in entries}


def _fields(stream: BinaryIO, *wanted: int) -> Iterator[tuple[int, bytes]]:
    """The fields of bytes with one of these numbers; all others are stepped over, not read."""
    end = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    while stream.tell() < end:
        number, kind = divmod(_varint(stream), 8)
        if kind == _NUMBER:
            _varint(stream)
            continue
        sizes = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
        size = _varint(stream) if kind == _BYTES else sizes.get(kind)
        if number == 0 or size is None:
            raise ValueError("not a message of protobuf")
        if size > end - stream.tell():
            raise ValueError("it ends in the middle of a field")
        if kind == _BYTES and number in wanted:
            yield number, stream.read(size)
        else:
            stream.seek(size, io.SEEK_CUR)


def _varint(stream: BinaryIO) -> int:
    """A number of up to 64 bits: seven a byte, the lowest first, until one without the upper bit."""
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            raise ValueError("it ends in the middle of a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number of more than 64 bits")
