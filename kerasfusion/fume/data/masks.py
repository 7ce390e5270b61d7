"""Masks: from a network's probabilities, of both gases together, and as files."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.frames import resize_mask
from kerasfusion.images.png import write_png

GAS = PIXEL_CLASSES.index("gas")

COLOURS = np.array([[0, 0, 0], [86, 180, 233], [230, 159, 0]], np.uint8)
"""RGB of background, tube (sky blue) and gas (orange): Okabe and Ito's palette."""


def likeliest_classes(probabilities: np.ndarray, height: int, width: int) -> np.ndarray:
    """The likeliest class of each pixel of a frame's own size.

    Where the sizes differ, the probabilities are brought to the frame's size first (Pillow's BILINEAR: half-pixel
    centres; antialiased where the frame is the smaller one), and the class is chosen there.

    Args:
        probabilities: (h, w, 3) float32.
        height, width: of the frame's file, pixels.

    Returns:
        (height, width) uint8; of equally likely classes the lower one.
    """
    planes = [_resized(probabilities[..., column], height, width) for column in range(len(PIXEL_CLASSES))]
    best, mask = planes[0], np.zeros((height, width), np.uint8)
    # Plane by plane: np.argmax over a last axis of three is ten times slower.
    for column, plane in enumerate(planes[1:], start=1):
        mask[plane > best] = column
        best = np.maximum(best, plane)
    return mask


def union_of(masks: Iterable[np.ndarray]) -> np.ndarray:
    """Gas where any mask has gas, else tube where any has it, else background.

    Args:
        masks: (H, W) uint8 each; those of another size than the first are brought to it (nearest).

    Returns:
        (H, W) uint8.
    """
    first, *others = masks
    for mask in others:
        # The classes are numbered so that the larger one wins.
        first = np.maximum(first, resize_mask(mask, first.shape[1], first.shape[0]))
    return first


def plume_pixels(mask: np.ndarray) -> int:
    """Number of gas pixels of a mask."""
    return int(np.count_nonzero(mask == GAS))


def coloured(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8 classes -> (H, W, 3) uint8 RGB in COLOURS."""
    return COLOURS[mask]


def write_mask(folder: Path, name: str, mask: np.ndarray) -> Path:
    """Write a mask twice: FOLDER/masks/NAME.png with its values 0, 1, 2, and FOLDER/mask_views/NAME.png in colours.

    Args:
        folder: for results.
        name: relative path, without an ending.
        mask: (H, W) uint8.

    Returns:
        The path of the first.
    """
    path = folder / "masks" / f"{name}.png"
    write_png(path, mask)
    write_png(folder / "mask_views" / f"{name}.png", coloured(mask))
    return path


def _resized(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    if plane.shape == (height, width):
        return plane
    picture = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
