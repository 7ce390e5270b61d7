"""Whether the masks of a whole set say the same with the same values, which no file says alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.fume.config_reading import MaskReading
from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.csv_rows import name_ten
from kerasfusion.fume.data.samples import Sample
from kerasfusion.fume.mask_files.reading import examine_mask
from kerasfusion.images.decoding import ImageError
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track

TUBE, GAS = PIXEL_CLASSES.index("tube"), PIXEL_CLASSES.index("gas")
NUMBERS = ("numbers", "indices")
"""Of ReadMask.told_by: 1 is tube, 2 gas."""


@dataclass
class _Seen:
    """For each finding the first file that shows it.

    Attributes:
        told_by, classes: {ReadMask.told_by, or a class: file}.
        colours: {index of a palette: (colour, file)}.
        conflict: why the palettes do not belong together.
        unreadable: each bad file with what is wrong, and what to do about the first.
    """

    told_by: dict[str, str] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)
    colours: dict[int, tuple[str, str]] = field(default_factory=dict)
    conflict: str | None = None
    unreadable: list[str] = field(default_factory=list)
    todo: str | None = None


@dataclass(frozen=True)
class _Look:
    told_by: str
    colours: dict[int, str]
    classes: list[int]


def masks_of(samples: Iterable[Sample]) -> list[str]:
    """The names of samples' masks, each once."""
    return list(dict.fromkeys(frame.mask_path for sample in samples for frame in sample.frames.values()))


def check_masks(root: Path, names: Sequence[str], how: MaskReading) -> list[str]:
    """Read every mask once.

    Args:
        root: what the names are relative to.
        names: of the masks, each once.
        how: what is set about reading.

    Returns:
        Notes for the person who waits: how the masks were understood, where that is not plain.

    Raises:
        ImageError: masks that cannot be read; names ten of them.
        RequestError: two ways of writing classes in one set, palettes that differ, or numbers that say 1 and never 2.
    """
    seen = _Seen()
    looks = ordered_map(lambda name: _look(root / name, how), names)
    for name, look in zip(names, track(looks, "check masks", total=len(names)), strict=True):
        _add(seen, root, name, look)
    _refuse(seen, root, len(names))
    return _notes(seen, len(names))


def _look(path: Path, how: MaskReading) -> _Look | ImageError:
    try:
        mask = examine_mask(path, how)
    except ImageError as error:
        return error
    held = np.flatnonzero(np.bincount(mask.classes.ravel(), minlength=len(PIXEL_CLASSES)))
    return _Look(mask.told_by, dict(mask.colours), held.tolist())


def _add(seen: _Seen, root: Path, name: str, look: _Look | ImageError) -> None:
    if isinstance(look, ImageError):
        seen.unreadable.append(f"{root / name}: {look.what}")
        seen.todo = seen.todo or look.todo
        return
    seen.told_by.setdefault(look.told_by, name)
    for row in look.classes:
        seen.classes.setdefault(row, name)
    for index, colour in look.colours.items():
        known, first = seen.colours.setdefault(index, (colour, name))
        if known != colour and seen.conflict is None:
            seen.conflict = f"index {index} is {known} in {first} and {colour} in {name}"


def _refuse(seen: _Seen, root: Path, count: int) -> None:
    if seen.unreadable:
        raise ImageError(
            f"{len(seen.unreadable)} of {count} masks cannot be used:{name_ten(seen.unreadable)}",
            expected="0 background, 1 tube, 2 gas; 0, 127, 255; colours with data.masks.legend; LabelMe's JSON",
            todo=seen.todo,
        )
    if seen.conflict:
        raise RequestError(
            f"the palettes of the masks differ: {seen.conflict}",
            where=root,
            expected="one palette for all masks; one that is made for each file numbers its colours in any order",
            todo='say what the colours mean: data.masks.legend, such as {tube: "#00ff00", gas: "#ff0000"}',
        )
    numbers = next((seen.told_by[kind] for kind in NUMBERS if kind in seen.told_by), None)
    if numbers and "greys" in seen.told_by:
        raise RequestError(
            f"the masks are written in two ways: {numbers} holds 0, 1, 2, and {seen.told_by['greys']} 0, 127, 255",
            where=root,
            expected="one way for the whole set",
            todo="write them in one way; 1 may be the gas of the one half and the tube of the other",
        )
    if numbers and TUBE in seen.classes and GAS not in seen.classes:
        raise RequestError(
            f"the {count} masks hold 0 and 1 and never 2, such as {seen.classes[TUBE]}: there would be tube and no gas",
            where=root,
            expected="0 background, 1 tube, 2 gas",
            todo="if 1 is the gas, set data.masks.legend={gas: 1} (data pair --legend gas=1), if it is tube, {tube: 1}",
        )


def _notes(seen: _Seen, count: int) -> list[str]:
    notes = []
    if "greys" in seen.told_by:
        notes.append("the masks are read as 0 background, 127 tube, 255 gas")
    if missing := [PIXEL_CLASSES[row] for row in (TUBE, GAS) if row not in seen.classes]:
        notes.append(f"no pixel of the {count} masks is {' or '.join(missing)}")
    return notes
