"""The views of a photo: the photo itself, and challenges as a validator would make them of it.

Which challenges a photo of train/ or val/ gets is drawn; one of test/ gets every layout and level once, so that each
can be judged by itself. Both depend on the photo's digest and the view's number alone: a view is the same wherever and
whenever it is made, and need not be kept.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kerasfusion.roadwork.challenge.kinds import LAYOUTS, LEVELS, MIX, Kind
from kerasfusion.roadwork.challenge.making import challenge, draw_view, stream_of
from kerasfusion.roadwork.config import Views

VERSION = 1
"""Of how a challenge is made; it rises where its pixels change, and caches of before are refused."""


def view_kinds(views: Views, split: str, digest: str | None) -> list[Kind | None]:
    """What each view of a photo is; None stands for the photo itself, which is the first.

    Args:
        views: which challenges are asked for.
        split: train, val or test.
        digest: sha256 of the photo's file, hex; None where it could not be read, and nothing is drawn.
    """
    if digest is None:
        return [None, *(grid(views.layout) if views.count > 1 and split == "test" else [])]
    return [None, *(kind for kind, _ in _challenges(views, split, digest))]


def view_count(views: Views, split: str) -> int:
    """How many views each photo of a split has."""
    if views.count < 2:
        return 1
    return 1 + len(grid(views.layout)) if split == "test" else views.count


def views_of(photo: np.ndarray, digest: str, split: str, views: Views) -> list[np.ndarray]:
    """Make a photo's views.

    Args:
        photo: (H, W, 3) uint8.
        digest, split, views: as for `view_kinds`.

    Returns:
        (h, w, 3) uint8 each, in the order of `view_kinds`; the first is the photo itself.
    """
    return [photo, *(challenge(photo, kind, stream) for kind, stream in _challenges(views, split, digest))]


def grid(layout: str) -> list[Kind]:
    """Every layout and level that a layout, or the mix of all, stands for."""
    kinds = (Kind(each, level) for each in LAYOUTS for level in (LEVELS if each != "plain" else (0,)))
    return [kind for kind in kinds if layout in (MIX, kind.layout)]


def copies_in_mix(kind: Kind, split: str) -> int:
    """How often a challenge counts in the mix of all layouts, which validators are taken to draw equally often.

    In test/, which has every layout and level once, a layout without levels would count a quarter of the others.
    """
    return len(LEVELS) if split == "test" and kind.layout == "plain" else 1


def describe_views(views: Views) -> dict[str, Any]:
    """What a cache notes of its views: nothing where it holds the photos alone, as all did before there were views."""
    if views.count < 2:
        return {}
    return {"views": {"layout": views.layout, "count": views.count, "version": VERSION}}


def views_in_words(described: Mapping[str, Any]) -> str:
    """What `describe_views` gave, for a message."""
    if not described:
        return "the photos alone"
    found = described["views"]
    ending = "" if found["version"] == VERSION else f", made as in version {found['version']} of the challenges"
    return f"{found['count']} views a photo ({found['layout']}{ending})"


def _challenges(views: Views, split: str, digest: str) -> Iterator[tuple[Kind, np.random.Generator]]:
    if views.count < 2:
        return
    if split == "test":
        yield from ((kind, stream_of(digest, number)) for number, kind in enumerate(grid(views.layout), 1))
        return
    yield from (draw_view(views.layout, MIX, digest, number) for number in range(1, views.count))
