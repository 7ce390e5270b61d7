"""The pictures on which an export is checked."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kerasfusion.images.decoding import read_image
from kerasfusion.images.listing import list_photos
from kerasfusion.parallel import ordered_map
from kerasfusion.roadwork.branches.inputs import RESIZE
from kerasfusion.roadwork.scenes.street import draw_scene

COUNT = 50


def choose_photos(folder: Path, count: int = COUNT, seed: int = 0) -> list[Path]:
    """A random choice of the images below a folder.

    Raises:
        RequestError: there are none.
    """
    listing = list_photos(folder)
    found = listing.photos(folder)
    listing.require_whole()
    if not found:
        raise listing.nothing_found("photos in it or in folders below it", "name one that has photos with --samples")
    chosen = np.random.default_rng(seed).permutation(len(found))[:count]
    return [found[number] for number in sorted(chosen)]


def photo_pictures(photos: list[Path], sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Photos as the model's inputs see them: {input: (N, S, S, 3) uint8}.

    Raises:
        ImageError: a photo cannot be read.
    """
    return _stack(ordered_map(lambda path: read_image(path)[0], photos), sizes)


def drawn_pictures(sizes: Mapping[str, int], count: int = COUNT, seed: int = 0) -> dict[str, np.ndarray]:
    """Generated street scenes as the model's inputs see them, half of them with roadwork."""
    rng = np.random.default_rng(seed)
    return _stack((np.asarray(draw_scene(rng, roadwork=bool(row % 2))) for row in range(count)), sizes)


def _stack(photos, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    views = [{name: RESIZE[name](pixels, size) for name, size in sizes.items()} for pixels in photos]
    return {name: np.stack([view[name] for view in views]) for name in sizes}
