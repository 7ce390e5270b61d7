"""A mask's file to the classes of its pixels: the one way for pairing, training and evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasfusion.fume.config_reading import MaskReading
from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.mask_files.outlines import SUFFIX, draw_outlines
from kerasfusion.images.decoding import ImageError, Stored, read_stored

USUAL = MaskReading()
IDS = {0: 0, 1: 1, 2: 2}
GREYS = ({0: 0, 127: 1, 255: 2}, {0: 0, 128: 1, 255: 2})
"""Background, tube and gas as black, grey and white; without tube 0 and 255."""
NAMED = 8
"""Values that a message lists."""


@dataclass(frozen=True)
class ReadMask:
    """A mask, and what told its classes.

    Attributes:
        classes: (H, W) uint8: 0 background, 1 tube, 2 gas.
        told_by: "numbers" 0, 1, 2; "greys" 0, 127, 255; "indices" of a palette; "legend"; "labels" of polygons; or
            "nothing", where all pixels are 0.
        colours: {index: "#rrggbb"} of those that are used, where the indices of a palette count.
        picture: which of a file's many pictures it is, as the file names it; None from a file of one.
    """

    classes: np.ndarray
    told_by: str
    colours: Mapping[int, str] = field(default_factory=dict)
    picture: str | None = None


def read_mask(path: Path, how: MaskReading = USUAL, frame: str = "") -> np.ndarray:
    """Read a mask.

    Args:
        path: its file.
        how: what is set about reading.
        frame: path of the frame that it is of, with slashes; a JSON of many frames is asked by it.

    Returns:
        (H, W) uint8: 0 background, 1 tube, 2 gas.

    Raises:
        ImageError: not readable, or what its pixels mean is not known; names the values that it holds.
    """
    return examine_mask(path, how, frame).classes


def examine_mask(path: Path, how: MaskReading = USUAL, frame: str = "") -> ReadMask:
    """Read a mask, and say what told its classes.

    Where the legend names numbers or colours, these count. Else numbers of one channel, or of equal ones, are 0, 1, 2
    or 0, 127 (128), 255; palette files count by index, but for greys, which are numbers; of several channels one may
    be used alone.

    Raises:
        ImageError: as `read_mask`, which has the same arguments.
    """
    if path.suffix.lower() == SUFFIX:
        classes, picture = draw_outlines(path, how.legend.labels(), frame)
        told_by = "nothing" if picture is not None and not classes.any() else "labels"
        return ReadMask(classes, told_by, picture=picture and picture.file_name)
    stored = read_stored(path)
    try:
        if colours := how.legend.colours():
            return ReadMask(_by_colour(stored, colours), "legend")
        if numbers := how.legend.numbers():
            return ReadMask(_by_number(_one_channel(stored.pixels), numbers, legend=True), "legend")
        return _without_legend(stored)
    except ImageError as error:
        raise type(error)(error.what, where=path, expected=error.expected, todo=error.todo) from error


def _without_legend(stored: Stored) -> ReadMask:
    if stored.palette is not None:
        return _of_palette(stored.pixels, stored.palette)
    return _of_numbers(_one_channel(stored.pixels), equal=_equal_channels(stored.pixels))


def _of_numbers(pixels: np.ndarray, equal: bool = True) -> ReadMask:
    found = set(np.unique(pixels).tolist())
    for numbers in (IDS, *(GREYS if equal else ())):
        if found <= set(numbers):
            told_by = "nothing" if found <= {0} else "numbers" if numbers is IDS else "greys"
            return ReadMask(_by_number(pixels, numbers), told_by)
    raise ImageError(
        f"the mask holds {_shares(pixels)}",
        expected="0 background, 1 tube, 2 gas; or 0, 127, 255 (without tube 0, 255)",
        todo="if these are classes, say which: data.masks.legend, such as {tube: 1, gas: [3, 4]}; if they are shades "
        "(JPEG, smoothed edges), export the masks as PNG without smoothing",
    )


def _of_palette(indices: np.ndarray, palette: np.ndarray) -> ReadMask:
    """Greys are numbers; of colours the index counts, for that is how palettes of classes are written."""
    used = np.unique(indices)
    if used.max(initial=0) >= len(palette):
        return _of_numbers(indices)
    colours = palette[used]
    if (colours == colours[:, :1]).all() and set(colours[:, 0].tolist()) <= {0, 1, 2, 127, 128, 255}:
        return _of_numbers(palette[indices, 0])
    held = {int(index): _named(colour) for index, colour in zip(used, colours, strict=True)}
    if held.get(0, "#000000") != "#000000":
        raise ImageError(
            f"the mask has a palette whose first colour is no black, but {held[0]}, so its indices may be in any order "
            f"({', '.join(f'{index} {colour}' for index, colour in held.items())})",
            expected="indices 0 background, 1 tube, 2 gas, the first of them black",
            todo='say what the colours mean: data.masks.legend, such as {background: "#ffffff", gas: "#ff0000"}',
        )
    return ReadMask(_of_numbers(indices).classes, "indices", held)


def _by_number(pixels: np.ndarray, numbers: Mapping[int, int], legend: bool = False) -> np.ndarray:
    classes, known = np.zeros(pixels.shape, np.uint8), np.zeros(pixels.shape, bool)
    for number, row in numbers.items():
        here = pixels == number
        classes[here] = row
        known |= here
    if legend and not known.all():
        raise ImageError(
            f"the mask holds {_shares(pixels[~known], pixels.size)}, which the legend does not name",
            expected=f"data.masks.legend: {_words(numbers)}",
            todo="name these values in data.masks.legend",
        )
    return classes


def _by_colour(stored: Stored, colours: Mapping[str, int]) -> np.ndarray:
    pixels = stored.looked_up()
    if pixels.dtype != np.uint8:
        raise ImageError("the mask's pixels are numbers", expected=f"the colours {_words(colours)}")
    if pixels.ndim == 2:
        pixels = np.stack([pixels] * 3, axis=-1)
    packed = _packed(pixels)
    classes, known = np.zeros(packed.shape, np.uint8), np.zeros(packed.shape, bool)
    for colour, row in colours.items():
        here = packed == int(colour[1:], 16)
        classes[here] = row
        known |= here
    if not known.all():
        raise ImageError(
            f"the mask holds {_colour_shares(packed[~known], packed.size)}, which the legend does not name",
            expected=f"data.masks.legend: {_words(colours)}",
            todo="name these colours in data.masks.legend; if they are shades of its own (JPEG, smoothed edges), "
            "export the masks as PNG without smoothing",
        )
    return classes


def _one_channel(pixels: np.ndarray) -> np.ndarray:
    """The channel that is used, or one of those that are, if they say the same."""
    if np.issubdtype(pixels.dtype, np.floating):
        raise ImageError("floating-point pixels are no numbers of classes", expected="integers")
    if pixels.ndim == 2:
        return pixels
    used = [channel for channel in np.moveaxis(pixels, -1, 0) if channel.any()] or [pixels[..., 0]]
    # One that is used alone is a class, or else a colour such as pure red.
    if any(not np.array_equal(used[0], other) for other in used[1:]) or (len(used) < 3 and used[0].max() >= len(IDS)):
        packed = _packed(pixels)
        raise ImageError(
            f"the pixels are colours: {_colour_shares(packed, packed.size)}",
            expected="one channel, or channels that say the same",
            todo='say what they mean: data.masks.legend, such as {tube: "#00ff00", gas: "#ff0000"}',
        )
    return used[0]


def _equal_channels(pixels: np.ndarray) -> bool:
    return pixels.ndim == 2 or bool((pixels == pixels[..., :1]).all())


def _packed(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)


def _named(colour: np.ndarray) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _words(marks: Mapping[int | str, int]) -> str:
    return ", ".join(f"{mark} {PIXEL_CLASSES[row]}" for mark, row in marks.items())


def _shares(pixels: np.ndarray, of: int | None = None) -> str:
    """The values in their order, with the share of the pixels that have each."""
    values, counts = np.unique(pixels, return_counts=True)
    shown = ", ".join(map(str, values[:NAMED])) + (", ..." if len(values) > NAMED else "")
    if len(values) > NAMED:
        return f"{shown} ({len(values)} values)"
    size = pixels.size if of is None else of
    return f"{shown} ({', '.join(f'{count / size:.1%}' for count in counts)} of the pixels)"


def _colour_shares(packed: np.ndarray, size: int) -> str:
    """The commonest colours with their shares."""
    values, counts = np.unique(packed, return_counts=True)
    first = np.argsort(-counts, kind="stable")[:NAMED]
    shown = ", ".join(f"#{values[place]:06x} {counts[place] / size:.1%}" for place in first)
    return shown + (f", and {len(values) - NAMED} more" if len(values) > NAMED else "")
