"""Whether the masks of a whole set say the same with the same values, which no file says alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.fume.config_reading import MaskReading
from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.annotations import Frame
from kerasfusion.fume.data.csv_rows import name_ten
from kerasfusion.fume.data.frames import sizes_differ
from kerasfusion.fume.data.samples import GasFrame
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
        pictures: {(file of many pictures, one of them): frame that it is the mask of}.
        twice: two frames that have one picture.
        undrawn: frames that such a file lists without an outline of tube or gas.
        unreadable: each bad file with what is wrong, and what to do about the first.
        other_size: each file with its size and that of its frame.
    """

    told_by: dict[str, str] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)
    colours: dict[int, tuple[str, str]] = field(default_factory=dict)
    conflict: str | None = None
    pictures: dict[tuple[str, str], str] = field(default_factory=dict)
    twice: str | None = None
    undrawn: int = 0
    unreadable: list[str] = field(default_factory=list)
    todo: str | None = None
    other_size: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Look:
    told_by: str
    colours: dict[int, str]
    classes: list[int]
    picture: str | None
    size: tuple[int, int]


def check_masks(
    root: Path,
    frames: Sequence[Frame | GasFrame],
    how: MaskReading,
    sizes: Mapping[str, tuple[int, int]] = MappingProxyType({}),
    is_whole: bool = True,
) -> list[str]:
    """Read every mask once.

    Args:
        root: what the frames' paths are relative to.
        frames: with masks, each once.
        how: what is set about reading.
        sizes: {frame_path: (H, W)} that masks must have, as far as they are known.
        is_whole: the frames are all that there are to learn from. In a part of a set gas may be missing: there, numbers
            that say 1 and never 2 are a note.

    Returns:
        Notes for the person who waits: how the masks were understood, where that is not plain.

    Raises:
        ImageError: masks that cannot be read, or of another size than their frames; names ten of them.
        RequestError: two ways of writing classes in one set, palettes that differ, numbers that say 1 and never 2, or
            one picture of a COCO file for two frames.
    """
    seen = _Seen()
    looks = ordered_map(lambda frame: _look(root, frame, how), frames)
    for frame, look in zip(frames, track(looks, "check masks", total=len(frames)), strict=True):
        _add(seen, root, frame, look)
        if isinstance(look, _Look) and look.size != sizes.get(frame.frame_path, look.size):
            seen.other_size.append(f"{root / frame.mask_path}: {sizes_differ(look.size, sizes[frame.frame_path])}")
    _refuse(seen, root, len(frames), is_whole)
    return _notes(seen, len(frames))


def _look(root: Path, frame: Frame | GasFrame, how: MaskReading) -> _Look | ImageError:
    try:
        mask = examine_mask(root / frame.mask_path, how, frame.frame_path)
    except ImageError as error:
        return error
    held = np.flatnonzero(np.bincount(mask.classes.ravel(), minlength=len(PIXEL_CLASSES)))
    return _Look(mask.told_by, dict(mask.colours), held.tolist(), mask.picture, mask.classes.shape)


def _add(seen: _Seen, root: Path, frame: Frame | GasFrame, look: _Look | ImageError) -> None:
    name = frame.mask_path
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
    if look.picture is not None:
        first = seen.pictures.setdefault((name, look.picture), frame.frame_path)
        if first != frame.frame_path and seen.twice is None:
            seen.twice = f"{first} and {frame.frame_path} would both be {look.picture} of {name}"
        seen.undrawn += look.told_by == "nothing"


def _refuse(seen: _Seen, root: Path, count: int, is_whole: bool) -> None:
    if seen.unreadable:
        raise ImageError(
            f"{len(seen.unreadable)} of {count} masks cannot be used:{name_ten(seen.unreadable)}",
            expected="0, 1, 2 for background, tube, gas; 0, 127, 255; colours with a legend; JSON of LabelMe or COCO",
            todo=seen.todo,
        )
    if seen.other_size:
        raise ImageError(
            f"{len(seen.other_size)} of {count} masks have another size than their frames:{name_ten(seen.other_size)}",
            where=root,
            expected="masks of their frames' sizes",
            todo="export these masks anew at the frames' sizes, without smoothing, or take their rows out",
        )
    if seen.twice:
        raise RequestError(
            f"two frames have one mask: {seen.twice}",
            where=root,
            expected="a picture in the COCO file for each frame, told by its name, and by its folder if names repeat",
            todo="export the annotations with the folders in file_name, or give each folder a JSON of its own",
        )
    if seen.conflict:
        raise RequestError(
            f"the palettes of the masks differ: {seen.conflict}",
            where=root,
            expected="one palette for all masks; one that is made for each file numbers its colours in any order",
            todo='say what the colours mean: data.masks.legend, such as {tube: "#00ff00", gas: "#ff0000"}',
        )
    numbers = _in_numbers(seen)
    if numbers and "greys" in seen.told_by:
        raise RequestError(
            f"the masks are written in two ways: {numbers} holds 0, 1, 2, and {seen.told_by['greys']} 0, 127, 255",
            where=root,
            expected="one way for the whole set",
            todo="write them in one way; 1 may be the gas of the one half and the tube of the other",
        )
    if is_whole and numbers and TUBE in seen.classes and GAS not in seen.classes:
        raise RequestError(
            f"the {count} masks hold 0 and 1 and never 2, such as {seen.classes[TUBE]}: there would be tube and no gas",
            where=root,
            expected="0 background, 1 tube, 2 gas",
            todo="if 1 is the gas, set data.masks.legend={gas: 1} (data pair --legend gas=1), if it is tube, {tube: 1}",
        )


def _in_numbers(seen: _Seen) -> str | None:
    """A mask that is written in numbers of classes; None if there is none."""
    return next((seen.told_by[kind] for kind in NUMBERS if kind in seen.told_by), None)


def _notes(seen: _Seen, count: int) -> list[str]:
    notes = []
    if "greys" in seen.told_by:
        notes.append("the masks are read as 0 background, 127 tube, 255 gas")
    if seen.undrawn:
        notes.append(
            f"{seen.undrawn} of {count} frames have no outline of tube or gas in their COCO file: they are background"
        )
    if missing := [PIXEL_CLASSES[row] for row in (TUBE, GAS) if row not in seen.classes]:
        read_as = "; 1 is read as tube" if _in_numbers(seen) and TUBE in seen.classes else ""
        notes.append(f"no pixel of the {count} masks is {' or '.join(missing)}{read_as}")
    return notes
