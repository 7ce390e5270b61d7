"""Where the first stage of a cascade is sure: outside a window around 0.5.

Xia and Bouganis, "Window-Based Early-Exit Cascades for Uncertainty Estimation" (arXiv 2303.08010, 2023); that a cascade
of networks keeps what they are worth at a part of the cost: Wang et al., "Wisdom of Committees" (arXiv 2012.01988,
2020).
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pydantic

from kerasfusion.errors import RequestError

FIRST, FULL = "first", "full"
"""The stages: what answers at once, which is also the name of its output, and the whole fusion."""

_AGAIN = "copy the file again, or make it again: kerasfusion calibrate fusion.keras --cascade"


@dataclass(frozen=True)
class Window:
    """The answers of the first stage that are asked about again.

    Attributes:
        low, high: P(roadwork) up to `low` and from `high` on is the answer; 0.5 lies between them.
    """

    low: float
    high: float

    def sure(self, p: np.ndarray) -> np.ndarray:
        """Which of the first stage's P(roadwork) are the answer: bool, of the same shape."""
        # In float32, as they come: a float64 bound would lie beside the number that it stands for.
        return (p <= np.float32(self.low)) | (p >= np.float32(self.high))

    def answers(self, first: np.ndarray, full: np.ndarray) -> np.ndarray:
        """What is answered, of P(roadwork) of both stages; NaN stays NaN."""
        return np.where(self.sure(first), first, full)


def read_window(description: dict[str, Any], where: object) -> Window | None:
    """The window that a model's file names; None where it answers in one stage.

    Raises:
        RequestError: what the description says of its cascade is damaged; names the key.
    """
    if "cascade" not in description:
        return None
    if FIRST not in description.get("outputs", [FIRST]):
        what = f"the description in the file is damaged: a cascade without the output {FIRST}"
        raise RequestError(what, where=where, todo=_AGAIN)
    try:
        said = _Cascade.model_validate(description["cascade"])
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, ("cascade", *problem["loc"])))
        raise RequestError(
            f"the description in the file is damaged: {key}: {problem['msg']}",
            where=where,
            expected="a window [low, high] around 0.5, and the outputs of the first stage",
            todo=_AGAIN,
        ) from error
    return Window(*said.window)


class _Cascade(pydantic.BaseModel):
    # Numbers alone are strict: JSON has lists for tuples.
    window: tuple[
        Annotated[float, pydantic.Field(ge=0, lt=0.5, strict=True)],
        Annotated[float, pydantic.Field(gt=0.5, le=1, strict=True)],
    ]
    first: list[str]

    @pydantic.field_validator("first")
    @classmethod
    def _has_its_answer(cls, names: list[str]) -> list[str]:
        if FIRST not in names:
            raise ValueError(f"{FIRST} is not among them")
        return names
