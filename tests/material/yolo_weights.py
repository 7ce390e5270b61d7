"""Untrained YOLO classifiers whose answers differ from picture to picture."""

import numpy as np
import torch
from PIL import Image

from kerasfusion.roadwork.branches import ultralytics_library

SIZE = 64


def photo_pixels(height, width, seed):
    """Smooth random colours, so that JPEG treats them as it does photos."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def as_tensor(picture):
    return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1) / 255).float()


def save_weights(path, names=("no_roadwork", "roadwork"), config="yolo11n-cls.yaml"):
    """An untrained network whose answers differ from picture to picture (random weights, own BatchNorm statistics)."""
    ultralytics = ultralytics_library.import_ultralytics()
    from ultralytics.data.augment import classify_transforms
    from ultralytics.nn.tasks import ClassificationModel

    torch.manual_seed(7)
    model = ultralytics.YOLO(config).model
    if config.endswith("-cls.yaml"):
        model.transforms = classify_transforms(SIZE)  # as training leaves it
        ClassificationModel.reshape_outputs(model, len(names))
        torch.nn.init.normal_(model.model[-1].linear.weight, std=0.3)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of the one batch below
    model.train()
    model.predict(torch.stack([as_tensor(photo_pixels(SIZE, SIZE, seed)) for seed in range(16)]))
    model.eval()
    model.names = dict(enumerate(names))
    torch.save({"model": model.half(), "train_args": {"imgsz": SIZE}}, path)
    return path
