"""What is in a generated picture besides gas: wall, light, tube and bottle, things that distract, and the camera."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kerasfusion.fume.plumes.gas import blobs, pixel_centres
from kerasfusion.fume.plumes.noise import smooth_noise
from kerasfusion.fume.plumes.scene import Scene


@dataclass(frozen=True)
class Look:
    """How a camera shows things, in grey levels.

    Attributes:
        wall: level of the background.
        gas: what dense gas adds to it; negative where gas looks dark.
        solid: level of the tube.
        light: what uneven light adds to the wall at most.
        noise: standard deviation of a pixel.
        stripes: standard deviation of a column.
    """

    wall: float
    gas: float
    solid: float
    light: float
    noise: float
    stripes: float


def look_of(gas: str, rng: np.random.Generator) -> Look:
    """A camera's settings: CO2 as faint dark gas before a light wall or bright before a dark one, CH4 dark before grey.

    Levels and contrasts are drawn without a glance at the state, so that brightness does not tell it.
    """
    noise = rng.uniform(0.6, 2.2)
    if gas == "ch4":
        return Look(rng.uniform(75, 140), -rng.uniform(28, 48), rng.uniform(8, 40), rng.uniform(20, 60), noise, 0.9)
    if rng.random() < 0.65:
        return Look(rng.uniform(195, 225), -rng.uniform(28, 60), rng.uniform(60, 150), rng.uniform(4, 18), noise, 0.3)
    return Look(rng.uniform(12, 60), rng.uniform(70, 150), rng.uniform(190, 245), rng.uniform(5, 25), noise, 0.3)


def wall(look: Look, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """The background, (H, W) float32: a level with a gradient, a lighter side, a vignette, mottling, soft spots."""
    rows, columns = pixel_centres(shape)
    aspect = shape[1] / shape[0]
    slope = rng.normal(0, 0.5, 2)
    picture = slope[0] * (rows[:, None] - 0.5) + slope[1] * (columns[None, :] / aspect - 0.5)
    edge, softness = rng.uniform(0.15, 0.45) * aspect, rng.uniform(0.04, 0.15)
    picture = picture + rng.uniform(-0.3, 1.0) / (1 + np.exp((columns[None, :] - edge) / softness))
    distance = (rows[:, None] - 0.5) ** 2 + (columns[None, :] - aspect / 2) ** 2
    picture = picture - rng.uniform(0.0, 0.8) * distance
    picture = picture + 0.12 * smooth_noise(rng, shape, 0.5, 2)
    level = look.wall + look.light * picture + rng.uniform(0.2, 1.6) * smooth_noise(rng, shape, 0.06, 3)
    return (level + soft_spots(look, shape, rng)).astype(np.float32)


def soft_spots(look: Look, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Warm or cool spots on the wall: as soft as gas, but round and not at the tube."""
    count = int(rng.integers(0, 3))
    centre = rng.uniform(0, 1, (count, 2)) * (shape[1] / shape[0], 1.0)
    sign = rng.choice([-1.0, 1.0], count)
    return blobs(centre, rng.uniform(0.03, 0.12, count), sign * rng.uniform(0.1, 0.25, count) * abs(look.gas), shape)


def tube_outline(scene: Scene) -> list[tuple[float, float]]:
    """Corners of the tube, from beyond the left border to the mouth."""
    along = np.array([np.cos(scene.tilt), -np.sin(scene.tilt)])
    across = np.array([-along[1], along[0]]) * scene.bore / 2
    mouth, back = np.array(scene.mouth), np.array(scene.mouth) - along * (scene.mouth[0] / along[0] + 0.2)
    return [tuple(point) for point in (mouth + across, mouth - across, back - across, back + across)]


def bottle_outline(scene: Scene) -> list[tuple[float, float]]:
    """Corners of the bottle's shoulder and body, between the border and half the neck's length."""
    along = np.array([np.cos(scene.tilt), -np.sin(scene.tilt)])
    across = np.array([-along[1], along[0]]) * scene.bore
    shoulder = np.array(scene.mouth) - along * scene.mouth[0] * 0.55
    body, back = shoulder - along * 0.06, shoulder - along * 0.6
    corners = (shoulder + across * 0.6, shoulder - across * 0.6, body - across * 2.6, back - across * 2.6)
    return [tuple(point) for point in (*corners, back + across * 2.6, body + across * 2.6)]


def coverage(outline: list[tuple[float, float]], shape: tuple[int, int], oversampling: int = 4) -> np.ndarray:
    """How much of each pixel a polygon covers, (H, W) float32 0..1."""
    height, width = shape
    image = Image.new("L", (width * oversampling, height * oversampling))
    scale = height * oversampling
    ImageDraw.Draw(image).polygon([(x * scale, y * scale) for x, y in outline], fill=255)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float32) / 255


def cover(picture: np.ndarray, share: np.ndarray, level: float | np.ndarray) -> np.ndarray:
    """Paint a level over the covered share of each pixel."""
    return picture + share * (np.float32(level) - picture)


def things(look: Look, shape: tuple[int, int], rng: np.random.Generator) -> list[tuple[np.ndarray, float]]:
    """Up to two things that stand around, away from the tube's border: (coverage, level) each."""
    aspect, found = shape[1] / shape[0], []
    for _ in range(int(rng.integers(0, 3))):
        x, lean, thick = rng.uniform(0.45, 0.98) * aspect, rng.normal(0, 0.1), rng.uniform(0.006, 0.02)
        if rng.random() < 0.5:  # a cable from top to bottom
            outline = [(x, -0.1), (x + thick, -0.1), (x + thick + lean, 1.1), (x + lean, 1.1)]
        else:  # a dark wedge, such as the edge of a shelf, in a lower corner
            outline = [
                (aspect * rng.uniform(0.86, 0.95), 1.1),
                (aspect + 0.1, 1.1),
                (aspect + 0.1, rng.uniform(0.5, 0.9)),
            ]
        found.append((coverage(outline, shape, 2), look.wall + (look.solid - look.wall) * rng.uniform(0.25, 1.0)))
    return found


def sensor(picture: np.ndarray, look: Look, rng: np.random.Generator) -> np.ndarray:
    """What lens and sensor do: blur, noise, column stripes; (H, W) uint8."""
    height, width = picture.shape
    radius = rng.uniform(0.0, 1.4) * height / 480
    smooth = Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    noisy = np.asarray(smooth, np.float32) + look.noise * rng.standard_normal((height, width), np.float32)
    noisy += look.stripes * rng.standard_normal((1, width), np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def overlay(frame: np.ndarray, rng: np.random.Generator) -> None:
    """Burn the camera's marks into some frames: a logo in a lower corner, a scale bar at the right."""
    height, width = frame.shape
    if rng.random() < 0.3:
        side, top = max(1, height // 40), int(height * 0.93)
        for k, letter in enumerate(rng.integers(1, 512, int(rng.integers(3, 6)))):
            dots = np.array([[letter >> (3 * row + column) & 1 for column in range(3)] for row in range(3)], np.uint8)
            block = np.kron(dots, np.ones((max(1, side // 3 * 2), max(1, side // 3)), np.uint8)) * 235
            left = int(width * 0.02) + k * (block.shape[1] + 2)
            part = frame[top : top + block.shape[0], left : left + block.shape[1]]
            part[...] = np.maximum(part, block[: part.shape[0], : part.shape[1]])
    if rng.random() < 0.25:
        top, bottom, left = int(height * 0.12), int(height * 0.88), int(width * 0.97)
        frame[top:bottom, left : left + max(1, width // 80)] = np.linspace(250, 10, bottom - top).astype(np.uint8)[
            :, None
        ]
