"""A photo to a small square: its centre, any square of it, all of it between bars; and turning.

The rounding follows the validators' torchvision, on whose float32 arithmetic it depends which pixel is the nearest.
"""

import math

import numpy as np
from PIL import Image

from kerasfusion.images.decoding import ImageError

SIDE = 224
"""Pixels of a challenge's side."""
_BILINEAR = Image.Resampling.BILINEAR


def centre_square(photo: np.ndarray) -> np.ndarray:
    """The largest square in the middle, at SIDE x SIDE pixels.

    Args:
        photo: (H, W, 3) uint8.

    Returns:
        (SIDE, SIDE, 3) uint8, Pillow's antialiased BILINEAR.
    """
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    square = np.ascontiguousarray(photo[top : top + side, left : left + side])
    return np.asarray(Image.fromarray(square).resize((SIDE, SIDE), _BILINEAR))


def letterbox(photo: np.ndarray) -> np.ndarray:
    """The whole photo as large as it fits, in the middle of black.

    Args:
        photo: (H, W, 3) uint8.

    Returns:
        (SIDE, SIDE, 3) uint8, Pillow's antialiased BILINEAR; lengths are rounded down.

    Raises:
        ImageError: so long a strip that not one pixel of its short side would be left.
    """
    height, width = photo.shape[:2]
    scale = min(SIDE / width, SIDE / height)
    new_height, new_width = int(height * scale), int(width * scale)
    if not new_height or not new_width:
        raise ImageError(
            f"a photo of {width} x {height} pixels leaves nothing at {SIDE} x {SIDE}",
            expected=f"a longer side of at most {SIDE} times the shorter one",
        )
    framed = np.zeros((SIDE, SIDE, 3), np.uint8)
    top, left = (SIDE - new_height) // 2, (SIDE - new_width) // 2
    framed[top : top + new_height, left : left + new_width] = Image.fromarray(photo).resize(
        (new_width, new_height), _BILINEAR
    )
    return framed


def turned(photo: np.ndarray, angle: float, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """A photo turned about its middle on the same canvas, or a part of that: the nearest pixel, black where none was.

    Args:
        photo: (H, W, 3) uint8.
        angle: degrees, counter-clockwise.
        box: (top, left, height, width) of the part that is wanted; None: all.

    Returns:
        (height, width, 3) uint8.
    """
    height, width = photo.shape[:2]
    top, left, rows, columns = box or (0, 0, height, width)
    # From here on each step is rounded to float32: a half of a pixel falls to one side or the other by it.
    x = np.arange(left, left + columns, dtype=np.float32) - np.float32(width / 2 - 0.5)
    y = (np.arange(top, top + rows, dtype=np.float32) - np.float32(height / 2 - 0.5))[:, None]
    radians = math.radians(-angle)
    cos, sin = np.float32(math.cos(radians)), np.float32(math.sin(radians))
    half_width, half_height = np.float32(width / 2), np.float32(height / 2)
    column = _pixel(x * (cos / half_width) + y * (sin / half_width), half_width)
    row = _pixel(x * (-sin / half_height) + y * (cos / half_height), half_height)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    picture = photo[np.where(inside, row, 0), np.where(inside, column, 0)]
    picture[~inside] = 0
    return picture


def _pixel(place: np.ndarray, half: np.float32) -> np.ndarray:
    """The nearest pixel's number for places from -1 to 1 along a side of 2 x half pixels."""
    return np.rint((place + np.float32(1)) * half - np.float32(0.5)).astype(np.int32)


def shrunk(square: np.ndarray) -> np.ndarray:
    """A square to SIDE x SIDE pixels, antialiased bilinear in floating point and then cut to whole levels.

    Args:
        square: (S, S, 3) uint8.

    Returns:
        (SIDE, SIDE, 3) uint8. Levels are rounded down, as the validators do here and Pillow's own resizing does not.
    """
    planes = square.astype(np.float32) / np.float32(255)
    resized = [np.asarray(Image.fromarray(planes[..., i]).resize((SIDE, SIDE), _BILINEAR)) for i in range(3)]
    return (np.stack(resized, axis=-1) * np.float32(255)).astype(np.uint8)
