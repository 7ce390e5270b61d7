"""Pixels to a PNG file."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.files.writing import write_file


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W) or (H, W, 3) uint8 as a PNG, in one step.

    Raises:
        KerasFusionError: the file cannot be written.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write_file(path, buffer.getvalue())
