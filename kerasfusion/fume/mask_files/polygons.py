"""Outlines that were drawn with LabelMe (and the tools that write its JSON) to the classes of pixels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
from PIL import Image, ImageDraw

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.json_yaml import read_json
from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.images.decoding import MAX_PIXELS, ImageError

Place = tuple[pydantic.FiniteFloat, pydantic.FiniteFloat]
POINTS = {"polygon": 3, "rectangle": 2, "circle": 2}
"""Kind of shape -> points that it needs: corners; two opposite corners; the centre and a point of the edge."""


class _Shape(pydantic.BaseModel):
    label: str
    points: list[Place]
    shape_type: str = "polygon"


class _File(pydantic.BaseModel):
    shapes: list[_Shape]
    imageHeight: pydantic.PositiveInt
    imageWidth: pydantic.PositiveInt


def read_polygons(path: Path, labels: Mapping[str, int]) -> np.ndarray:
    """Draw the shapes of a LabelMe file: tube, gas over it, and over both what is labelled as background.

    Args:
        path: JSON with shapes, imageHeight and imageWidth.
        labels: {label in small letters: class}.

    Returns:
        (imageHeight, imageWidth) uint8; a shape's edge belongs to it, as in LabelMe's own export.

    Raises:
        ImageError: not such a file, an unknown label, or a kind of shape that has no inside.
    """
    file = _read(path)
    if file.imageHeight * file.imageWidth > MAX_PIXELS:
        raise ImageError(
            f"the drawing has {file.imageWidth} x {file.imageHeight} pixels",
            where=path,
            expected=f"at most {MAX_PIXELS:,} pixels",
        )
    sheet = Image.new("L", (file.imageWidth, file.imageHeight))
    pen = ImageDraw.Draw(sheet)
    shapes = [(_class_of(shape, labels, path), shape) for shape in file.shapes]
    for row, shape in sorted(shapes, key=lambda each: each[0] or len(PIXEL_CLASSES)):
        _draw(pen, shape, row)
    return np.asarray(sheet)


def _read(path: Path) -> _File:
    try:
        tree: dict[str, Any] | None = read_json(path)
        if tree is None:
            raise ImageError("cannot read the file: it does not exist", where=path)
        if {"images", "annotations"} <= tree.keys():
            raise ImageError(
                "this JSON is of COCO, which lists many frames",
                where=path,
                expected="a LabelMe JSON a frame, or a mask as PNG",
                todo="export the annotations as LabelMe, or as masks of 0, 1, 2",
            )
        return _File.model_validate(tree)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise ImageError(
            f"the JSON is not of LabelMe: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            where=path,
            expected="shapes (label, points, shape_type), imageHeight and imageWidth",
            todo="export the frame's polygons as LabelMe's JSON, or as a mask in PNG",
        ) from error
    except ImageError:
        raise
    except KerasFusionError as error:
        raise ImageError(error.what, where=path, expected="JSON, as LabelMe writes it") from error


def _class_of(shape: _Shape, labels: Mapping[str, int], path: Path) -> int:
    label = shape.label.strip().lower()
    if label not in labels:
        raise ImageError(
            f"a shape is labelled {shape.label!r}",
            where=path,
            expected=", ".join(f"{name} ({PIXEL_CLASSES[row]})" for name, row in labels.items()),
            todo=f"say what it is: data.masks.legend, such as {{tube: tube, gas: {shape.label}}}",
        )
    if len(shape.points) < POINTS.get(shape.shape_type, len(shape.points) + 1):
        raise ImageError(
            f"a shape of {label} is a {shape.shape_type} of {len(shape.points)} points, which has no inside",
            where=path,
            expected=", ".join(f"a {kind} of {least} points" for kind, least in POINTS.items()),
            todo="draw it as a polygon",
        )
    return labels[label]


def _draw(pen: ImageDraw.ImageDraw, shape: _Shape, row: int) -> None:
    if shape.shape_type == "polygon":
        pen.polygon(shape.points, row, row)
    elif shape.shape_type == "rectangle":
        (left, right), (top, bottom) = (sorted(values) for values in zip(*shape.points[:2], strict=True))
        pen.rectangle((left, top, right, bottom), row, row)
    else:
        (x, y), (edge_x, edge_y) = shape.points[:2]
        radius = float(np.hypot(edge_x - x, edge_y - y))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), row, row)
