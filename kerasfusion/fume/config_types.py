"""Ranges of numbers that several sections of fume's configuration share, and the classes of pixels."""

from typing import Annotated

from pydantic import Field

PIXEL_CLASSES = ("background", "tube", "gas")
"""What a pixel of a mask can be, in the order of its values."""


Count = Annotated[int, Field(ge=1)]


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


Probability = Annotated[float, Field(ge=0, le=1)]
