"""FLIR's radiometric JPEGs: degrees beside the picture that other programs show; read by the optional library flyr."""

import io

import numpy as np

from kerasfusion.errors import require
from kerasfusion.images.decoding import ImageError

_SEGMENT = b"FLIR\0"


def is_radiometric(data: bytes) -> bool:
    """Whether an encoded image is a JPEG with a camera's counts in it."""
    place = 2
    if not data.startswith(b"\xff\xd8\xff"):
        return False
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] not in (b"", b"\xda"):
        if data[place + 1 : place + 2] == b"\xe1" and data.startswith(_SEGMENT, place + 4):
            return True
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


def read_celsius(data: bytes) -> np.ndarray:
    """The temperatures of a radiometric JPEG, by the camera's own calibration and the settings stored in the file.

    Returns:
        (H, W) float64, degrees Celsius.

    Raises:
        RequestError: flyr is not installed.
        ImageError: the counts in the file cannot be read.
    """
    flyr = require("flyr", extra="camera")
    try:
        return np.asarray(flyr.unpack(io.BytesIO(data)).celsius, np.float64)
    # It parses without checks: what is damaged shows as any kind of error.
    except Exception as error:
        raise ImageError(
            f"the radiometric data of the FLIR JPEG cannot be read: {error}",
            todo="export the frame as a 16-bit or float TIFF with the camera's own program",
        ) from error
