"""What a generated picture shows: where the tube is, and how its plume behaves at a given pH.

Lengths are shares of the frame's height; x runs to the right from the border that the tube enters by, y runs down.
What the pH does to a plume here is made up, so that there is something to learn; it says nothing about rumens.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Plume:
    """How a plume behaves.

    Attributes:
        opening: how fast it widens: half-width gained per length.
        rise: by how many radians it turns upwards along its length.
        pulsing: 0 for a steady flow, 1 for separate puffs.
        spacing: distance from puff to puff.
        length: how far it reaches.
    """

    opening: float
    rise: float
    pulsing: float
    spacing: float
    length: float


@dataclass(frozen=True)
class Scene:
    """A tube and its plume, as both cameras see them.

    Attributes:
        mouth: (x, y) of the middle of the tube's open end.
        tilt: the tube's direction in radians above the horizontal.
        bore: the tube's outer diameter.
        mirrored: whether the tube enters by the right border.
        bottle: whether the tube is the neck of a bottle.
        plume: what comes out.
    """

    mouth: tuple[float, float]
    tilt: float
    bore: float
    mirrored: bool
    bottle: bool
    plume: Plume


def generator(seed: int, *keys: str) -> np.random.Generator:
    """The random numbers that belong to a seed and some names, independent of all others."""
    return np.random.default_rng([seed, *(zlib.crc32(key.encode()) for key in keys)])


def plume_at(ph: float, rng: np.random.Generator) -> Plume:
    """A plume at a pH (5.0..6.5).

    Width falls and rise grows with the pH, both with so much scatter that neighbouring levels overlap; flow is
    steady at both ends and comes in puffs around pH 6 (Transitional), with a few exceptions each way.
    """
    share = (ph - 5.0) / 1.5
    puffs = 5.75 < ph < 6.35
    if rng.random() < 0.04:
        puffs = not puffs
    return Plume(
        opening=float(np.clip(rng.normal(0.34 - 0.2 * share, 0.02), 0.1, 0.42)),
        rise=float(rng.normal(np.radians(4 + 66 * share**2.5), np.radians(8))),
        pulsing=float(rng.uniform(0.85, 1.0) if puffs else rng.uniform(0.0, 0.3)),
        spacing=float(rng.uniform(0.33, 0.42)),
        length=float(rng.uniform(0.75, 1.2)),
    )


def scene_of(seed: int, original_id: str, ph: float) -> Scene:
    """What was filmed for one original, the same for both gases."""
    rng = generator(seed, original_id, "scene")
    tilt = rng.normal(0.0, np.radians(7))
    return Scene(
        mouth=(float(rng.uniform(0.08, 0.3)), float(rng.uniform(0.45, 0.75))),
        tilt=float(tilt),
        bore=float(rng.uniform(0.028, 0.055)),
        mirrored=bool(rng.random() < 0.5),
        bottle=bool(rng.random() < 0.3),
        plume=plume_at(ph, rng),
    )


def as_seen(scene: Scene, gas: str, rng: np.random.Generator) -> Scene:
    """The scene from one gas's camera, which stands a little beside the other; methane's plume is the thinner one."""
    x, y = scene.mouth
    narrower = 1.0 if gas == "co2" else 0.82
    return replace(
        scene,
        mouth=(x + float(rng.uniform(-0.02, 0.02)), y + float(rng.uniform(-0.02, 0.02))),
        plume=replace(
            scene.plume,
            opening=scene.plume.opening * narrower,
            length=scene.plume.length * float(rng.uniform(0.9, 1.1)),
        ),
    )
