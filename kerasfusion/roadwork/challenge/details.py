"""Distortions of detail: coarse resampling and blur, in OpenCV's fixed-point arithmetic, so that levels are its own."""

import numpy as np

RESAMPLING = {1: 2, 2: 3}
"""By severity: by what both sides are divided before they are enlarged again."""
BLUR = {1: (3, 20, 61, 88, 61, 20, 3), 2: (2, 9, 28, 55, 68, 55, 28, 9, 2)}
"""By severity: the Gaussian of 7 or 9 pixels with a sixth of that as its deviation, in 256ths."""
_ONE = 2048
"""What stands for a weight of 1 in bilinear resampling."""


def resampled(picture: np.ndarray, severity: int) -> np.ndarray:
    """(H, W, 3) uint8 with a half (1) or a third (2) of the pixels a side: bilinear down, without antialias, and up."""
    height, width = picture.shape[:2]
    parts = RESAMPLING[severity]
    return _bilinear(_bilinear(picture, height // parts, width // parts), height, width)


def blurred(picture: np.ndarray, severity: int) -> np.ndarray:
    """(H, W, 3) uint8 after a Gaussian of 7 (1) or 9 (2) pixels; the picture is mirrored at its border pixels."""
    weights = BLUR[severity]
    margin = len(weights) // 2
    wide = np.pad(picture.astype(np.int32), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    for axis in (0, 1):
        length = picture.shape[axis]
        wide = sum(weight * wide.take(range(i, i + length), axis) for i, weight in enumerate(weights))
    return ((wide + (1 << 15)) >> 16).astype(np.uint8)


def _bilinear(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8: each pixel from the two nearest of each direction, as OpenCV rounds them."""
    before, after, weight_before, weight_after = _neighbours(picture.shape[1], width)
    levels = picture.astype(np.int32)
    rows = levels[:, before] * weight_before[:, None] + levels[:, after] * weight_after[:, None]
    before, after, weight_before, weight_after = _neighbours(picture.shape[0], height)
    above = (rows[before] >> 4) * weight_before[:, None, None] >> 16
    below = (rows[after] >> 4) * weight_after[:, None, None] >> 16
    return ((above + below + 2) >> 2).astype(np.uint8)


def _neighbours(length: int, new_length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The two pixels around each new one, the border pixel repeated, and their weights, _ONE in all."""
    places = ((np.arange(new_length) + 0.5) * (length / new_length) - 0.5).astype(np.float32)
    before = np.floor(places)
    share = places - before
    weights = [np.rint(part * np.float32(_ONE)).astype(np.int32) for part in (np.float32(1) - share, share)]
    pixels = [np.clip(before + step, 0, length - 1).astype(np.int32) for step in (0, 1)]
    return pixels[0], pixels[1], weights[0], weights[1]
