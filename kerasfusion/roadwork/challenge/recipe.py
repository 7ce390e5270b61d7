"""What is drawn for one challenge: angle, part of the photo, severities; the noise is drawn as it is added."""

import math
from dataclasses import dataclass, field

import numpy as np

from kerasfusion.roadwork.challenge.kinds import Kind

LARGEST_ANGLE = 20.0
"""Degrees, either way."""
SMALLEST_SHARE = 0.2
"""Of the photo's area that a crop of levels 1 to 3 has; the largest is all, as far as a square of it fits in."""
_TRIES = 10

MILD = ("saturation", "contrast", "resampling")
STRONG = (*MILD, "noise", "blur")
_DISTORTIONS = {2: (MILD, 1), 3: (STRONG, 2)}
"""By level: what is distorted, in the order in which it is done, and the largest severity."""


@dataclass(frozen=True)
class Recipe:
    """How one challenge is made.

    Attributes:
        kind: its kind.
        angle: degrees by which it is turned, counter-clockwise; None: not turned.
        box: (top, left, side) in pixels of the turned photo, for a crop of levels 1 to 3; else None.
        severities: {distortion: 0, 1 or 2}, in the order in which they are done; 0 leaves the picture as it is.
    """

    kind: Kind
    angle: float | None = None
    box: tuple[int, int, int] | None = None
    severities: dict[str, int] = field(default_factory=dict)


def draw_recipe(kind: Kind, height: int, width: int, stream: np.random.Generator) -> Recipe:
    """Draw how a photo of `height` x `width` pixels becomes a challenge of this kind."""
    if kind.level == 0:
        return Recipe(kind)
    angle = float(stream.uniform(-LARGEST_ANGLE, LARGEST_ANGLE))
    box = _draw_box(height, width, stream) if kind.layout == "crop" else None
    names, most = _DISTORTIONS.get(kind.level, ((), 0))
    return Recipe(kind, angle, box, {name: int(stream.integers(most + 1)) for name in names})


def _draw_box(height: int, width: int, stream: np.random.Generator) -> tuple[int, int, int]:
    """(top, left, side) of a square; a share of the area for which it would be too large is drawn again."""
    for _ in range(_TRIES):
        side = round(math.sqrt(height * width * stream.uniform(SMALLEST_SHARE, 1.0)))
        if 0 < side <= min(height, width):
            return int(stream.integers(height - side + 1)), int(stream.integers(width - side + 1)), side
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side
