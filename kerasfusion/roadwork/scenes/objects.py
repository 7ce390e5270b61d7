"""What stands in every generated street: buildings, trees, poles, everyday signs, cars and people.

Each object is a function `(canvas, x, z, rng)`: x metres to the right of the camera, z metres ahead of it, its look
from rng.
"""

import numpy as np

from kerasfusion.roadwork.scenes.canvas import BLACK, GLASS, TYRE, WHITE, Canvas, Placed, dull, hsv, shade, warm


def building(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A block whose near corner is at (x, z): a wall along the road, a wall facing the camera, perhaps an awning."""
    depth, storeys, outward = rng.uniform(6, 12), int(rng.integers(2, 6)), np.sign(x)
    wall, pane, top, far = dull(rng), dull(rng), 3.0 * storeys, z + depth
    canvas.polygon([(x, 0, z), (x + outward * 12, 0, z), (x + outward * 12, top, z), (x, top, z)], shade(wall, 0.75))
    canvas.polygon([(x, 0, z), (x, 0, far), (x, top, far), (x, top, z)], wall)
    bays = int(rng.integers(3, 6))
    for storey in range(1, storeys):
        for bay in range(bays):
            start, low = z + depth * (bay + 0.25) / bays, 3.0 * storey + 0.8
            end = start + depth * 0.5 / bays
            canvas.polygon([(x, low, start), (x, low, end), (x, low + 1.5, end), (x, low + 1.5, start)], pane)
    if rng.random() < 0.35:
        cloth, edge = (warm(rng) if rng.random() < 0.5 else dull(rng)), x - outward * 1.2
        canvas.polygon([(x, 3.1, z), (x, 3.1, far), (edge, 2.4, far), (edge, 2.4, z)], cloth)
        canvas.polygon([(edge, 2.4, z), (edge, 2.4, far), (edge, 2.1, far), (edge, 2.1, z)], shade(cloth, 0.8))


def tree(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A trunk with a crown of discs, green or in autumn colours."""
    autumn = rng.random() < 0.25
    leaves = hsv(rng.uniform(0.05, 0.13) if autumn else rng.uniform(0.22, 0.38), rng.uniform(0.4, 0.7), 0.5)
    canvas.shadow(x, z, 0.9)
    canvas.box(x, z, -0.12, 0.12, 0, 2.6, (84, 64, 48))
    for _ in range(6):
        up, right = rng.uniform(2.4, 4.4), rng.uniform(-0.9, 0.9)
        canvas.disc(x + right, up, z, rng.uniform(0.6, 1.1), shade(leaves, rng.uniform(0.8, 1.2)))


def lamp_post(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A street lamp whose arm reaches over the road."""
    metal, reach = hsv(0.6, 0.05, rng.uniform(0.25, 0.6)), -np.sign(x) * 1.4
    canvas.box(x, z, -0.07, 0.07, 0, 6, metal)
    canvas.box(x, z, min(0, reach), max(0, reach), 5.9, 6.0, metal)
    canvas.box(x + reach, z, -0.3, 0.3, 5.75, 5.95, (215, 210, 185))


def traffic_light(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A pole with three lamps, one of them lit."""
    canvas.box(x, z, -0.06, 0.06, 0, 2.4, (70, 72, 74))
    canvas.box(x, z, -0.2, 0.2, 2.3, 3.5, BLACK)
    lit = int(rng.integers(3))
    for lamp, colour in enumerate(((60, 205, 110), (250, 180, 40), (235, 50, 40))):
        canvas.disc(x, 2.5 + 0.4 * lamp, z, 0.14, colour if lamp == lit else (66, 60, 52))


def road_sign(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A round, octagonal or rectangular sign, often red: everyday signs, never a triangle or a diamond."""
    kind, radius, up = int(rng.integers(4)), rng.uniform(0.38, 0.55), rng.uniform(1.9, 2.3)
    canvas.box(x, z, -0.04, 0.04, 0, up, (120, 122, 124))
    colour = warm(rng) if rng.random() < 0.7 else (30, 80, 170)
    if kind == 0:
        canvas.disc(x, up, z, radius, colour)
        canvas.disc(x, up, z, radius * 0.7, WHITE)
        canvas.box(x, z, -radius * 0.3, radius * 0.3, up - radius * 0.35, up + radius * 0.35, BLACK)
    elif kind == 1:
        canvas.disc(x, up, z, radius, colour)
        canvas.box(x, z, -radius * 0.65, radius * 0.65, up - radius * 0.17, up + radius * 0.17, WHITE)
    elif kind == 2:
        turn = np.pi / 8 + np.arange(8) * np.pi / 4
        corners = [(radius * float(np.cos(a)), up + radius * float(np.sin(a))) for a in turn]
        canvas.flat(x, z, corners, colour)
        canvas.box(x, z, -radius * 0.6, radius * 0.6, up - radius * 0.18, up + radius * 0.18, WHITE)
    else:
        canvas.box(x, z, -radius * 1.3, radius * 1.3, up - radius * 0.7, up + radius * 0.7, colour)
        canvas.box(x, z, -radius * 1.0, radius * 1.0, up - radius * 0.1, up + radius * 0.1, WHITE)


def car(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """A car, van or taxi from behind or from ahead, orange or red now and then."""
    paint = warm(rng) if rng.random() < 0.3 else dull(rng)
    half, tall = rng.uniform(0.85, 1.0), rng.choice([1.45, 1.7, 2.3])
    waist = tall * 0.58
    canvas.shadow(x, z, half * 1.15)
    canvas.box(x, z, -half + 0.05, -half + 0.3, 0, 0.5, TYRE)
    canvas.box(x, z, half - 0.3, half - 0.05, 0, 0.5, TYRE)
    roof = [(-half, waist), (half, waist), (half * 0.78, tall), (-half * 0.78, tall)]
    canvas.flat(x, z, roof, shade(paint, 0.9))
    canvas.flat(x, z, [(a * 0.85, waist + (b - waist) * 0.82) for a, b in roof], GLASS)
    canvas.box(x, z, -half, half, 0.28, waist, paint)
    lamp = (225, 40, 40) if rng.random() < 0.6 else (250, 245, 215)
    for side in (-1, 1):
        canvas.disc(x + side * half * 0.78, waist * 0.75, z, 0.13, lamp)
    canvas.box(x, z, -0.26, 0.26, 0.42, 0.54, WHITE)


def person(canvas: Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    """Somebody on foot, in a bright jacket half of the time."""
    jacket = warm(rng) if rng.random() < 0.5 else dull(rng)
    tall, legs = rng.uniform(1.6, 1.85), shade(dull(rng), 0.5)
    canvas.shadow(x, z, 0.35)
    canvas.flat(x, z, [(-0.24, 0), (-0.08, 0), (0.0, 0.7), (0.08, 0), (0.24, 0), (0.16, 0.9), (-0.16, 0.9)], legs)
    canvas.box(x, z, -0.24, 0.24, 0.82, tall - 0.28, jacket)
    canvas.disc(x, tall - 0.13, z, 0.14, hsv(0.07, rng.uniform(0.25, 0.6), rng.uniform(0.4, 0.95)))


def street_things(kerb: float, rng: np.random.Generator) -> list[Placed]:
    """Buildings or trees along both sides, poles, signs, people, traffic; kerb is half the road's width in metres."""
    placed: list[Placed] = []
    for side in (-1.0, 1.0):
        front = side * (kerb + rng.uniform(3.0, 5.0))
        row = building if rng.random() < 0.75 else tree
        placed += [(front, float(z), row) for z in np.arange(rng.uniform(5, 12), 70, 12.5)]
        for kind, most in ((tree, 2), (lamp_post, 2), (traffic_light, 1), (road_sign, 1)):
            count = int(rng.integers(0, most + 1))
            placed += [(side * (kerb + rng.uniform(0.4, 1.2)), rng.uniform(7, 30), kind) for _ in range(count)]
        people, cars = (int(n) for n in rng.integers(0, 3, size=2))
        placed += [(side * (kerb + rng.uniform(0.5, 1.6)), rng.uniform(6, 20), person) for _ in range(people)]
        placed += [(side * rng.uniform(0.8, kerb - 1.0), rng.uniform(7, 30), car) for _ in range(cars)]
    return placed
