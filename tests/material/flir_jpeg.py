"""A FLIR radiometric JPEG as the cameras lay it out (exiftool's FLIR tag tables), with counts that are known."""

import io
import struct

import numpy as np
from PIL import Image

R1, B, F, OFFSET, R2 = 14906.216, 1396.5, 1.0, -7261, 0.010956882
"""Planck constants of a camera's calibration."""
_AMBIENT = 293.15


def radiometric_jpeg(counts: np.ndarray, preview: Image.Image) -> bytes:
    """A JPEG with (H, W) uint16 counts, an emissivity of 1, no distance, so that only Planck's curve is between."""
    height, width = counts.shape
    raw = struct.pack("<HHH26x", 2, width, height) + counts.astype("<u2").tobytes()
    camera = bytearray(900)
    struct.pack_into("<ffffff", camera, 32, 1.0, 0.0, _AMBIENT, _AMBIENT, _AMBIENT, 1.0)
    struct.pack_into("<f", camera, 60, 0.5)
    struct.pack_into("<fff", camera, 88, R1, B, F)
    struct.pack_into("<fffff", camera, 112, 0.006569, 0.01262, -0.002276, -0.00667, 1.9)
    struct.pack_into("<if", camera, 776, OFFSET, R2)
    slots = 4
    first = 64 + slots * 32
    records = [(1, 2, first, raw), (32, 1, first + len(raw), bytes(camera))]
    head = struct.pack(">4s16sIIII", b"FFF\0", b"test", 100, 64, slots, 2).ljust(64, b"\0")
    rows = b"".join(
        struct.pack(">HHIIII12x", kind, subkind, 100, 1, place, len(body)) for kind, subkind, place, body in records
    )
    body = head + rows.ljust(slots * 32, b"\0") + raw + bytes(camera)
    written = io.BytesIO()
    preview.save(written, "JPEG")
    jpeg = written.getvalue()
    segment = b"FLIR\0\1\0\0" + body
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def celsius_of(counts: np.ndarray) -> np.ndarray:
    """Planck's curve as FLIR cameras write it: T = B / ln(R1 / (R2 (S + O)) + F)."""
    return B / np.log(R1 / (R2 * (counts.astype(np.float64) + OFFSET)) + F) - 273.15
