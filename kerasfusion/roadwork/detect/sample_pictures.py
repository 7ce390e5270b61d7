"""The pictures on which an export is checked."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from kerasfusion.images.decoding import ImageError, read_image
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


def photo_pictures(
    photos: list[Path], sizes: Mapping[str, int], report: Callable[[str], None]
) -> dict[str, np.ndarray]:
    """Photos as the model's inputs see them: {input: (N, S, S, 3) uint8}; `report` is told of those left out.

    Raises:
        ImageError: no photo can be read.
    """
    found = list(ordered_map(lambda path: _read(path, sizes), photos))
    damaged = [error for error in found if isinstance(error, ImageError)]
    if len(damaged) == len(found):
        raise damaged[0]
    for error in damaged:
        report(f"unreadable, left out: {error.where}: {error.what}")
    return _stack([views for views in found if not isinstance(views, ImageError)])


def drawn_pictures(sizes: Mapping[str, int], count: int = COUNT, seed: int = 0) -> dict[str, np.ndarray]:
    """Generated street scenes as the model's inputs see them, half of them with roadwork."""
    rng = np.random.default_rng(seed)
    scenes = (np.asarray(draw_scene(rng, roadwork=bool(row % 2))) for row in range(count))
    return _stack([_views(scene, sizes) for scene in scenes])


def _read(path: Path, sizes: Mapping[str, int]) -> dict[str, np.ndarray] | ImageError:
    try:
        return _views(read_image(path)[0], sizes)
    except ImageError as error:
        return error


def _views(pixels: np.ndarray, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    return {name: RESIZE[name](pixels, size) for name, size in sizes.items()}


def _stack(views: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([view[name] for view in views]) for name in views[0]}
