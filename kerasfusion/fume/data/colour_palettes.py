"""False colours back to the grey levels that they stand for, where the palette is known."""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

LEVELS = 256
CLOSE = 32.0
"""Largest distance in RGB of a pixel from its palette, levels: JPEG blurs colours."""
MOST_STRAY = 0.05
"""Share of a frame's pixels that may be further off, such as letters and marks that a camera writes into it."""
ALIKE = 3.0
"""Mean distances of two palettes that differ by less say nothing about which of them it is."""
MOST_APART = 12.0
"""Mean difference of their levels that is left to the one that fits better."""


def _steps(*corners: tuple[float, float]) -> Callable[[np.ndarray], np.ndarray]:
    """Straight lines through (place, share) corners."""
    places, shares = zip(*corners, strict=True)
    return lambda x: np.interp(x, places, shares)


Curve = tuple[Callable, Callable, Callable]
KNOWN: dict[str, Curve] = {
    # Blue, cyan, yellow, red, dark at both ends: MATLAB's and OpenCV's, and matplotlib's, whose corners lie elsewhere.
    "jet": (
        lambda x: 1.5 - np.abs(4 * x - 3),
        lambda x: 1.5 - np.abs(4 * x - 2),
        lambda x: 1.5 - np.abs(4 * x - 1),
    ),
    "jet of matplotlib": (
        _steps((0.35, 0), (0.66, 1), (0.89, 1), (1, 0.5)),
        _steps((0.125, 0), (0.375, 1), (0.64, 1), (0.91, 0)),
        _steps((0, 0.5), (0.11, 1), (0.34, 1), (0.65, 0)),
    ),
    # The full hues from blue to red.
    "rainbow": (
        _steps((0.5, 0), (0.75, 1)),
        _steps((0, 0), (0.25, 1), (0.75, 1), (1, 0)),
        _steps((0.25, 1), (0.5, 0)),
    ),
    # Red, yellow, green, blue, violet: the other way round.
    "rainbow of opencv": (
        _steps((0.4, 1), (0.6, 0), (0.8, 0), (1, 2 / 3)),
        _steps((0, 0), (0.4, 1), (0.6, 1), (0.8, 0)),
        _steps((0.6, 0), (0.8, 1)),
    ),
    "rainbow of matplotlib": (
        lambda x: np.abs(2 * x - 0.5),
        lambda x: np.sin(np.pi * x),
        lambda x: np.cos(np.pi / 2 * x),
    ),
    # Black, violet, red, yellow, as thermography draws hot iron.
    "iron": (np.sqrt, lambda x: x**3, lambda x: np.sin(2 * np.pi * x)),
    "hot": (
        _steps((0, 0), (0.4, 1)),
        _steps((0.4, 0), (0.8, 1)),
        _steps((0.8, 0), (1, 1)),
    ),
    "hot of matplotlib": (
        _steps((0, 0.0416), (0.365, 1)),
        _steps((0.365, 0), (0.746, 1)),
        _steps((0.746, 0), (1, 1)),
    ),
}
"""Palette -> red, green and blue (0..1, cut there) as functions of the level (0..1)."""


def table_of(colours: Sequence[str]) -> np.ndarray:
    """Colours "#rrggbb" from the lowest level to the highest, evenly spaced -> (256, 3) float32, 0..255."""
    corners = np.array([list(bytes.fromhex(colour[1:])) for colour in colours], np.float32)
    places = np.linspace(0, LEVELS - 1, len(corners))
    return np.stack([np.interp(np.arange(LEVELS), places, channel) for channel in corners.T], axis=-1, dtype=np.float32)


@functools.cache
def known_tables() -> dict[str, np.ndarray]:
    """{palette: (256, 3) float32, 0..255}."""
    x = np.linspace(0, 1, LEVELS)
    return {
        name: np.stack([np.clip(channel(x), 0, 1) * 255 for channel in curve], axis=-1).astype(np.float32)
        for name, curve in KNOWN.items()
    }


class AmbiguousPaletteError(Exception):
    """Colours that two palettes have, for other levels. Its arguments are their names."""


def find_levels(colours: np.ndarray, tables: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The levels that a coloured frame's pixels stand for.

    Args:
        colours: (H, W, 3) uint8.
        tables: {palette: (256, 3) float32, the colour of every level}.

    Returns:
        (H, W) uint8 by the table that fits best; None if more than MOST_STRAY of the pixels are not CLOSE to it.

    Raises:
        AmbiguousPaletteError: two fit equally well, and their levels differ.
    """
    seen, places, counts = _distinct(colours)
    fitting = []
    for name, table in tables.items():
        nearest, distance = _nearest(seen, table)
        if counts[distance > CLOSE].sum() <= MOST_STRAY * counts.sum():
            fitting.append((float(np.average(distance, weights=counts)), name, nearest))
    if not fitting:
        return None
    (distance, name, best), *others = sorted(fitting, key=lambda each: each[0])
    for other_distance, other, levels in others:
        if other_distance - distance < ALIKE and np.average(np.abs(levels - best), weights=counts) > MOST_APART:
            raise AmbiguousPaletteError(name, other)
    return best[places].reshape(colours.shape[:2]).astype(np.uint8)


def fits_no_worse_than_grey(colours: np.ndarray, tables: Mapping[str, np.ndarray]) -> bool:
    """Whether pixels with little colour, (N, 3) uint8, are as near to one of the tables as to grey, on average.

    Black and white are in some palettes too, and fit either; a dark grey is CLOSE to their dark red and fits worse.
    """
    if not len(colours):
        return True
    seen, _, counts = _distinct(colours)

    def distance(table: np.ndarray) -> float:
        return float(np.average(_nearest(seen, table)[1], weights=counts))

    return min(map(distance, tables.values())) <= distance(table_of(("#000000", "#ffffff")))


def _distinct(colours: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(M, 3) float32 colours that occur in (..., 3) uint8, the places of all pixels among them, and their counts."""
    packed = colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    codes, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.float32), places, counts


def _nearest(seen: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(levels, distances) of the table's colours that are nearest to (N, 3) float32 ones."""
    squares = (seen**2).sum(-1, keepdims=True) - 2 * seen @ table.T + (table**2).sum(-1)
    nearest = squares.argmin(-1)
    rest = np.maximum(np.take_along_axis(squares, nearest[:, None], -1)[:, 0], 0)
    return nearest, np.sqrt(rest)
