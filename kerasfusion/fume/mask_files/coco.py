"""Annotations in COCO's JSON, of many pictures in one file, to the classes of one picture's pixels."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pydantic

from kerasfusion.errors import require
from kerasfusion.fume.mask_files.labels import class_of, painting_order, refuse_large
from kerasfusion.fume.mask_files.run_lengths import read_runs
from kerasfusion.images.decoding import ImageError

Key = int | str
Polygon = list[pydantic.FiniteFloat]


class Runs(pydantic.BaseModel):
    """A mask as run lengths: size is [height, width], counts numbers or COCO's compressed text."""

    size: tuple[pydantic.PositiveInt, pydantic.PositiveInt]
    counts: list[pydantic.NonNegativeInt] | str


class CocoPicture(pydantic.BaseModel):
    """One of the pictures that a file tells of."""

    id: Key
    file_name: str
    height: pydantic.PositiveInt
    width: pydantic.PositiveInt


class _Category(pydantic.BaseModel):
    id: Key
    name: str


class Annotation(pydantic.BaseModel):
    """What was drawn: polygons that belong together, each [x, y, x, y, ...], or run lengths."""

    image_id: Key
    category_id: Key
    segmentation: list[Polygon] | Runs | None = None


class CocoJson(pydantic.BaseModel):
    """What is read of such a file."""

    images: list[CocoPicture]
    categories: list[_Category]
    annotations: list[Annotation]


@dataclass(frozen=True)
class _Drawn:
    category: str
    parts: list[Polygon] | Runs


class CocoFile:
    """A file's annotations by picture.

    Args:
        content: of the file.
        path: of it, for messages.

    Raises:
        ImageError: two pictures of one id, an annotation of a picture or category that is not listed, or one without an
            outline.
    """

    def __init__(self, content: CocoJson, path: Path):
        self._by_stem: dict[str, list[CocoPicture]] = defaultdict(list)
        self._drawn: dict[Key, list[_Drawn]] = {picture.id: [] for picture in content.images}
        if len(self._drawn) < len(content.images):
            raise ImageError("two of the JSON's pictures have one id", where=path, todo="export the annotations again")
        for picture in content.images:
            self._by_stem[_place(picture.file_name).stem].append(picture)
        names = {category.id: category.name for category in content.categories}
        for number, annotation in enumerate(content.annotations):
            self._add(annotation, names, f"annotation {number + 1} of {len(content.annotations)}", path)

    def picture_of(self, frame: str, path: Path) -> CocoPicture:
        """The picture that a frame is: of its name but for the ending, and of several such that in the likest folder.

        Args:
            frame: the frame's path, with slashes.
            path: of the JSON, for messages.

        Raises:
            ImageError: none, or several alike.
        """
        asked = _place(frame)
        found = self._by_stem.get(asked.stem, [])
        best = max((_likeness(picture, asked) for picture in found), default=None)
        chosen = [picture for picture in found if _likeness(picture, asked) == best]
        if len(chosen) != 1:
            names = [picture.file_name for picture in chosen or (some[0] for some in self._by_stem.values())]
            said = f"{len(chosen)} pictures" if chosen else "no picture"
            raise ImageError(
                f"the COCO file lists {said} that may be {frame}: it has {', '.join(names[:3]) or 'none'}"
                + (f" and {len(names) - 3} more" if len(names) > 3 else ""),
                where=path,
                expected="one of the frame's name, whatever its ending",
                todo="annotate the frame (without outlines it counts as background), or take its row out",
            )
        return chosen[0]

    def drawn(self, picture: CocoPicture) -> list[_Drawn]:
        """What was drawn in a picture; nothing is background."""
        return self._drawn[picture.id]

    def _add(self, annotation: Annotation, names: Mapping[Key, str], what: str, path: Path) -> None:
        if annotation.image_id not in self._drawn or annotation.category_id not in names:
            one, number = ("picture", annotation.image_id) if annotation.category_id in names else (
                "category", annotation.category_id
            )  # fmt: skip
            raise ImageError(
                f"{what} is of the {one} {number!r}, which the JSON does not list",
                where=path,
                todo="export the annotations again",
            )
        if not annotation.segmentation:
            raise ImageError(
                f"{what}, of {names[annotation.category_id]!r}, has no outline",
                where=path,
                expected="polygons or run lengths, no boxes or points alone",
                todo="export the annotations for segmentation",
            )
        self._drawn[annotation.image_id].append(_Drawn(names[annotation.category_id], annotation.segmentation))


def draw_coco(file: CocoFile, picture: CocoPicture, labels: Mapping[str, int], path: Path) -> np.ndarray:
    """Draw a picture's annotations: tube, gas over it, and over both what is of a category of background.

    Args:
        file: what `path` holds.
        picture: one of its.
        labels: {name of a category in small letters: class}.
        path: for messages.

    Returns:
        (height, width) uint8; the pixels of a polygon are those that COCO's own tools count to it.

    Raises:
        RequestError: there are polygons, and pycocotools is not installed.
        ImageError: a category that is not known, an outline that lies elsewhere, or a picture that is too large.
    """
    refuse_large(picture.width, picture.height, path)
    mask = np.zeros((picture.height, picture.width), np.uint8)
    what = f"{picture.file_name} has annotations of the category"
    drawn = [(class_of(each.category, labels, what, path), each) for each in file.drawn(picture)]
    for row, each in sorted(drawn, key=lambda pair: painting_order(pair[0])):
        mask[_inside(each, picture, path)] = row
    return mask


def _inside(drawn: _Drawn, picture: CocoPicture, path: Path) -> np.ndarray:
    """(height, width) bool."""
    try:
        if isinstance(drawn.parts, Runs):
            if drawn.parts.size != (picture.height, picture.width):
                height, width = drawn.parts.size
                raise ValueError(f"its run lengths are of {width} x {height} pixels, the picture has others")
            return read_runs(drawn.parts.counts, picture.height, picture.width)
        return _filled(drawn.parts, picture)
    except ValueError as error:
        raise ImageError(
            f"an annotation of {drawn.category!r} in {picture.file_name} cannot be drawn: {error}",
            where=path,
            expected=f"outlines in a picture of {picture.width} x {picture.height} pixels",
            todo="export the annotations again",
        ) from error


def _filled(polygons: list[Polygon], picture: CocoPicture) -> np.ndarray:
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"a polygon of {len(polygon)} coordinates has no inside")
        # The library reserves memory by the outline's length.
        for value, side in zip(polygon, [picture.width, picture.height] * (len(polygon) // 2), strict=True):
            if not -side <= value <= 2 * side:
                raise ValueError(f"a polygon has a point at {value:g}, far outside")
    library = require("pycocotools.mask", extra="coco")
    whole = library.merge(library.frPyObjects(polygons, picture.height, picture.width))
    return read_runs(whole["counts"].decode("ascii"), picture.height, picture.width)


def _place(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _likeness(picture: CocoPicture, asked: PurePosixPath) -> tuple[int, bool]:
    """(how many folders above are the same, whether the endings are)."""
    place, same = _place(picture.file_name), 0
    for one, other in zip(place.parts[-2::-1], asked.parts[-2::-1], strict=False):
        if one != other:
            break
        same += 1
    return same, place.name == asked.name
