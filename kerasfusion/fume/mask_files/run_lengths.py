"""Masks as COCO's run lengths, plain or compressed; pycocotools reads those that are cut without a word."""

import numpy as np

_FIRST = 48
"""Character that stands for 0; each carries five bits of a number, and a sixth that says that more follow."""


def read_runs(counts: list[int] | str, height: int, width: int) -> np.ndarray:
    """Pixels column by column: so many outside, so many inside, and so on.

    Args:
        counts: lengths, or these as text: numbers in base 32, from the fourth on less the one two before.
        height, width: pixels.

    Returns:
        (height, width) bool.

    Raises:
        ValueError: the lengths are not those of the picture.
    """
    lengths = _unpacked(counts) if isinstance(counts, str) else counts
    if sum(lengths) != height * width or min(lengths) < 0:
        raise ValueError(f"its run lengths are of {sum(lengths):,} pixels, not of {height * width:,}")
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    lengths, place = [], 0
    while place < len(text):
        value = shift = 0
        more = True
        while more:
            if place == len(text) or not 0 <= (code := ord(text[place]) - _FIRST) < 64:
                raise ValueError("its run lengths are damaged")
            value |= (code & 31) << shift
            shift, place, more = shift + 5, place + 1, bool(code & 32)
        if code & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
    return lengths
