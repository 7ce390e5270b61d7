"""Two films to one row of moments: frames that were taken at about the same time belong together."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kerasfusion.fume.films.film import Film, Shot


@dataclass(frozen=True)
class Moment:
    """What was filmed at a time.

    Attributes:
        time: seconds; 0 is the first frame of the first film.
        shots: {gas: frame}, one or two.
    """

    time: float
    shots: dict[str, Shot]


def moments(films: Mapping[str, Film]) -> Iterator[Moment]:
    """The frames of the first film, each with the nearest of the other; and those of the other where the first is not.

    Nearest means: at most half of the longer of both frame intervals away. A frame of the slower film may stand beside
    several of the faster one; only the current ones are kept in memory.

    Args:
        films: {gas: film}, one or two.
    """
    (first, leading), *others = films.items()
    if not others:
        for shot in leading.shots():
            yield Moment(shot.time, {first: shot})
        return
    ((second, following),) = others
    waiting = _Nearest(following.shots())
    last, reach = -math.inf, 0.0
    for shot in leading.shots():
        reach = 0.5 * max(leading.step, following.step) + 1e-6
        yield from _alone(second, waiting.between(last + reach, shot.time - reach))
        partner = waiting.at(shot.time)
        near = partner is not None and abs(partner.time - shot.time) <= reach
        yield Moment(shot.time, {first: shot} | ({second: partner} if near else {}))
        last = shot.time
    yield from _alone(second, waiting.between(last + reach, math.inf))


def _alone(gas: str, shots: Iterator[Shot]) -> Iterator[Moment]:
    return (Moment(shot.time, {gas: shot}) for shot in shots)


class _Nearest:
    """The frame of a film that is nearest to a time; times must rise."""

    def __init__(self, shots: Iterator[Shot]):
        self._shots = shots
        self._past: Shot | None = None
        self._next: Shot | None = next(shots, None)

    def between(self, begin: float, end: float) -> Iterator[Shot]:
        """Those after a time and before another; all before the latter are then past."""
        while self._next is not None and self._next.time < end:
            if self._next.time > begin:
                yield self._next
            self._step()

    def at(self, time: float) -> Shot | None:
        """The nearest; None where there is none at all."""
        while self._next is not None and self._next.time < time:
            self._step()
        there = [shot for shot in (self._past, self._next) if shot is not None]
        return min(there, key=lambda shot: abs(shot.time - time), default=None)

    def _step(self) -> None:
        self._past, self._next = self._next, next(self._shots, None)
