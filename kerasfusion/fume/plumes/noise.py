"""Smooth random fields: what turbulence, mottled walls and drifting light are made of."""

import numpy as np
from PIL import Image

GAIN = 0.55
"""Weight of a grid relative to the next coarser one."""


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int) -> np.ndarray:
    """Multi-octave value noise: random grids, each half as coarse as the one before, enlarged without corners.

    Args:
        rng: source of the grids; how much is drawn from it depends on `shape`, `cell` and `octaves` alone.
        shape: (H, W) of the field.
        cell: width of the coarsest grid's cells, as a share of H.
        octaves: number of grids.

    Returns:
        (H, W) float32 of mean about 0 and standard deviation about 1.
    """
    height, width = shape
    total, power = np.zeros(shape, np.float32), 0.0
    for octave in range(octaves):
        share, weight = cell / 2**octave, GAIN**octave
        grid_size = (int(width / height / share) + 2, int(1 / share) + 2)
        if octave and (grid_size[0] > width or grid_size[1] > height):
            break  # cells smaller than a pixel: that is the sensor's noise, which comes later
        grid = Image.fromarray(rng.standard_normal(grid_size[::-1], np.float32))
        total += weight * np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))
        power += weight**2
    return total / np.float32(0.7 * np.sqrt(power))  # enlarging leaves about 0.7 of a grid's deviation
