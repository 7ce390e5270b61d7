"""JSON files of outlines, to the classes of a frame's pixels; a file of many frames is read once."""

import functools
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pydantic

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.json_yaml import read_json
from kerasfusion.fume.mask_files.coco import CocoFile, CocoJson, CocoPicture, draw_coco
from kerasfusion.fume.mask_files.labelme import LabelMeFile, draw_labelme
from kerasfusion.images.decoding import ImageError

SUFFIX = ".json"
KEPT = 8
"""Files whose content stays in memory: a set has few of COCO, and those of LabelMe are small."""
_TURN = threading.Lock()


def draw_outlines(path: Path, labels: Mapping[str, int], frame: str) -> tuple[np.ndarray, CocoPicture | None]:
    """Draw what a JSON of LabelMe, or one of COCO, says of a frame.

    Args:
        path: of the JSON.
        labels: {label, or name of a category, in small letters: class}.
        frame: the frame's path, by which a JSON of many pictures is asked.

    Returns:
        ((H, W) uint8 classes, which of the pictures it is; None from a file of one).

    Raises:
        RequestError: polygons of COCO, and pycocotools is not installed.
        ImageError: neither of both, damaged, without the frame, or with labels that are not known.
    """
    file = _opened(path)
    if isinstance(file, LabelMeFile):
        return draw_labelme(file, labels, path), None
    picture = file.picture_of(frame, path)
    return draw_coco(file, picture, labels, path), picture


def _opened(path: Path) -> LabelMeFile | CocoFile:
    try:
        state = path.stat()
    except OSError as error:
        raise ImageError(f"cannot read the file: {error.strerror or error}", where=path) from error
    with _TURN:  # of many threads that ask for one large file, one reads it
        found = _parsed(path, state.st_mtime_ns, state.st_size)
    if isinstance(found, ImageError):
        raise ImageError(found.what, where=path, expected=found.expected, todo=found.todo)
    return found


@functools.lru_cache(KEPT)
def _parsed(path: Path, changed: int, size: int) -> LabelMeFile | CocoFile | ImageError:
    """What a file holds, or what is wrong with it, which is asked again for every frame of a damaged one."""
    try:
        tree = read_json(path) or {}
        if "images" in tree:
            return CocoFile(CocoJson.model_validate(tree), path)
        return LabelMeFile.model_validate(tree)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        kind = "COCO" if "images" in tree else "LabelMe"
        return ImageError(
            f"the JSON is not of {kind}: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            expected="LabelMe's JSON of one frame (shapes, imageHeight, imageWidth), or COCO's of many (images, "
            "categories, annotations)",
            todo="export the polygons as one of these, or as masks in PNG",
        )
    except ImageError as error:
        return error
    except KerasFusionError as error:
        return ImageError(error.what, expected="JSON, as LabelMe or COCO has it")
