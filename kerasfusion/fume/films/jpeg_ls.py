"""JPEG-LS pictures of counts, through the optional library PyAV (FFmpeg)."""

from pathlib import Path

import numpy as np

from kerasfusion.errors import require
from kerasfusion.images.decoding import ImageError

_FRAME, _END = b"\xff\xf7", b"\xff\xd9"
_BITS = 4
"""Where the number of bits a pixel stands, from the marker of the frame on."""


def decode_jpeg_ls(data: bytes, path: Path) -> np.ndarray:
    """Decode a picture of one channel.

    Args:
        data: from its first marker on; zeros may follow its last one.
        path: of the file that it lies in, for messages.

    Returns:
        (H, W) uint16, as they were coded, whatever their number of bits.

    Raises:
        RequestError: PyAV is not installed.
        ImageError: another kind of JPEG, one that is cut, or damaged.
    """
    av = require("av", extra="video")
    frame = data.find(_FRAME)
    if frame < 0 or frame + _BITS >= len(data):
        raise _unreadable("it is no JPEG-LS", path)
    if not data.rstrip(b"\0").endswith(_END):  # the decoder takes what is missing for zeros
        raise _unreadable("its end is missing", path)
    try:
        decoder = av.CodecContext.create("jpegls", "r")
        pictures = decoder.decode(av.Packet(data))
        counts = pictures[0].to_ndarray() if pictures else None
    except (av.error.FFmpegError, ValueError) as error:
        raise _unreadable(str(error), path) from error
    if counts is None or counts.ndim != 2:
        raise _unreadable("it has no channel, or several", path)
    # FFmpeg moves numbers of 9 to 15 bits up to 16, of fewer than 8 up to 8.
    return counts.astype(np.uint16) >> (8 * counts.dtype.itemsize - data[frame + _BITS])


def _unreadable(why: str, path: Path) -> ImageError:
    return ImageError(
        f"a frame's JPEG-LS cannot be read: {why}",
        where=path,
        todo="copy the film from the camera again, or export it in the camera's program as a TIFF of 16 bits",
    )
