"""The counts of one frame of a FLIR film: as they are, as PNG, or in JPEG-LS, which newer cameras write."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.fume.films.fff_container import byte_order
from kerasfusion.fume.films.jpeg_ls import decode_jpeg_ls
from kerasfusion.images.decoding import MAX_PIXELS, ImageError

_BEFORE = 32
"""Bytes of the record before the counts: its byte order, width, height, and more that is not needed."""
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


def counts_of(record: bytes, path: Path) -> np.ndarray:
    """The counts of a record of type RAW.

    Args:
        record: as it lies in the file.
        path: of the film, for messages.

    Returns:
        (H, W) uint16.

    Raises:
        RequestError: JPEG-LS, and PyAV is not installed.
        ImageError: they are written in another way, damaged, or of another size than the record says.
    """
    order = byte_order(record)
    if len(record) < _BEFORE:
        raise _unknown(f"a frame has {len(record)} bytes of counts", path)
    width, height = struct.unpack_from(f"{order}HH", record, 2)
    if not 0 < width * height <= MAX_PIXELS:
        raise _unknown(f"a frame is said to be of {width} x {height} pixels", path)
    body = record[_BEFORE:]
    if body.startswith(_JPEG):
        counts = decode_jpeg_ls(body, path)
    elif body.startswith(_PNG):
        counts = _of_png(body, path)
    elif len(body) == 2 * width * height:
        counts = np.frombuffer(body, f"{order}u2").reshape(height, width).astype(np.uint16)
    else:
        raise _unknown(f"a frame of {width} x {height} pixels has {len(body):,} bytes of counts", path)
    if counts.shape != (height, width):
        raise _unknown(f"a frame of {width} x {height} pixels holds a picture of {counts.shape[::-1]}", path)
    return counts


def _of_png(body: bytes, path: Path) -> np.ndarray:
    """Most cameras write each count's bytes the other way round than PNG has it: the smoother picture counts."""
    try:
        with Image.open(io.BytesIO(body), formats=["PNG"]) as image:
            counts = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise _unknown(f"a frame's PNG cannot be read: {error}", path) from error
    if counts.ndim != 2 or counts.dtype.itemsize < 2:
        raise _unknown("a frame's PNG has no counts of 16 bits", path)
    counts = counts.astype(np.uint16)
    return min(counts, counts.byteswap(), key=_roughness)


def _roughness(counts: np.ndarray) -> float:
    return float(np.abs(np.diff(counts.astype(np.int32), axis=1)).mean()) if counts.shape[1] > 1 else 0.0


def _unknown(what: str, path: Path) -> ImageError:
    return ImageError(
        what,
        where=path,
        expected="16 bits a pixel as they are, PNG, or JPEG-LS",
        todo="copy the film from the camera again, or export it in the camera's program as a TIFF of 16 bits",
    )
