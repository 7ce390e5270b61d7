"""Generated pictures of an optical-gas-imaging camera: a tube, a plume of one gas, and the mask of both.

Data for the demo and for trying the commands offline. How well a network does on them says nothing about rumens.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.plumes.backdrop import (
    bottle_outline,
    cover,
    coverage,
    look_of,
    overlay,
    sensor,
    things,
    tube_outline,
    wall,
)
from kerasfusion.fume.plumes.gas import optical_depth
from kerasfusion.fume.plumes.scene import Scene, as_seen, generator, scene_of

VISIBLE = 0.15
"""Share of the light that gas must take away (or add) to be marked; about as faint as people still outline it."""

TUBE, GAS = PIXEL_CLASSES.index("tube"), PIXEL_CLASSES.index("gas")


@dataclass(frozen=True)
class Picture:
    """A frame and what is where in it.

    Attributes:
        frame: (H, W) uint8 grey levels.
        mask: (H, W) uint8: 0 background, 1 tube, 2 gas.
    """

    frame: np.ndarray
    mask: np.ndarray


def draw_picture(seed: int, original_id: str, gas: str, ph: float, size: tuple[int, int] = (640, 480)) -> Picture:
    """Draw one gas of an original.

    The picture depends on the arguments alone; those of both gases of an original show the same tube and the same
    flow. Tube wins over gas: it is opaque and the gas rises behind it.

    Args:
        seed: 0 or more.
        original_id: any name.
        gas: "co2" or "ch4".
        ph: 5.0..6.5; decides how the plume behaves (`scene.plume_at`).
        size: width and height in pixels.
    """
    rng = generator(seed, original_id, gas)
    scene = as_seen(scene_of(seed, original_id, ph), gas, rng)
    shape = (size[1], size[0])
    look = look_of(gas, rng)
    opacity = 1 - np.exp(-optical_depth(scene, gas, shape, rng))
    tube = coverage(tube_outline(scene), shape)
    picture = wall(look, shape, rng)
    for share, level in things(look, shape, rng):
        picture = cover(picture, share, level)
    picture += np.float32(look.gas) * opacity
    if scene.bottle:
        picture = cover(picture, coverage(bottle_outline(scene), shape), look.solid * 0.8)
    picture = cover(picture, tube, tube_levels(look.solid, scene, shape))
    frame, mask = sensor(picture, look, rng), mask_of(opacity, tube)
    if scene.mirrored:
        frame, mask = frame[:, ::-1].copy(), mask[:, ::-1].copy()
    overlay(frame, rng)
    return Picture(frame, mask)


def mask_of(opacity: np.ndarray, tube: np.ndarray) -> np.ndarray:
    """Mask from the gas's opacity (0..1) and the tube's coverage (0..1), each (H, W); as smooth as drawn by hand."""
    height = opacity.shape[0]
    smooth = Image.fromarray((opacity * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(height / 160))
    mask = np.where(np.asarray(smooth) > VISIBLE * 255, np.uint8(GAS), np.uint8(0))
    return np.where(tube >= 0.5, np.uint8(TUBE), mask)


def tube_levels(level: float, scene: Scene, shape: tuple[int, int]) -> np.ndarray:
    """Grey levels of the tube, (1, W): ribs along it, as real nozzles and fittings have."""
    x = (np.arange(shape[1]) + 0.5) / shape[0]
    ribs = np.sin(2 * np.pi * x / (0.7 * scene.bore))
    return (level * (1 + 0.12 * ribs))[None, :].astype(np.float32)
