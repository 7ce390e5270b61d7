"""Generated films of one scene: plumes that grow and shrink, with the truth of every frame."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kerasfusion.fume.plumes.backdrop import cover, coverage, look_of, sensor, tube_outline, wall
from kerasfusion.fume.plumes.gas import optical_depth
from kerasfusion.fume.plumes.picture import Picture, mask_of, tube_levels
from kerasfusion.fume.plumes.scene import as_seen, generator, scene_of

LEAST = 0.15
"""Share of the plume's length and strength that is left between two bursts."""


@dataclass(frozen=True)
class FilmPlan:
    """A film.

    Attributes:
        seed: 0 or more; the same seed, the same film.
        ph: of the rumen, 5.0..6.5; decides how the plume behaves.
        size: width and height, pixels.
        seconds: how long it is.
        rate: frames a second.
        period: seconds from one burst to the next.
    """

    seed: int = 42
    ph: float = 6.5
    size: tuple[int, int] = (320, 240)
    seconds: float = 12.0
    rate: float = 10.0
    period: float = 4.0

    @property
    def frames(self) -> int:
        """How many there are."""
        return round(self.seconds * self.rate)


def strength(plan: FilmPlan, time: float) -> float:
    """How much of its gas a plume has, LEAST..1: rises and falls once a period, and is at its least at 0 s."""
    return LEAST + (1 - LEAST) * float(np.sin(np.pi * time / plan.period) ** 2)


def draw_film(plan: FilmPlan, gas: str) -> Iterator[Picture]:
    """The frames of one gas, one at a time; both show the same tube, and their plumes grow and shrink together."""
    rng, name, shape = generator(plan.seed, "film", gas), "film", (plan.size[1], plan.size[0])
    scene = as_seen(scene_of(plan.seed, name, plan.ph), gas, rng)
    look = look_of(gas, rng)
    backdrop, tube = wall(look, shape, rng), coverage(tube_outline(scene), shape)
    levels = tube_levels(look.solid, scene, shape)
    for number in range(plan.frames):
        now = strength(plan, number / plan.rate)
        shrunk = replace(scene, plume=replace(scene.plume, length=scene.plume.length * now))
        # The same turbulence in every frame: only the strength changes.
        depth = optical_depth(shrunk, gas, shape, generator(plan.seed, "turbulence", gas))
        opacity = 1 - np.exp(-depth * np.float32(now))
        seen = cover(backdrop + np.float32(look.gas) * opacity, tube, levels)
        frame, mask = sensor(seen, look, generator(plan.seed, f"sensor {number}", gas)), mask_of(opacity, tube)
        yield Picture(frame[:, ::-1].copy(), mask[:, ::-1].copy()) if scene.mirrored else Picture(frame, mask)
