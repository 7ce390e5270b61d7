"""What makes a generated street a roadwork scene: cones, barriers, warning signs, arrow boards, and their layout.

Objects are functions `(canvas, x, z, rng)` as in scene_objects.
"""

from functools import partial

import numpy as np

from kerasfusion.roadwork.scenes.canvas import BLACK, WHITE, Canvas, Colour, Placed, shade, warm


def cone(canvas: Canvas, x: float, z: float, rng: np.random.Generator, colour: Colour, tall: float, bands: int) -> None:
    """A traffic cone with pale bands (at most two)."""
    foot = 0.3
    canvas.shadow(x, z, 0.5)
    canvas.box(x, z, -0.42, 0.42, 0, 0.1, shade(colour, 0.7))
    canvas.flat(x, z, [(-foot, 0.1), (foot, 0.1), (0.06, tall), (-0.06, tall)], colour)
    for low in (0.3, 0.58)[:bands]:
        lower, upper = (foot - (foot - 0.06) * share for share in (low, low + 0.16))
        up, over = 0.1 + low * (tall - 0.1), 0.1 + (low + 0.16) * (tall - 0.1)
        canvas.flat(x, z, [(-lower, up), (lower, up), (upper, over), (-upper, over)], WHITE)


def stripes(canvas: Canvas, x: float, z: float, half: float, low: float, high: float, pair: tuple) -> None:
    """A board of slanted stripes, 2 * half wide, from low to high."""
    ground, ink = pair
    canvas.box(x, z, -half, half, low, high, ground)
    slant, pitch = high - low, 2 * half / 8
    for step in range(-2, 8, 2):
        left, right = -half + step * pitch, -half + (step + 1) * pitch
        corners = [(left, low), (right, low), (right + slant, high), (left + slant, high)]
        canvas.flat(x, z, [(min(max(a, -half), half), b) for a, b in corners], ink)


def barrier(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A barrier on two legs with one or two striped boards."""
    half, colour = rng.uniform(0.95, 1.4), warm(rng)
    pair = ((WHITE, colour), (colour, WHITE), (colour, BLACK))[int(rng.integers(3))]
    canvas.shadow(x, z, half)
    for leg in (-0.75, 0.75):
        canvas.box(x + leg * half, z, -0.06, 0.06, 0, 1.2, (105, 105, 108))
    stripes(canvas, x, z, half, 0.8, 1.2, pair)
    if rng.random() < 0.6:
        stripes(canvas, x, z, half, 0.25, 0.6, pair)


def warning_sign(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A triangle with a bright border, or a bright diamond, with a dark figure at work."""
    colour, reach, up = warm(rng), rng.uniform(0.6, 0.8), rng.uniform(1.2, 1.7)
    canvas.shadow(x, z, 0.4)
    canvas.box(x, z, -0.05, 0.05, 0, up, (90, 90, 92))
    triangle = rng.random() < 0.5
    shape = [(-1.0, -0.7), (1.0, -0.7), (0.0, 1.03)] if triangle else [(-1, 0), (0, -1), (1, 0), (0, 1)]
    rings = ((1.0, colour), (0.66, WHITE)) if triangle else ((1.0, BLACK), (0.9, colour))
    for share, fill in rings:
        canvas.flat(x, z, [(a * reach * share, up + b * reach * share) for a, b in shape], fill)
    canvas.disc(x + 0.05, up + reach * 0.2, z, reach * 0.1, BLACK)
    canvas.flat(x, z, [(-0.28 * reach, up - 0.38 * reach), (0.28 * reach, up - 0.38 * reach), (0, up)], BLACK)


def arrow_board(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A trailer with a dark panel on which lamps form an arrow to one side."""
    lamp, frame, way = (255, 190, 60), warm(rng), rng.choice([-1.0, 1.0])
    canvas.shadow(x, z, 0.9)
    canvas.box(x, z, -0.8, 0.8, 0.3, 0.75, frame)
    for wheel in (-0.6, 0.6):
        canvas.disc(x + wheel, 0.25, z, 0.25, BLACK)
    canvas.box(x, z, -0.06, 0.06, 0.7, 1.3, (90, 90, 92))
    canvas.box(x, z, -1.15, 1.15, 1.2, 2.5, frame)
    canvas.box(x, z, -1.05, 1.05, 1.3, 2.4, BLACK)
    for step in range(6):
        canvas.disc(x + way * (-0.75 + 0.3 * step), 1.85, z, 0.1, lamp)
    for step in (1, 2):
        for side in (-1, 1):
            canvas.disc(x + way * (0.75 - 0.22 * step), 1.85 + side * 0.2 * step, z, 0.1, lamp)


def work_zone(rng: np.random.Generator) -> list[Placed]:
    """One closed-off stretch near the middle of the view: 3 to 6 cones along a taper and 2 to 4 larger objects."""
    side, near = rng.choice([-1.0, 1.0]), rng.uniform(4.2, 6.5)
    start, end = side * rng.uniform(2.2, 3.4), side * rng.uniform(0.2, 1.6)
    steps = np.linspace(0.0, 1.0, int(rng.integers(3, 7)))
    length = rng.uniform(4.0, 8.0)
    same_cone = partial(cone, colour=warm(rng), tall=rng.uniform(0.85, 1.15), bands=int(rng.integers(1, 3)))
    placed: list[Placed] = [(start + (end - start) * t, near + length * t, same_cone) for t in steps]
    kinds = rng.permutation(np.array([barrier, warning_sign, arrow_board, barrier], dtype=object))
    for kind in kinds[: int(rng.integers(2, 5))]:
        z = near + rng.uniform(0.5, 5.0)
        # At most 0.28 of the distance to the side: its middle stays inside the centre crop of every frame size.
        placed.append((side * rng.uniform(0.08, 0.28) * z, z, kind))
    return placed
