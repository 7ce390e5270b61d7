"""A roadwork model that reads its answer off a photo: P(roadwork) is the mean level of the upper left quarter / 255."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from kerasfusion.files.saving import save_model
from kerasfusion.roadwork.data.dataset import CLASS_NAMES

SIDE = 16
QUARTER = slice(1, SIDE // 2 - 1)
"""Without the pixels at its border, in which resizing mixes the quarters."""


def level_of(views: np.ndarray) -> np.ndarray:
    """(N, SIDE, SIDE, 3) -> (N,) mean level of the upper left quarter."""
    return views[:, QUARTER, QUARTER].mean(axis=(1, 2, 3))


def save_photo_reader(path: Path) -> Path:
    """Save it as a fusion.keras with the outputs `fusion` and `vit`, which are equal."""
    import keras
    from keras import layers, ops

    image = keras.Input((SIDE, SIDE, 3), name="image")
    p = ops.mean(image[:, QUARTER, QUARTER], axis=(1, 2, 3))[..., None] / 255
    probs = ops.concatenate([1 - p, p], axis=-1)
    outputs = {name: layers.Identity(name=name)(probs) for name in ("fusion", "vit")}
    description = {
        "system": "roadwork",
        "class_names": list(CLASS_NAMES),
        "outputs": list(outputs),
        "model_sha256": "0" * 64,
        "format": "keras",
        "precision": "float32",
    }
    save_model(keras.Model({"image": image}, outputs), path, description, None)
    return path


class ReadingBranches:
    """Stands in for precompute's Branches: both branches answer as the model above."""

    def __init__(self, config, checkpoint, folds=None, with_features=False):
        self.sizes = {"image": SIDE, "yolo_image": SIDE}

    def answering(self, sample_id):
        """The one classifier that there is."""
        return (0,)

    def __call__(self, pictures) -> tuple[np.ndarray, np.ndarray]:
        p = level_of(np.stack([picture.squashed for picture in pictures])) / 255
        probs = np.stack([1 - p, p], axis=1).astype(np.float32)
        return probs, probs

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing to end."""


class RecordedExport:
    """Stands in for the writing of an export: keeps the pictures on which it would have been checked."""

    def __init__(self):
        self.pictures = None

    def __call__(self, source, model, description, target, samples, compare):
        self.pictures = samples["image"]
        return SimpleNamespace(path=target.path, rows=[])
