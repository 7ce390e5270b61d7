"""Augmented copies of a generated picture: one geometry for the frame and its mask, then another brightness."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from kerasfusion.fume.plumes.picture import Picture
from kerasfusion.fume.plumes.scene import generator


@dataclass(frozen=True)
class Geometry:
    """Where a copy's pixels come from.

    Attributes:
        flip: mirror left and right, before the rest.
        angle: turn about the middle in radians, counterclockwise as seen.
        shift: move to the right and down, as shares of the height.
    """

    flip: bool
    angle: float
    shift: tuple[float, float]


def geometry_of(seed: int, original_id: str, copy: int) -> Geometry:
    """The geometry of copy 1, 2, ... of an original: the same for both gases, so that pairs of copies fit together.

    One copy in four is flipped alone, and so has its original's pixels unchanged.
    """
    rng = generator(seed, original_id, "copy", str(copy))
    flip, angle, shift = bool(rng.random() < 0.5), rng.uniform(-1, 1) * np.radians(12), rng.uniform(-0.06, 0.06, 2)
    if rng.random() < 0.25:
        return Geometry(True, 0.0, (0.0, 0.0))
    return Geometry(flip, float(angle), (float(shift[0]), float(shift[1])))


def augmented_copy(picture: Picture, seed: int, original_id: str, gas: str, copy: int) -> Picture:
    """Copy 1, 2, ... of a picture: `geometry_of`, then contrast 0.85..1.15 and brightness -20..20 of this gas."""
    moved = move(picture, geometry_of(seed, original_id, copy))
    rng = generator(seed, original_id, gas, "copy", str(copy))
    contrast, brightness = rng.uniform(0.85, 1.15), rng.uniform(-20, 20)
    levels = (np.arange(256) - 128) * contrast + 128 + brightness
    return Picture(np.clip(np.rint(levels), 0, 255).astype(np.uint8)[moved.frame], moved.mask)


def move(picture: Picture, geometry: Geometry) -> Picture:
    """Flip, turn and shift a frame (bilinear) and its mask (nearest); beyond the border both go on mirrored."""
    frame, mask = picture.frame, picture.mask
    if geometry.flip:
        frame, mask = frame[:, ::-1], mask[:, ::-1]
    if geometry.angle == 0 and geometry.shift == (0.0, 0.0):
        return Picture(np.ascontiguousarray(frame), np.ascontiguousarray(mask))
    return Picture(_turn(frame, geometry, Image.Resampling.BILINEAR), _turn(mask, geometry, Image.Resampling.NEAREST))


def _turn(pixels: np.ndarray, geometry: Geometry, how: Image.Resampling) -> np.ndarray:
    height, width = pixels.shape
    margin = max(height, width) // 5 + 2  # more than 12 degrees and a shift of 6 % need up to an aspect of 2:1
    padded = Image.fromarray(np.pad(pixels, margin, mode="symmetric"))
    cos, sin = np.cos(geometry.angle), np.sin(geometry.angle)
    # A pixel (x, y) of the copy, from the middle and with the shift taken back, comes from its rotation.
    x, y = -width / 2 - geometry.shift[0] * height, -height / 2 - geometry.shift[1] * height
    start = (cos * x - sin * y + width / 2 + margin, sin * x + cos * y + height / 2 + margin)
    matrix = (cos, -sin, start[0], sin, cos, start[1])
    return np.asarray(padded.transform((width, height), Image.Transform.AFFINE, matrix, how))
