"""Bright things that are no roadwork: red to amber like cones and barriers, and about as large.

Objects are functions `(canvas, x, z, rng)` as in scene_objects. Both classes have some of them; streets without
roadwork have more, so that neither the amount of orange nor the presence of a bright thing tells the classes apart.
"""

import numpy as np

from kerasfusion.roadwork.scenes.canvas import BLACK, TYRE, WHITE, Canvas, Placed, shade, warm
from kerasfusion.roadwork.scenes.objects import car, person, road_sign


def bin_box(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A litter bin, post box or locker: an upright bright block with a pale label."""
    body, half, tall = warm(rng), rng.uniform(0.28, 0.5), rng.uniform(0.9, 1.5)
    canvas.shadow(x, z, half * 1.2)
    canvas.box(x, z, -half, half, 0, tall, body)
    canvas.disc(x, tall, z, half, shade(body, 0.85), squeeze=0.35)
    canvas.box(x, z, -half * 0.6, half * 0.6, tall * 0.5, tall * 0.72, WHITE if rng.random() < 0.7 else BLACK)


def parasol(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A bright half-round parasol over a table."""
    cloth, half, low = warm(rng), rng.uniform(0.9, 1.3), 2.0
    canvas.shadow(x, z, half * 0.8)
    canvas.box(x, z, -0.04, 0.04, 0, low, (110, 90, 70))
    canvas.box(x, z, -0.5, 0.5, 0.7, 0.78, WHITE)
    arc = np.linspace(0, np.pi, 12)
    canvas.flat(x, z, [(half * float(np.cos(a)), low + 0.55 * half * float(np.sin(a))) for a in arc], cloth)


def billboard(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A poster on two legs, bright ground with a few lines and a dark or pale picture."""
    paper, half, low = warm(rng), rng.uniform(0.8, 1.4), rng.uniform(0.7, 1.6)
    high = low + rng.uniform(0.8, 1.3)
    for leg in (-0.7, 0.7):
        canvas.box(x + leg * half, z, -0.05, 0.05, 0, low, (90, 90, 92))
    canvas.box(x, z, -half, half, low, high, paper)
    ink = WHITE if rng.random() < 0.5 else BLACK
    canvas.disc(x - half * 0.5, (low + high) / 2, z, half * 0.25, ink)
    for line in (0.3, 0.5, 0.7):
        up = low + line * (high - low)
        canvas.box(x, z, 0, half * 0.8, up - 0.05, up + 0.05, ink)


def display(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A bus stop's dark display with lines of amber text, framed in a bright colour."""
    frame, half, low = warm(rng), rng.uniform(0.7, 1.1), rng.uniform(1.1, 1.7)
    high = low + rng.uniform(0.8, 1.2)
    canvas.shadow(x, z, 0.4)
    canvas.box(x, z, -0.07, 0.07, 0, low, (90, 90, 92))
    canvas.box(x, z, -half - 0.1, half + 0.1, low - 0.1, high + 0.1, frame)
    canvas.box(x, z, -half, half, low, high, BLACK)
    for line in (0.25, 0.5, 0.75):
        up, end = low + line * (high - low), half * rng.uniform(-0.2, 0.85)
        canvas.box(x, z, -half * 0.85, end, up - 0.06, up + 0.06, (255, 190, 60))


def cart(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A bright cargo cart on two wheels with a pale or dark panel."""
    body, half, tall = warm(rng), rng.uniform(0.6, 0.9), rng.uniform(1.0, 1.4)
    canvas.shadow(x, z, half * 1.1)
    for side in (-0.7, 0.7):
        canvas.disc(x + side * half, 0.25, z, 0.25, TYRE)
    canvas.box(x, z, -half, half, 0.35, tall, body)
    canvas.box(x, z, -half, half, tall, tall + 0.08, shade(body, 0.75))
    canvas.box(x, z, -half * 0.7, half * 0.7, 0.55, tall - 0.15, WHITE if rng.random() < 0.4 else BLACK)


def bright_things(kerb: float, count: int, rng: np.random.Generator) -> list[Placed]:
    """`count` bright things beside the road or on its edge, about two in five of them on the road itself."""
    aside, on_road = (bin_box, parasol, billboard, display, road_sign), (cart, cart, car, person)
    placed: list[Placed] = []
    for _ in range(count):
        kinds, reach = (on_road, (0.4, 2.6)) if rng.random() < 0.4 else (aside, (kerb - 1.5, kerb + 1.0))
        x, z = rng.choice([-1.0, 1.0]) * rng.uniform(*reach), rng.uniform(4.5, 12)
        placed.append((x, z, kinds[int(rng.integers(len(kinds)))]))
    return placed
