"""Classifiers of folds, as `train-yolo --folds` leaves them, without their training."""

import json
from pathlib import Path

import torch

from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.config import PHOTOS_ALONE, Yolo
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.data.folds import find_folds
from kerasfusion.roadwork.yolo_training.request import plan_trainings

SEED = 5


def write_folds(folder: Path, weights: Path, photos: Path, count: int) -> Path:
    """Write FOLDER/best.pt, a copy of `weights`, and fold_1/best.pt and so on, each with another last layer.

    Returns:
        FOLDER/best.pt.
    """
    train, val = scan(photos, ("train",)), scan(photos, ("val",))
    folds = find_folds(train, photos, count, SEED)
    settings = Yolo(model="yolo11n-cls.yaml", image_size=32)
    for training in plan_trainings(train, val, settings, folder, SEED, PHOTOS_ALONE, folds):
        training.folder.mkdir(parents=True, exist_ok=True)
        file = training.folder / "best.pt"
        if number := training.request.get("fold", {}).get("number"):
            content = torch.load(weights, weights_only=False)
            generator = torch.Generator().manual_seed(number)
            layer = content["model"].model[-1].linear.weight
            layer.data += torch.randn(layer.shape, generator=generator).to(layer.dtype)
            torch.save(content, file)
        else:
            file.write_bytes(weights.read_bytes())
        record = training.request | {"weights_sha256": file_sha256(file)}
        (training.folder / "training.json").write_text(json.dumps(record))
    return folder / "best.pt"
