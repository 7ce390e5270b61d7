"""The gas of a generated picture: Gaussian puffs that leave the tube's mouth, drift, widen and break up."""

import numpy as np

from kerasfusion.fume.plumes.noise import smooth_noise
from kerasfusion.fume.plumes.scene import Scene

PUFFS, EDDIES = 72, 200
STEPS = 96
REACH = 3.7  # a Gaussian is at 0.001 there
# Optical depth at the mouth, how strongly turbulence tears it, and octaves of turbulence.
LOOK = {"co2": (1.9, 0.55, 5), "ch4": (1.35, 0.35, 3)}


def optical_depth(scene: Scene, gas: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Optical depth of the gas, (H, W) float32, 0 or more; the tube enters by the left border."""
    at_mouth, tearing, octaves = LOOK[gas]
    path = plume_path(scene, rng)
    depth = blobs(*drifting_puffs(scene, path), shape) * np.float32(0.55)
    depth += blobs(*eddies(scene, path, rng), shape) * np.float32(0.6)
    turbulence = smooth_noise(rng, shape, 0.22, octaves)
    return depth * np.exp(np.float32(tearing) * turbulence) * np.float32(at_mouth)


def plume_path(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Points of the plume's middle line from the mouth on, (STEPS, 2) x and y, at equal distances."""
    along = np.linspace(0, 1, STEPS)
    knots = np.concatenate([[0.0, 0.0], rng.normal(0, np.radians(9), 5)])
    meander = np.interp(along, np.linspace(0, 1, len(knots)), knots)
    angle = scene.tilt + scene.plume.rise * along**1.1 + meander
    step = scene.plume.length / (STEPS - 1)
    moves = np.stack([np.cos(angle), -np.sin(angle)], axis=1) * step
    return np.array(scene.mouth) + np.concatenate([np.zeros((1, 2)), np.cumsum(moves[:-1], axis=0)])


def flow(scene: Scene, distance: np.ndarray) -> np.ndarray:
    """How much gas is on its way at these distances from the mouth, 0..1; a puff is always just leaving the mouth."""
    plume = scene.plume
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * distance / plume.spacing)
    steady = 1 - plume.pulsing * (1 - wave**3)
    share = distance / plume.length
    return steady * (1 - 0.6 * share) * np.clip((1 - share) / 0.2, 0, 1)


def half_width(scene: Scene, distance: np.ndarray) -> np.ndarray:
    """Half the plume's width at these distances; puffs bulge."""
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * distance / scene.plume.spacing)
    bulge = 1 - 0.5 * scene.plume.pulsing * (1 - wave)
    return 0.4 * scene.bore + scene.plume.opening * distance * bulge


def drifting_puffs(scene: Scene, path: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The plume's body: (PUFFS, 2) centres, (PUFFS,) radii and heights; together about `flow` high."""
    share = np.linspace(0, 1, PUFFS) ** 1.5  # closer together at the mouth, where they are small
    distance = share * scene.plume.length
    radius = 0.6 * half_width(scene, distance)
    height = flow(scene, distance) * np.gradient(distance) / (radius * np.sqrt(2 * np.pi))
    return along_path(path, share), radius, np.minimum(height, 1.0)


def eddies(scene: Scene, path: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Small puffs thrown about the body, which give it its lumps: centres, radii and heights."""
    share = rng.random(EDDIES)
    distance = share * scene.plume.length
    width = half_width(scene, distance)
    centre = along_path(path, share) + rng.normal(0, 0.45, (EDDIES, 2)) * width[:, None]
    return centre, width * rng.uniform(0.2, 0.45, EDDIES), flow(scene, distance) * rng.uniform(0.0, 0.6, EDDIES)


def along_path(path: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Points of the path at these shares of its length, (K, 2)."""
    at = np.linspace(0, 1, len(path))
    return np.stack([np.interp(share, at, path[:, axis]) for axis in (0, 1)], axis=1)


def blobs(centre: np.ndarray, radius: np.ndarray, height: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Sum of round Gaussians, each up to REACH radii from its centre, (H, W) float32.

    exp(-(x^2 + y^2) / 2r^2) is a factor per column times a factor per row. One product of matrices would do for all,
    but its threads get in the way of those that draw the other pictures, and most blobs are small.
    """
    rows, columns = pixel_centres(shape)
    down, top, bottom = _along(rows, centre[:, 1], radius)
    across, left, right = _along(columns, centre[:, 0], radius)
    down, across = (height[:, None] * down).astype(np.float32), across.astype(np.float32)
    total = np.zeros(shape, np.float32)
    for each, (y, y_end, x, x_end) in enumerate(zip(top, bottom, left, right, strict=True)):
        total[y:y_end, x:x_end] += down[each, y:y_end, None] * across[each, x:x_end]
    return total


def _along(at: np.ndarray, middle: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each Gaussian along one axis, (K, len(at)), and between which indices it lies."""
    factor = np.exp(-(((at - middle[:, None]) / radius[:, None]) ** 2) / 2)
    return factor, *np.searchsorted(at, (middle - REACH * radius, middle + REACH * radius))


def pixel_centres(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """y of each row and x of each column, in shares of the height."""
    height, width = shape
    return (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / height
