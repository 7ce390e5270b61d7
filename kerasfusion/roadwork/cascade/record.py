"""What a file's description says of its cascade, beyond what is needed to answer: how the window was chosen."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from kerasfusion.errors import RequestError

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Difference = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class Row:
    """One window on the held-out photos.

    Attributes:
        window: (low, high); None is the fusion alone.
        skipped: share of photos that the first stage answers.
        ms: mean milliseconds of an answer, from its pixels on.
        changed: share of decisions other than the fusion's.
        changed_upper95: the upper end of its 95 % interval by photo.
        mcc, reward: of the cascade's answers.
        reward_difference_ci95: 95 % interval of the reward less the fusion's.
        taken: whether it is the one in the file.
    """

    window: tuple[Share, Share] | None
    skipped: Share
    ms: Milliseconds
    changed: Share
    changed_upper95: Share
    mcc: Difference
    reward: Share
    reward_difference_ci95: tuple[Difference, Difference]
    taken: bool


@dataclass(frozen=True)
class Cascade:
    """How a window was chosen.

    Attributes:
        window: (low, high).
        disagree: the limit of the share of changed decisions.
        photos, views: what it was chosen on, and how many views of each.
        curve: a row a window.
    """

    window: tuple[Share, Share]
    disagree: Share
    photos: Annotated[int, Field(ge=1)]
    views: Annotated[int, Field(ge=1)]
    curve: Annotated[list[Row], Field(min_length=2)]

    @property
    def row(self) -> Row:
        """That of the window in the file."""
        return next(row for row in self.curve if row.taken)


_KIND = TypeAdapter(Cascade)


def read_cascade(description: dict[str, Any], path: Path | str) -> Cascade | None:
    """What a description says under `cascade`; None where it says nothing.

    Raises:
        RequestError: it is damaged; names the key.
    """
    if "cascade" not in description:
        return None
    try:
        found = _KIND.validate_python(description["cascade"])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, ("cascade", *first["loc"])))
        raise RequestError(
            f"the description in the file is damaged: {key}: {first['msg']}",
            where=path,
            todo="make it again: kerasfusion calibrate fusion.keras --cascade",
        ) from error
    if sum(row.taken for row in found.curve) != 1:
        raise RequestError("the description in the file is damaged: cascade.curve has no one window taken", where=path)
    return found
