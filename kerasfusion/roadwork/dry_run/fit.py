"""`fit --dry-run` for roadwork: what it would take, worked out from a short trial."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.machine.probe import Estimate, Stage, process_seconds
from kerasfusion.machine.stage_clock import peak_memory_mb
from kerasfusion.roadwork.branches import efficientnetv2
from kerasfusion.roadwork.branches.one_file import BranchCheckpoints
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.dry_run.fit_trial import Request, Trial, check, try_out
from kerasfusion.roadwork.fit.sources import FEATURES_BATCH, features_name
from kerasfusion.roadwork.fit.training_data import (
    features_path,
    pixels_path,
)


def estimate_fit(config: RoadworkConfig, restart: bool = False) -> Estimate:
    """Check what `fit` checks, and measure what it would take. Nothing is written but to a temporary folder.

    Raises:
        RequestError: as `fit`.
    """
    start_up = process_seconds()
    begin = time.perf_counter()
    request = check(config, restart)
    trial = try_out(request)
    stored = _stored(request)
    return Estimate(
        "fit of roadwork",
        _facts(request, stored),
        _stages(request, trial, stored, start_up),
        _disk(request, trial, stored),
        round(peak_memory_mb() * 2**20),
        f"{trial.pace.steps} training steps on {trial.trained_on} of the views",
        time.perf_counter() - begin,
    )


def _stored(request: Request) -> dict[str, list[bool]]:
    """Of the photos of each role: whether earlier runs have kept pixels and features."""
    config, size, trunk = request.config, request.image_size, request.parts.trunk
    if trunk is None:
        return {"pixels": [], "features": []}
    name = features_name(trunk, size, efficientnetv2.weights_digest(config.efficientnetv2, trunk))
    return {
        "pixels": [pixels_path(photos, config, size).is_file() for photos in request.photos],
        "features": [features_path(photos, config, name).is_file() for photos in request.photos],
    }


def _uses_features(config: RoadworkConfig) -> list[bool]:
    """Training and validation: whether features of the views as they are are worked out once."""
    frozen = config.efficientnetv2.fine_tune_blocks == 0
    return [frozen and (config.fit.augmentation == "none" or config.fusion.fit_on == "all"), frozen]


def _missing(request: Request, stored: Sequence[bool], used: Sequence[bool] = (True, True)) -> int:
    """Views of those roles that need something which is not there."""
    return sum(
        len(photos)
        for photos, is_there, is_used in zip(request.photos, stored, used, strict=False)
        if is_used and not is_there
    )


def _facts(request: Request, stored: dict[str, list[bool]]) -> dict[str, Any]:
    config, parts = request.config, request.parts
    facts: dict[str, Any] = {}
    for name, photos in zip(("train", "held_out"), request.photos, strict=False):
        labels = Counter(sample.label for sample in photos.samples)
        size = sum(sample.path.stat().st_size for sample in photos.samples)
        counts = {label: labels[number] for number, label in enumerate(CLASS_NAMES)}
        facts[name] = {"photos": len(photos.samples), **counts, "views_a_photo": photos.views, "bytes": size}
    networks = [each for each in (parts.trunk, parts.classifier, parts.head, parts.adapted) if each is not None]
    trained = sum(int(np.prod(weight.shape)) for network in networks for weight in network.trainable_weights)
    return facts | {
        "network": {"parameters": sum(network.count_params() for network in networks), "trained": trained},
        **({"classifiers": {"without_a_fold": len(request.folds), "of_all_photos": 1}} if request.folds else {}),
        "steps": {"epochs": request.epochs, "steps_an_epoch": _steps(request), "batch": config.fit.batch},
        "done_before": {
            "epochs": request.done.epoch,
            **{f"splits_with_{kind}": sum(kept) for kind, kept in stored.items()},
        },
        **({"branches": list(config.fusion.branches)} if config.fusion.without else {}),
        "composed": f"{_asked(config)} at hand" if request.branches else f"not yet: {request.lacking}",
        "run_folder": str(config.run_folder),
    }


def _asked(config: RoadworkConfig) -> str:
    """The branches that answered for the parts, as the subject of a sentence."""
    titles = [title for title in ("ViT", "YOLO") if title.lower() in config.fusion.branches]
    return f"{' and '.join(titles)} {'are' if len(titles) > 1 else 'is'}" if titles else "EfficientNetV2 alone is"


def _steps(request: Request) -> int:
    return -(-len(request.training) // request.config.fit.batch)


def _stages(request: Request, trial: Trial, stored: dict[str, list[bool]], start_up: float) -> list[Stage]:
    checked = sum(len(photos.samples) for photos in request.photos)
    stages = [
        Stage("start", 1, "process", start_up),
        Stage("check photos and cache", checked, "photos", request.check_seconds / checked),
        Stage("build the networks", 1, "run", request.build_seconds),
    ]
    if request.parts.trunk is not None:
        stages += _training(request, trial, stored)
    stages += trial.head
    if request.branches is not None:
        # A clean process loads the same libraries and builds networks of the same size.
        once = trial.branches + start_up + request.build_seconds
        stages.append(Stage("compose and compare in a clean process", 1, "file", once))
    return stages


def _training(request: Request, trial: Trial, stored: dict[str, list[bool]]) -> list[Stage]:
    """What EfficientNetV2 takes."""
    config, pace, epochs = request.config, trial.pace, request.epochs
    used = _uses_features(config)
    # The function that gives features is made for each role that lacks them.
    traced = sum(is_used and not is_there for is_used, is_there in zip(used, stored["features"], strict=False))
    held_out = len(request.validation or ())
    all_epochs = epochs + sum(each for _, each in request.folds)
    batches = all_epochs * -(-held_out // (FEATURES_BATCH if used[1] else config.fit.batch))
    first = 1 if epochs else 0
    stages = [
        Stage("decode", _missing(request, stored["pixels"]), "views", trial.decode),
        Stage("features", _missing(request, stored["features"], used), "views", trial.features, traced * trial.trace),
        Stage("train", epochs * _steps(request), "batches", pace.step, first * pace.first_step),
        Stage("validate", batches, "batches", pace.validation_batch, first * pace.first_validation),
        Stage("keep the state", all_epochs, "epochs", pace.epoch, first * pace.first_epoch),
    ]
    if request.folds:
        steps = sum(each * -(-views // config.fit.batch) for views, each in request.folds)
        runs = sum(each > 0 for _, each in request.folds)
        stages.append(Stage("train without each fold", steps, "batches", pace.step, runs * pace.first_step))
    return stages


def _disk(request: Request, trial: Trial, stored: dict[str, list[bool]]) -> dict[str, int]:
    config, trunk = request.config, request.parts.trunk
    pixels = features = parts = 0
    if trunk is not None:
        pixels = _missing(request, stored["pixels"]) * request.image_size**2 * 3
        features = _missing(request, stored["features"], _uses_features(config)) * trunk.output_shape[-1] * 4
        parts = trunk.count_params() * 4
    branches = request.branches
    weights = 0 if branches is None else sum(file.stat().st_size for file in _weights_files(branches)) + parts
    return {str(config.fit.pixel_cache): pixels + features, str(config.run_folder): trial.run_bytes + parts + weights}


def _weights_files(branches: BranchCheckpoints) -> list[Path]:
    from kerasfusion.roadwork.branches.vit import weights_files

    files = [] if branches.vit is None else weights_files(branches.vit.folder)
    return [*files, *([] if branches.yolo is None else [branches.yolo.path])]
