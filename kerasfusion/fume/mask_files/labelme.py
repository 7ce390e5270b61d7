"""Outlines that were drawn with LabelMe (and the tools that write its JSON) to the classes of pixels."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pydantic
from PIL import Image, ImageDraw

from kerasfusion.fume.mask_files.labels import class_of, painting_order, refuse_large
from kerasfusion.images.decoding import ImageError

Place = tuple[pydantic.FiniteFloat, pydantic.FiniteFloat]
POINTS = {"polygon": 3, "rectangle": 2, "circle": 2}
"""Kind of shape -> points that it needs: corners; two opposite corners; the centre and a point of the edge."""


class Shape(pydantic.BaseModel):
    """An outline with its label."""

    label: str
    points: list[Place]
    shape_type: str = "polygon"


class LabelMeFile(pydantic.BaseModel):
    """The outlines of one picture."""

    shapes: list[Shape]
    imageHeight: pydantic.PositiveInt
    imageWidth: pydantic.PositiveInt


def draw_labelme(file: LabelMeFile, labels: Mapping[str, int], path: Path) -> np.ndarray:
    """Draw the shapes of a LabelMe file: tube, gas over it, and over both what is labelled as background.

    Args:
        file: what `path` holds.
        labels: {label in small letters: class}.
        path: for messages.

    Returns:
        (imageHeight, imageWidth) uint8; a shape's edge belongs to it, as in LabelMe's own export.

    Raises:
        ImageError: an unknown label, a kind of shape that has no inside, or a picture that is too large.
    """
    refuse_large(file.imageWidth, file.imageHeight, path)
    sheet = Image.new("L", (file.imageWidth, file.imageHeight))
    pen = ImageDraw.Draw(sheet)
    shapes = [(class_of(shape.label, labels, "a shape is labelled", path), shape) for shape in file.shapes]
    for row, shape in sorted(shapes, key=lambda each: painting_order(each[0])):
        _refuse_open(shape, path)
        _draw(pen, shape, row)
    return np.asarray(sheet)


def _refuse_open(shape: Shape, path: Path) -> None:
    if len(shape.points) < POINTS.get(shape.shape_type, len(shape.points) + 1):
        raise ImageError(
            f"a shape of {shape.label} is a {shape.shape_type} of {len(shape.points)} points, which has no inside",
            where=path,
            expected=", ".join(f"a {kind} of {least} points" for kind, least in POINTS.items()),
            todo="draw it as a polygon",
        )


def _draw(pen: ImageDraw.ImageDraw, shape: Shape, row: int) -> None:
    if shape.shape_type == "polygon":
        pen.polygon(shape.points, row, row)
    elif shape.shape_type == "rectangle":
        (left, right), (top, bottom) = (sorted(values) for values in zip(*shape.points[:2], strict=True))
        pen.rectangle((left, top, right, bottom), row, row)
    else:
        (x, y), (edge_x, edge_y) = shape.points[:2]
        radius = float(np.hypot(edge_x - x, edge_y - y))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), row, row)
