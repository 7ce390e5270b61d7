"""Metadata of pictures, also such as no program should write."""

import struct
import zlib


def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
    """An entry of an EXIF directory in big-endian order; `value` has 4 bytes."""
    return struct.pack(">HHI4s", tag, kind, count, value)


def exif(orientation: int, *odd: bytes) -> bytes:
    """An EXIF block in big-endian order: the orientation and odd entries."""
    entries = sorted([entry(0x0112, 3, 1, struct.pack(">HH", orientation, 0)), *odd])
    ifd = struct.pack(">H", len(entries)) + b"".join(entries) + bytes(4)
    return b"Exif\0\0" + b"MM\0*" + struct.pack(">I", 8) + ifd


def chunk(kind: bytes, body: bytes, is_whole: bool = True) -> bytes:
    """A PNG's chunk; without `is_whole` its CRC is wrong."""
    crc = zlib.crc32(kind + body) ^ (not is_whole)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def with_chunk(png: bytes, odd: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    return png[:33] + odd + png[33:]
