"""The picture of a generated street: a pinhole camera over flat ground, and the colours that are drawn with it."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, int, int]
WHITE, BLACK, TYRE, GLASS = (238, 238, 234), (28, 28, 30), (24, 24, 26), (70, 92, 110)


@dataclass(frozen=True)
class Canvas:
    """A pinhole camera over flat ground, and the picture that it draws on; lengths in metres, results in pixels."""

    draw: ImageDraw.ImageDraw
    size: tuple[int, int]
    horizon: float
    vanish_x: float
    focal: float
    eye_height: float

    def project(self, x: float, up: float, z: float) -> tuple[float, float]:
        """Pixel (column, row) of the point x to the right, up above the ground and z ahead."""
        return self.vanish_x + self.focal * x / z, self.horizon + self.focal * (self.eye_height - up) / z

    def polygon(self, points: list[tuple[float, float, float]], fill: Colour) -> None:
        """Filled polygon through points (x, up, z)."""
        self.draw.polygon([self.project(*point) for point in points], fill=fill)

    def flat(self, x: float, z: float, points: list[tuple[float, float]], fill: Colour) -> None:
        """Filled polygon in the plane that faces the camera at z; points are (right of x, up)."""
        self.polygon([(x + right, up, z) for right, up in points], fill)

    def box(self, x: float, z: float, left: float, right: float, low: float, high: float, fill: Colour) -> None:
        """Filled rectangle in the plane that faces the camera at z."""
        self.flat(x, z, [(left, low), (right, low), (right, high), (left, high)], fill)

    def disc(self, x: float, up: float, z: float, radius: float, fill: Colour, squeeze: float = 1.0) -> None:
        """Filled ellipse around (x, up, z), its height squeeze times its width."""
        column, row = self.project(x, up, z)
        wide = self.focal * radius / z
        high = wide * squeeze
        self.draw.ellipse((column - wide, row - high, column + wide, row + high), fill=fill)

    def ground(self, near: float, far: float, left: float, right: float, fill: Colour) -> None:
        """Filled rectangle lying on the ground."""
        self.polygon([(left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)], fill)

    def shadow(self, x: float, z: float, half_width: float) -> None:
        """The dark patch under an object, without which it floats."""
        self.disc(x, 0.0, z, half_width, (58, 58, 62), squeeze=0.18)


# Where an object stands (x, z in metres) and the function that paints it.
Placed = tuple[float, float, Callable[[Canvas, float, float, np.random.Generator], None]]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """8-bit RGB of a colour given in 0..1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def warm(rng: np.random.Generator) -> Colour:
    """A red, orange or amber: what roadwork objects and their look-alikes both draw from, so that hue tells nothing."""
    return hsv(rng.uniform(-0.01, 0.12), rng.uniform(0.75, 1.0), rng.uniform(0.75, 1.0))


def dull(rng: np.random.Generator) -> Colour:
    """A weak colour of any hue."""
    return hsv(rng.random(), rng.uniform(0.0, 0.35), rng.uniform(0.3, 0.9))


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor < 1) or lighter."""
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue
