"""The settings of how fume's frames and masks are read: the sections data.frames and data.masks."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.dataclasses import dataclass

from kerasfusion.config import STRICT_KEYS
from kerasfusion.fume.config_types import PIXEL_CLASSES, Count

Finite = Annotated[float, Field(allow_inf_nan=False)]
Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
PaletteName = Literal[
    "jet",
    "jet of matplotlib",
    "rainbow",
    "rainbow of opencv",
    "rainbow of matplotlib",
    "iron",
    "hot",
    "hot of matplotlib",
]
"""The keys of colour_palettes.KNOWN."""


def _rising(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] >= limits[1]:
        raise ValueError("the first number must be the smaller one")
    return limits


@dataclass(frozen=True, config=STRICT_KEYS)
class FrameReading:
    """How a frame's file becomes grey levels; kept in the model's description, so that predictions are made alike.

    Attributes:
        range: [low, high], for counts of more than 8 bits and for degrees: low becomes level 0, high 255, what is
            beyond is cut. null: frames are pictures of 8 bits, whose levels are taken as they are.
        page: which page of a TIFF with several, from 1; null refuses such files.
        palette: of coloured frames: a name, or colours from the lowest level to the highest, evenly spaced. null finds
            out which of the names it is, and refuses other colours.
    """

    range: Annotated[tuple[Finite, Finite], AfterValidator(_rising)] | None = None
    page: Count | None = None
    palette: PaletteName | Annotated[tuple[Colour, ...], Field(min_length=2)] | None = None


def _one_kind(mark: int | str) -> int | str:
    if isinstance(mark, str) and mark.startswith("#"):
        if not re.fullmatch("#[0-9a-fA-F]{6}", mark):
            raise ValueError("a colour is written as #rrggbb")
        return mark.lower()
    return mark


Mark = Annotated[
    Annotated[int, Field(ge=0, strict=True)] | Annotated[str, Field(min_length=1)], AfterValidator(_one_kind)
]
Marks = Annotated[
    tuple[Mark, ...], BeforeValidator(lambda given: given if isinstance(given, list | tuple) else [given])
]


@dataclass(frozen=True, config=STRICT_KEYS)
class Legend:
    """What stands for each class in the files of masks: numbers, colours, or labels of outlines; one, or several.

    Attributes:
        background: a number, a colour "#rrggbb", or an outline's label (its category in COCO); empty is 0, or black.
        tube: likewise; empty where no mask has any.
        gas: likewise.
    """

    background: Marks = ()
    tube: Marks = ()
    gas: Marks = ()

    def __post_init__(self):
        marks = [mark for name in PIXEL_CLASSES for mark in getattr(self, name)]
        if twice := [mark for mark in dict.fromkeys(marks) if marks.count(mark) > 1]:
            raise ValueError(f"{', '.join(map(repr, twice))} stands for two classes")
        if any(isinstance(mark, int) for mark in marks) and any(str(mark).startswith("#") for mark in marks):
            raise ValueError("numbers and colours are mixed: a mask's pixels are the ones or the others")

    def numbers(self) -> dict[int, int]:
        """{a pixel's number: its class}; empty where none is named."""
        return self._known({mark: row for mark, row in self._marks() if isinstance(mark, int)}, 0)

    def colours(self) -> dict[str, int]:
        """{a pixel's colour: its class}; empty where none is named."""
        return self._known({mark: row for mark, row in self._marks() if str(mark).startswith("#")}, "#000000")

    def labels(self) -> dict[str, int]:
        """{a polygon's label, in small letters: its class}; the classes' own names where none is named."""
        named = {mark.lower(): row for mark, row in self._marks() if isinstance(mark, str) and not mark.startswith("#")}
        return named or {name: row for row, name in enumerate(PIXEL_CLASSES)}

    def _marks(self) -> list[tuple[int | str, int]]:
        return [(mark, row) for row, name in enumerate(PIXEL_CLASSES) for mark in getattr(self, name)]

    def _known(self, named: dict, usual: int | str) -> dict:
        if not named or 0 in named.values() or usual in named:
            return named
        return {usual: 0, **named}


@dataclass(frozen=True, config=STRICT_KEYS)
class MaskReading:
    """How a mask's file becomes classes.

    Attributes:
        legend: what the numbers, colours or labels mean, for masks that are not 0, 1, 2 or 0, 127, 255.
    """

    legend: Legend = Legend()
