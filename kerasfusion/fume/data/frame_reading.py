"""A frame's file, as cameras write them, to grey levels: the one way for training, evaluation and prediction."""

from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.data.colour_palettes import (
    AmbiguousPaletteError,
    find_levels,
    fits_no_worse_than_grey,
    known_tables,
    table_of,
)
from kerasfusion.images.decoding import ImageError, Stored, read_stored
from kerasfusion.images.flir import is_radiometric, read_celsius

PLAIN = FrameReading()
GREY = 12
"""Largest difference between a grey pixel's channels, levels: JPEG tints a little."""
MOST_COLOURED = 0.05
"""Share of a grey frame that may be in colours, such as letters and marks that a camera writes into it."""
USUAL = (0.5, 99.5)
"""Percentiles between which a range is proposed: single hot or dead pixels are beyond."""


def read_frame(path: Path, how: FrameReading = PLAIN) -> np.ndarray:
    """Read a frame as the levels that a network is given.

    Pictures of 8 bits are taken as they are, colours of a grey picture by ITU-R 601 luma. Counts and degrees become
    round(255 (x - low) / (high - low)), cut at 0 and 255. Colours of a known palette become the levels that they stand
    for.

    Args:
        path: PNG, TIFF, BMP, JPEG and what else Pillow reads.
        how: what is set about reading.

    Returns:
        (H, W) uint8.

    Raises:
        ImageError: the file cannot be read, or holds what `how` says nothing of; names it, and what to do.
    """
    return levels_of(read_stored(path, how.page), how, path)


def levels_of(stored: Stored, how: FrameReading, where: object) -> np.ndarray:
    """The levels of a frame that was decoded, such as one of a film.

    Args:
        stored: the frame as its file has it.
        how: what is set about reading.
        where: the file, for messages.

    Returns:
        (H, W) uint8, as `read_frame` gives them.

    Raises:
        ImageError: the frame holds what `how` says nothing of.
    """
    try:
        values = _values(stored, how)
        if values is not None:
            return _levels(values, how, stored.are_counts)
        return _picture(stored, how)
    except ImageError as error:
        raise type(error)(error.what, where=where, expected=error.expected, todo=error.todo) from error


def propose_range(values: np.ndarray) -> str:
    """The setting that takes most of these counts or degrees in, as it is typed."""
    low, high = np.percentile(values[np.isfinite(values)], USUAL)
    digits = 0 if high - low > 50 else 2
    return f"data.frames.range=[{low:.{digits}f},{max(high, low + 10**-digits):.{digits}f}]"


def _values(stored: Stored, how: FrameReading) -> np.ndarray | None:
    """Counts or degrees; None for a picture of 8 bits."""
    if how.range is not None and is_radiometric(stored.encoded):
        return read_celsius(stored.encoded)
    pixels = stored.pixels
    if _is_long(pixels):
        return pixels
    if how.range is None:
        return None
    raise ImageError(
        "the frame is a picture of 8 bits, whose levels have been scaled already",
        expected=f"counts or degrees, since data.frames.range is {list(how.range)}",
        todo="export radiometric frames (16-bit or float TIFF), or train and predict without data.frames.range",
    )


def _is_long(pixels: np.ndarray) -> bool:
    return pixels.ndim == 2 and pixels.dtype != np.uint8


def _levels(values: np.ndarray, how: FrameReading, are_counts: bool) -> np.ndarray:
    if not np.isfinite(values).all():
        bad = int(np.count_nonzero(~np.isfinite(values)))
        raise ImageError(
            f"{bad:,} of {values.size:,} pixels are NaN or infinite",
            expected="a number in every pixel",
            todo="fill these pixels where the frame is exported, or leave the frame out",
        )
    least, most = values.min(), values.max()
    if how.range is None:
        if not are_counts and not np.issubdtype(values.dtype, np.floating) and least >= 0 and most <= 255:
            return values.astype(np.uint8)  # levels, in a wider container
        raise ImageError(
            f"the frame holds {_what(values)} from {least:,.6g} to {most:,.6g}, which have no fixed range",
            expected="a picture of 8 bits, or the range that becomes black to white",
            todo=f"train with --set {propose_range(values)} (this frame's {USUAL[0]} to {USUAL[1]} %), or, if the "
            "network was trained on pictures of 8 bits, predict with --frame-range",
        )
    low, high = how.range
    if most < low or least > high:
        raise ImageError(
            f"the frame holds {_what(values)} from {least:,.6g} to {most:,.6g}, all beyond the range {list(how.range)}",
            expected="the unit and the camera that data.frames.range was set for",
            todo=f"export it in that unit, or train again with --set {propose_range(values)}",
        )
    return np.rint(np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def _what(values: np.ndarray) -> str:
    return "floating-point pixels" if np.issubdtype(values.dtype, np.floating) else "counts"


def _picture(stored: Stored, how: FrameReading) -> np.ndarray:
    """The levels of a picture of 8 bits."""
    pixels = stored.looked_up()
    if pixels.ndim == 2:
        return pixels
    coloured = pixels.max(-1) - pixels.min(-1) > GREY
    share = float(coloured.mean())
    # Marks in colours do not make a grey frame one of false colours, whose dark levels may lie near its greys.
    if share > MOST_COLOURED or (share and _is_painted(pixels[~coloured], how)):
        levels = _uncoloured(pixels, how)
        if levels is not None:
            return levels
    if share <= MOST_COLOURED:
        return np.asarray(Image.fromarray(pixels).convert("L"))
    todo = "export it in grey (white hot), or set data.frames.palette to the colours of the camera's scale"
    if is_radiometric(stored.encoded):
        todo = f"this FLIR JPEG has degrees in it: set data.frames.range, such as [10, 40]; or {todo}"
    raise ImageError(
        f"{share:.0%} of the frame is in colours of no known palette",
        expected=f"grey levels, or {', '.join(_tables(how))}",
        todo=todo,
    )


def _tables(how: FrameReading) -> dict[str, np.ndarray]:
    """{palette: the colours of its levels} that a frame may have."""
    if how.palette is None:
        return known_tables()
    if isinstance(how.palette, str):
        return {how.palette: known_tables()[how.palette]}
    return {"data.frames.palette": table_of(how.palette)}


def _is_painted(greys: np.ndarray, how: FrameReading) -> bool:
    """Whether a frame with little colour is one of false colours: so it is said, or its grey pixels fit a palette."""
    return how.palette is not None or fits_no_worse_than_grey(greys, known_tables())


def _uncoloured(pixels: np.ndarray, how: FrameReading) -> np.ndarray | None:
    try:
        return find_levels(pixels, _tables(how))
    except AmbiguousPaletteError as error:
        raise ImageError(
            f"the frame's colours are of {' or '.join(error.args)}, which give other levels",
            expected="a frame that shows more of its palette, or the palette's name",
            todo=f"set data.frames.palette: {error.args[0]}, or export the frame in grey (white hot)",
        ) from error
