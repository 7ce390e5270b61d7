"""The settings of how fume's frames and masks are read: the sections data.frames and data.masks."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from kerasfusion.fume.config_types import STRICT_KEYS, Count

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
