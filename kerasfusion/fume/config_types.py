"""Ranges of numbers that several sections of fume's configuration share."""

from typing import Annotated

from pydantic import ConfigDict, Field

STRICT_KEYS = ConfigDict(extra="forbid")


Count = Annotated[int, Field(ge=1)]


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


Probability = Annotated[float, Field(ge=0, le=1)]
