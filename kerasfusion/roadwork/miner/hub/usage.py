"""The code that a model card shows."""

from collections.abc import Mapping

_HEAD = """import keras
import numpy as np
from PIL import Image, ImageOps

model = keras.saving.load_model("{file}")
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")"""

_VIEWS = {
    "image": """
image = photo.resize(({size}, {size}), Image.Resampling.BILINEAR)  # the whole frame, squashed""",
    "image_bicubic": """
image_bicubic = photo.resize(({size}, {size}), Image.Resampling.BICUBIC)""",
    "yolo_image": """
shortest = min(photo.size)  # the shortest side to {size}, then the centre
crop = photo.resize(tuple(int({size} * side / shortest) for side in photo.size), Image.Resampling.BILINEAR)
left, top = (round((side - {size}) / 2) for side in crop.size)
yolo_image = crop.crop((left, top, left + {size}, top + {size}))""",
}

_TAIL = """
inputs = {{{pairs}}}
answers = model({{name: np.asarray(view, np.float32)[None] for name, view in inputs.items()}})
p_roadwork = float(answers["fusion"][0, 1])"""

_OURS = """from kerasfusion.roadwork.detect.detector import open_detector

answer = open_detector("{file}").detect("photo.jpg")
answer.p_roadwork, answer.roadwork, answer.stage, answer.branches"""


def plain_keras(file: str, sizes: Mapping[str, int]) -> str:
    """Python that answers photo.jpg with TensorFlow, Keras, NumPy and Pillow alone.

    Args:
        file: the `.keras` file's name.
        sizes: {input: side in pixels}.
    """
    views = "".join(_VIEWS[name].format(size=size) for name, size in sizes.items())
    pairs = ", ".join(f'"{name}": {name}' for name in sizes)
    return _HEAD.format(file=file) + views + _TAIL.format(pairs=pairs)


def with_kerasfusion(file: str) -> str:
    """Python that answers photo.jpg with this package."""
    return _OURS.format(file=file)
