"""What files of outlines have in common: labels that mean a class, which of them lies above, how large a picture is."""

from collections.abc import Mapping
from pathlib import Path

from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.images.decoding import MAX_PIXELS, ImageError


def class_of(label: str, labels: Mapping[str, int], what: str, path: Path) -> int:
    """The class that a label stands for, in letters of any size.

    Args:
        label: as the file has it.
        labels: {label in small letters: class}.
        what: has the label, for the message.
        path: of the file.

    Raises:
        ImageError: no such label.
    """
    known = labels.get(label.strip().lower())
    if known is None:
        raise ImageError(
            f"{what} {label!r}",
            where=path,
            expected=", ".join(f"{name} ({PIXEL_CLASSES[row]})" for name, row in labels.items()),
            todo=f"say what it is: data.masks.legend, such as {{tube: tube, gas: {label}}}",
        )
    return known


def painting_order(row: int) -> int:
    """What a class is sorted by: tube lies below gas, and what is said to be background above both."""
    return row or len(PIXEL_CLASSES)


def refuse_large(width: int, height: int, path: Path) -> None:
    """Stop before a sheet is made that would not fit into memory.

    Raises:
        ImageError: more than MAX_PIXELS.
    """
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"the drawing has {width} x {height} pixels", where=path, expected=f"at most {MAX_PIXELS:,} pixels"
        )
