"""What an export says of itself, read from wherever its format keeps it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.files.json_yaml import parse_json
from kerasfusion.formats.open_model import EXPORT_AGAIN


def parse_description(text: str | bytes, path: Path, precisions: Sequence[str]) -> dict[str, Any]:
    """The object that `export` wrote: at least `format` and `precision` (texts) and `outputs` (a list of texts).

    Args:
        text: JSON.
        path: the file that holds it, for messages.
        precisions: those that there are of its format.

    Raises:
        RequestError: not JSON, or of another shape; names the key.
    """
    try:
        found = parse_json(text)
    except ValueError as error:
        raise RequestError(f"the description in the file is damaged: {error}", where=path, todo=EXPORT_AGAIN) from error
    if not isinstance(found, dict):
        raise RequestError(
            "the description in the file is damaged", where=path, expected="keys and values", todo=EXPORT_AGAIN
        )
    if not isinstance(found.get("format"), str):
        raise _wrong("format", found.get("format"), "a text", path)
    if found.get("precision") not in precisions:
        raise _wrong("precision", found.get("precision"), ", ".join(precisions), path)
    outputs = found.get("outputs")
    if not isinstance(outputs, list) or not outputs or not all(isinstance(name, str) for name in outputs):
        raise _wrong("outputs", outputs, "the names of the outputs", path)
    return found


def _wrong(key: str, value: object, expected: str, path: Path) -> RequestError:
    what = f"the description in the file is damaged: {key} is {json.dumps(value)[:60]}"
    return RequestError(what, where=path, expected=expected, todo=EXPORT_AGAIN)
