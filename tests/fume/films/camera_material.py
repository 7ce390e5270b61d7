"""FLIR films as the cameras lay them out (exiftool's FLIR tag tables), with counts and times that are known."""

import base64
import io
import struct

import numpy as np
from PIL import Image

BEGIN = 1_700_000_000
"""Seconds since 1970 of the first frame."""
RAMP = (12_000 + 150 * np.mgrid[:6, :10][0] + 37 * np.mgrid[:6, :10][1]).astype(np.uint16)
"""(6, 10) counts that are coded below."""
LOSSLESS = base64.b64decode(
    "/9j/6AAgU1BJRkYAAgAAAQAAAAYAAAAKChAGAQAAASwAAAEs/+gACAAAAAH/2P/3AAsQAAYACgEBEQD/+AANAf//ABIAQwEUAED/2gAIAQEAAAAA"
    "AAAAt/EmI8iyHQZ/PZ3OaWRKiRI0iUKgT6eRKpZOpxbWllYV1ZEilVVUU1JRUE9PSNlE5atWLFitWkTJqlSpUpUqVKhA/9k="
)
NEAR = base64.b64decode(
    "/9j/6AAgU1BJRkYAAgAAAQAAAAYAAAAKChAGAQAAASwAAAEs/+gACAAAAAH/2P/3AAsQAAYACgEBEQD/+AANAf//AB4AVwEwAED/2gAIAQEABAAA"
    "AAAHTDx4888s8taKIkSKJqJqIiita1rUtSRQWpSlKVkjFWVlVlUYKqsqqqb/2Q=="
)
"""RAMP in JPEG-LS by CharLS 2.4.3, as it is and with at most 4 counts of loss."""


def raw(counts, order="<"):
    """The counts as they are."""
    return counts.astype(f"{order}u2").tobytes()


def png(counts, swapped=True):
    """The counts as PNG, the bytes of each the other way round, as most cameras write it, or not."""
    written = io.BytesIO()
    Image.fromarray(counts.byteswap() if swapped else counts).save(written, "PNG")
    return written.getvalue()


def camera_record(time=None, rate=0, order="<"):
    """What the camera says of itself: when the frame was taken, and how many a second it takes."""
    record = bytearray(0x470)
    struct.pack_into(f"{order}H", record, 0, 2)
    if time is not None:
        thousandths = round(1000 * time)
        struct.pack_into(
            f"{order}II", record, 0x384, BEGIN + thousandths // 1000, 0xABCD0000 | thousandths % 1000
        )  # the upper half of the second is something else
    struct.pack_into(f"{order}H", record, 0x464, rate)
    return bytes(record)


def fff(counts, time=None, rate=0, body=None, order="<", header=">", length=True, after=b"", camera=True):
    """One frame.

    Args:
        counts: (H, W) uint16.
        time, rate: of the camera's record.
        body: the counts as they are written; None writes them as they are.
        order, header: byte orders of the records' bodies, and of header and directory.
        length: whether the header has the frame's length.
        after: what is written after the last record.
        camera: whether there is a camera's record.
    """
    height, width = counts.shape
    body = raw(counts, order) if body is None else body
    records = [(1, struct.pack(f"{order}HHH26x", 2, width, height) + body)]
    records += [(0x20, camera_record(time, rate, order))] * camera
    slots, place, rows, data = 5, 64 + 5 * 32, b"", b""
    for kind, content in records:
        rows += struct.pack(f"{header}HHIIII12x", kind, 2, 100, 1, place + len(data), len(content))
        data += content
    head = bytearray(struct.pack(f"{header}4s16sIIII", b"FFF\0", b"test", 101, 64, slots, 2).ljust(64, b"\0"))
    if length:
        struct.pack_into(f"{header}I", head, 0x34, place + len(data) + len(after))
    return bytes(head) + rows.ljust(slots * 32, b"\0") + data + after


def write_seq(path, frames, rate=10, **how):
    """Write (H, W) uint16 frames with their times."""
    path.write_bytes(b"".join(fff(frame, number / rate, **how) for number, frame in enumerate(frames)))
    return path
