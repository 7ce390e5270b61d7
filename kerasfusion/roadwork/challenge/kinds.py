"""The kinds of challenge: how validators have cut a photo at one time or another, and how far they distort it."""

from dataclasses import dataclass

import numpy as np

from kerasfusion.errors import RequestError

LAYOUTS = ("crop", "letterbox", "plain")
"""crop: a square part of the photo; letterbox: the whole of it between black bars; plain: the photo in its own size."""
LEVELS = (0, 1, 2, 3)
"""0: cut or framed alone; 1: also turned; 2: also with fewer colours and details; 3: stronger, with noise and blur."""
MIX = "mix"
"""Each layout, or each level, as often as the others."""


@dataclass(frozen=True, order=True)
class Kind:
    """One kind of challenge.

    Attributes:
        layout: of LAYOUTS.
        level: of LEVELS; always 0 for `plain`, which validators send as it is.

    Raises:
        RequestError: no such layout or level, or a plain one with another level than 0.
    """

    layout: str
    level: int

    def __post_init__(self):
        check_choice(self.layout, self.level)
        if MIX in (self.layout, self.level):
            raise RequestError(
                "a kind has one layout and one level", where=f"{self.layout}, level {self.level}", todo="draw_kind"
            )

    def __str__(self) -> str:
        return self.layout if self.layout == "plain" else f"{self.layout}-{self.level}"


def check_choice(layout: str, level: str | int) -> None:
    """Refuse what no challenge can be drawn for.

    Raises:
        RequestError: no such layout or level, or a level above 0 for plain challenges, which are not distorted.
    """
    for name, value, known in (("layout", layout, (*LAYOUTS, MIX)), ("level", level, (MIX, *LEVELS))):
        if isinstance(value, bool) or value not in known:
            raise RequestError(
                f"there is no {name} {value!r} of challenges", where=name, expected=", ".join(map(str, known))
            )
    if layout == "plain" and level not in (MIX, 0):
        raise RequestError(
            f"plain challenges have no level {level}: validators send them undistorted",
            where="level",
            expected=f"{MIX} or 0 for plain",
            todo="take the layout crop, letterbox or mix for distorted ones",
        )


def draw_kind(layout: str, level: str | int, stream: np.random.Generator) -> Kind:
    """Draw the kind of one challenge.

    Args:
        layout: of LAYOUTS, or MIX: one of the three, equally likely.
        level: of LEVELS, or MIX: one of the four, equally likely. Plain challenges have level 0 whatever is asked for.
        stream: as many numbers are drawn whatever the choice.

    Raises:
        RequestError: see `check_choice`.
    """
    check_choice(layout, level)
    drawn_layout = LAYOUTS[stream.integers(len(LAYOUTS))]
    drawn_level = LEVELS[stream.integers(len(LEVELS))]
    layout = drawn_layout if layout == MIX else layout
    level = drawn_level if level == MIX else level
    return Kind(layout, 0 if layout == "plain" else level)
