"""Models that can answer in a miner: whole ones of roadwork."""

from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.formats.opening import read_description

_EXPECTED = "fusion.keras or an export of it"


def describe_whole(model: Path) -> dict[str, Any]:
    """What the file says of itself.

    Raises:
        RequestError: no model of this program, one of fume, or trained parts.
    """
    description = read_description(model)
    if description.get("system") == "fume":
        raise RequestError("this is a fume model; a miner answers photos", where=model, expected=_EXPECTED)
    if description.get("system") != "roadwork" or "model_sha256" not in description:
        raise RequestError(
            "not a whole roadwork model",
            where=model,
            expected=_EXPECTED,
            todo="kerasfusion export RUN composes fusion.keras of trained parts",
        )
    return description
