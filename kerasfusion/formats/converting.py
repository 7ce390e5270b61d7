"""From a float32 `.keras` file to another format or precision: written, measured beside the original, then named."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.writing import disk_errors, own_partial, remove_abandoned
from kerasfusion.formats.measuring import Measurement, measure, model_parts
from kerasfusion.formats.opening import FORMATS, format_module

Compare = Callable[[Path, dict[str, Any], Measurement, Measurement], dict[str, object]]
"""(path, description, what the float32 model answered, what the file answered) -> a row of the table.

Raises KerasFusionError where the file answers otherwise than it may."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        rows: the table of the check, the original first; empty where there was nothing to compare with.
    """

    path: Path
    rows: list[dict[str, object]]


@dataclass(frozen=True)
class Target:
    """What is to be written.

    Attributes:
        path: the file.
        format: one of FORMATS.
        precision: one that the format has.
        kept: names of layers that stay in float32 in every precision.
    """

    path: Path
    format: str
    precision: str
    kept: Sequence[str] = ()


def convert(
    source: Path, model, description: dict[str, Any], target: Target, samples: dict[str, np.ndarray], compare: Compare
) -> Exported:
    """Write a model beside its future name, let both files answer, and only then give it its name.

    Args:
        source: the float32 `.keras` file.
        model: the keras.Model in it.
        description: what `source` says of itself; the new file says the same, and its own format and precision.
        target: see there.
        samples: {input: (N, ...)} on which both are asked.
        compare: see Compare.

    Raises:
        KerasFusionError: the file does not answer, or as `compare`; it is not kept.
    """
    original = description | {"format": "keras", "precision": "float32"}
    said = {"outputs": list(model.output)} | description | {"format": target.format, "precision": target.precision}
    with disk_errors(target.path):
        target.path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(target.path.parent)
    with tempfile.TemporaryDirectory(prefix=own_partial(Path("export-")).name, dir=target.path.parent) as folder:
        partial = Path(folder) / target.path.name
        format_module(target.format).write(model, partial, target.precision, said, target.kept)
        reference, found = measure(source, samples), measure(partial, samples)
        rows = [compare(source, original, reference, reference), compare(partial, said, reference, found)]
        for part in reversed(model_parts(partial)):
            part.replace(target.path.with_name(part.name))
    return Exported(target.path, rows)


def choose_name(source: Path, format: str, precision: str, out: Path | None) -> Path:
    """The file to write.

    Args:
        source: the float32 model's file.
        format: one of FORMATS.
        precision: "float32", "bfloat16" or "int8".
        out: what the user named; None takes the source's name with the precision and the format's ending.

    Raises:
        RequestError: the name does not end as the format's files do, or is the source's.
    """
    ending = FORMATS[format] if precision == "float32" else f"-{precision}{FORMATS[format]}"
    path = out or source.with_name(source.stem + ending)
    refuse_wrong_name(path, FORMATS[format])
    if path.resolve() == source.resolve():
        raise RequestError(
            "this would overwrite the model with itself", where=path, todo="name --format or --precision"
        )
    return path


def refuse_wrong_name(path: Path, suffix: str) -> None:
    """Check how a file's name ends.

    Raises:
        RequestError: otherwise.
    """
    if path.suffix != suffix:
        raise RequestError(f"the file's name must end in {suffix}", where=path)


def refuse_missing_precision(format: str, precision: str) -> None:
    """Check that a format has a precision.

    Raises:
        RequestError: it has not; says which formats have which.
    """
    if precision not in format_module(format).PRECISIONS:
        raise RequestError(
            f"{format} has no {precision}",
            where="--precision",
            expected=", ".join(format_module(format).PRECISIONS),
            todo="; ".join(f"{name}: {', '.join(format_module(name).PRECISIONS)}" for name in FORMATS),
        )
