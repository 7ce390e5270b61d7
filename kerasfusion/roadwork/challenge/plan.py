"""Which challenges are to be made of which photos, known before one photo is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.images.listing import readable_name
from kerasfusion.roadwork.challenge.kinds import Kind, check_choice
from kerasfusion.roadwork.challenge.listing import View
from kerasfusion.roadwork.challenge.making import draw_view
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.data.imagefolder import Photo
from kerasfusion.roadwork.data.target_names import free_names


@dataclass(frozen=True)
class Choice:
    """What is asked for.

    Attributes:
        layout: of kinds.LAYOUTS, or kinds.MIX.
        level: of kinds.LEVELS, or kinds.MIX.
        views: challenges of each photo, 1 or more.

    Raises:
        RequestError: no such layout or level, or no views.
    """

    layout: str
    level: str | int
    views: int

    def __post_init__(self):
        check_choice(self.layout, self.level)
        if self.views < 1:
            raise RequestError(f"{self.views} views of each photo", where="views", expected="1 or more")

    def draw(self, digest: str, number: int) -> tuple[Kind, np.random.Generator]:
        """The kind of a photo's view, and the stream from which the rest of it is drawn."""
        return draw_view(self.layout, self.level, digest, number)


def name_below(src: Path, photo: Photo) -> str:
    """A photo's POSIX path below SRC, readable."""
    return readable_name(photo.path.relative_to(src).as_posix())


def planned_views(src: Path, digests: Mapping[Photo, str], choice: Choice) -> dict[View, Path]:
    """The views of each photo, numbered from 1 (0 stands for the photo itself), and the photo's file.

    Args:
        src: the imagefolder.
        digests: sha256 of each photo, hex.
        choice: what is asked for.
    """
    digits = len(str(choice.views))
    stems = free_names(
        map(_wanted, digests), list(digests.values()), spare=len(f"_view_{Kind('letterbox', 3)}") + digits
    )
    plan = {}
    for (photo, digest), stem in zip(digests.items(), stems, strict=True):
        for number in range(1, choice.views + 1):
            kind, _ = choice.draw(digest, number)
            path = stem.removesuffix(".jpg") + _ending(number, kind)
            view = View(path, digest, name_below(src, photo), number, kind.layout, kind.level)
            plan[view] = photo.path
    return plan


def _ending(number: int, kind: Kind) -> str:
    return f"_view{number}_{kind}.jpg"


def _wanted(photo: Photo) -> str:
    """Where the photo itself would stand in OUT, as a JPEG."""
    folder = PurePosixPath(photo.split or "", CLASS_NAMES[photo.label])
    name = PurePosixPath(photo.name)
    return str(folder / name.with_name(f"{name.stem}.jpg"))
