"""Photos that show the same picture in other bytes: resized, recompressed, cropped a little, brightened.

Neighbouring frames of one drive are such photos too. Each photo gets a fingerprint of 256 bits (a perceptual hash: the
signs of its lowest frequencies), and two that differ in few bits are taken for one picture.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from kerasfusion.address import Place
from kerasfusion.errors import require
from kerasfusion.images.decoding import MAX_PIXELS, ImageError, read_image
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track

BITS = 256
NEAR = 76
"""Bits by which two fingerprints of one picture differ at most. Of 539 street and cone photos, the 145,000 pairs of
different pictures differed by 78 and more, the ten pairs of the same one by up to 26; of 60 copies that were resized,
recompressed at quality 35, cropped by 5 % or brightened by 30 %, 58 differed by up to 74."""

CAN_FINGERPRINT = importlib.util.find_spec("imagehash") is not None
_BLOCK = 1024
"""Fingerprints that are compared with all others at a time."""

TILE, GAP, LINE = 200, 10, 20
"""Pixels of the sheet."""
PAIRS_DRAWN, COLUMNS = 40, 2


def fingerprint(pixels: np.ndarray) -> np.ndarray:
    """A photo's perceptual hash.

    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2, as the library
    imagehash has it, of 16 x 16 frequencies.

    Args:
        pixels: (H, W, 3) uint8.

    Returns:
        (BITS,) bool.

    Raises:
        RequestError: imagehash is not installed.
    """
    phash = require("imagehash", extra="train").phash
    return phash(Image.fromarray(pixels), hash_size=16).hash.ravel()


def find_near_copies(paths: Sequence[Path]) -> tuple[list[tuple[int, int]], list[str]]:
    """Which photos show the same picture.

    Args:
        paths: N files.

    Returns:
        The numbers of each two that do, and notes to show: photos that cannot be read are not compared.

    Raises:
        RequestError: imagehash is not installed.
    """
    fingerprint(np.zeros((1, 1, 3), np.uint8))  # before all are read
    found = list(track(ordered_map(_fingerprint_of, paths), "compare", total=len(paths)))
    read = [number for number, each in enumerate(found) if each is not None]
    pairs = near_pairs(np.array([found[number] for number in read]).reshape(-1, BITS))
    lost = [path.name for path, each in zip(paths, found, strict=True) if each is None]
    notes = [f"{len(lost)} photos that cannot be read were compared with none: {', '.join(lost[:3])}"] if lost else []
    return [(read[one], read[other]) for one, other, _ in pairs], notes


def _fingerprint_of(path: Path) -> np.ndarray | None:
    try:
        return fingerprint(read_image(path)[0])
    except ImageError:
        return None


def near_pairs(fingerprints: np.ndarray) -> list[tuple[int, int, int]]:
    """Every two photos whose fingerprints differ in NEAR bits or fewer.

    Args:
        fingerprints: (N, BITS) bool.

    Returns:
        (number of one, of the other, bits that differ), the lower number first; the nearest pairs first.
    """
    return sorted(_all_pairs(fingerprints), key=lambda pair: (pair[2], *pair[:2]))


def _all_pairs(fingerprints: np.ndarray) -> Iterator[tuple[int, int, int]]:
    signs = np.where(fingerprints, np.float32(1), np.float32(-1))
    for start in range(0, len(signs), _BLOCK):
        # Of numbers that are 1 or -1 the product's sum is what agrees less what differs.
        differ = (BITS - signs[start : start + _BLOCK] @ signs[start:].T) / 2
        rows, columns = np.nonzero(differ <= NEAR)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if row < column:
                yield start + row, start + column, int(differ[row, column])


def pairs_sheet(root: Place, pairs: Sequence[Sequence[str]], max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The first PAIRS_DRAWN pairs side by side, with their names.

    Args:
        root: of the data set.
        pairs: the sample ids of one and of the other; at least one pair.
        max_pixels: largest photo that is decoded, width x height.

    Returns:
        (h, w, 3) uint8.
    """
    shown = pairs[:PAIRS_DRAWN]
    columns = min(COLUMNS, len(shown))
    width, height = 2 * TILE + 3 * GAP, TILE + LINE * 2 + GAP
    sheet = Image.new("RGB", (columns * width + GAP, -(-len(shown) // columns) * height + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, names in enumerate(shown):
        x, y = GAP + number % columns * width, GAP + number // columns * height
        for place, name in enumerate(names):
            photo = Image.fromarray(read_image(root / name, max_pixels)[0])
            tile = ImageOps.pad(photo, (TILE, TILE), Image.Resampling.BILINEAR, "#dddddd")
            sheet.paste(tile, (x + place * (TILE + GAP), y))
            pen.text((x, y + TILE + 2 + place * (LINE - 4)), _end_of(name), "#111111", font)
    return np.asarray(sheet)


def _end_of(name: str) -> str:
    """The last part of a long name."""
    return name if len(name) <= 60 else f"...{name[-57:]}"
