"""A trial of `fit`: its own checks and steps on some of the photos, timed, in a folder that is deleted."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from kerasfusion.files.run_folder import refuse_other_settings, require_folder
from kerasfusion.machine.probe import Stage, spread, timed
from kerasfusion.machine.step_clock import Pace, StepClock
from kerasfusion.progress import silent
from kerasfusion.roadwork.branches.efficientnetv2_folded import compiled, fold
from kerasfusion.roadwork.branches.one_file import BranchCheckpoints
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.dry_run.head_trial import head_stages
from kerasfusion.roadwork.fit.graph import checkpoint_of, train_graph
from kerasfusion.roadwork.fit.job import find_branches
from kerasfusion.roadwork.fit.out_of_fold import folds_of
from kerasfusion.roadwork.fit.parts import Parts, build_parts
from kerasfusion.roadwork.fit.sources import make_sources
from kerasfusion.roadwork.fit.train import refuse_needless, settings_of
from kerasfusion.roadwork.fit.training_data import (
    Photos,
    load_photos,
    stored_features,
    stored_pixels,
)
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.trackers.wandb_run import refuse_unusable
from kerasfusion.trainer import Checkpoint, read_checkpoint

TRAIN_BATCHES = 25
VAL_BATCHES = 6


@dataclass(frozen=True)
class Request:
    """What is asked for, checked.

    Attributes:
        config: everything.
        image_size: side of the input, pixels.
        training, validation: photos; None where nothing is held out.
        check_seconds: that reading photos and cache took.
        parts: networks.
        build_seconds: that building them took.
        branches: for the one file; None where one is missing.
        lacking: which one, and where it was looked for; None where none is.
        done: what an earlier run left.
        folds: (views to learn from, epochs left) of each classifier without a fold; empty where none is asked for.
    """

    config: RoadworkConfig
    image_size: int
    training: Photos
    validation: Photos | None
    check_seconds: float
    parts: Parts
    build_seconds: float
    branches: BranchCheckpoints | None
    lacking: str | None
    done: Checkpoint
    folds: Sequence[tuple[int, int]] = ()

    @property
    def photos(self) -> list[Photos]:
        """Of both roles, as far as they are there."""
        return [photos for photos in (self.training, self.validation) if photos is not None]

    @property
    def epochs(self) -> int:
        """That are left, at most; without EfficientNetV2 there are none."""
        return 0 if self.done.finished or self.parts.trunk is None else self.config.fit.epochs - self.done.epoch


@dataclass(frozen=True)
class Trial:
    """What was measured, in seconds.

    Attributes:
        decode: a view, with its share of the photo.
        features: a view's.
        trace: making the function that gives them; 0 where none is used.
        pace: of the training.
        trained_on: views.
        head: stages of the head's own fit; none where it learns with EfficientNetV2.
        branches: building ViT and YOLO for the one file.
        run_bytes: of the run folder that the trial left.
    """

    decode: float
    features: float
    trace: float
    pace: Pace
    trained_on: int
    head: list[Stage]
    branches: float
    run_bytes: int


def check(config: RoadworkConfig, restart: bool) -> Request:
    """What `fit` checks before it trains; nothing is written.

    Raises:
        RequestError: as `fit`.
    """
    refuse_unusable(config.tracking)
    require_folder(config.run_folder, config.fit.pixel_cache)
    manifest = branch_cache.read_manifest(config.cache.folder)
    branches, lacking = find_branches(config, manifest)
    refuse_needless(config)
    (training, validation), checked = timed(lambda: load_photos(config, manifest))
    image_size = manifest["sizes"]["image"]
    keras.utils.set_random_seed(config.seed)  # random weights are then those whose features were kept
    parts, built = timed(lambda: build_parts(config, image_size, training.features))
    done = Checkpoint()
    if not restart:
        refuse_other_settings(config.run_folder, settings_of(config, manifest))
        done = read_checkpoint(checkpoint_of(config))
    trains_folds = config.fusion.fit_on == "all" and parts.trunk is not None
    folds = _folds_left(config, manifest, training, restart) if trains_folds else []
    return Request(config, image_size, training, validation, checked, parts, built, branches, lacking, done, folds)


def _folds_left(config: RoadworkConfig, manifest: dict, training: Photos, restart: bool) -> list[tuple[int, int]]:
    folds, left = folds_of(training, manifest), []
    for number in range(1, folds.count + 1):
        done = Checkpoint() if restart else read_checkpoint(checkpoint_of(config, number))
        views = int((folds.of_photo != number).sum()) * training.views
        left.append((views, 0 if done.finished else config.fit.epochs - done.epoch))
    return left


def try_out(request: Request) -> Trial:
    """Train on some of the photos, as `fit` does, in a folder that is deleted."""
    config, size = request.config, request.image_size
    if request.parts.trunk is None:
        no_pace = Pace(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
        head = head_stages(config, _head_photos(request), request.parts)
        return Trial(0.0, 0.0, 0.0, no_pace, 0, head, _time_branches(request.branches), 0)
    training = _some(request.training, TRAIN_BATCHES * config.fit.batch)
    validation = request.validation and _some(request.validation, VAL_BATCHES * config.fit.batch)
    with tempfile.TemporaryDirectory() as folder, silent():
        small = replace(
            config,
            runs_folder=Path(folder, "runs"),
            fit=replace(config.fit, pixel_cache=Path(folder, "pixels"), epochs=StepClock.EPOCHS),
        )
        decode = timed(lambda: stored_pixels(training, small, size, ""))[1] / len(training)
        trace, features = _time_features(request, small, training)
        sources = make_sources(small, request.parts, size, training, validation)
        clock = StepClock(TRAIN_BATCHES, batches=VAL_BATCHES)
        train_graph(small, request.parts, *sources, watch=[clock], verbose=0)
        run_bytes = sum(path.stat().st_size for path in small.run_folder.rglob("*") if path.is_file())
    return Trial(
        decode,
        features,
        trace,
        clock.pace(),
        len(training),
        head_stages(config, _head_photos(request), request.parts) if config.fusion.fit_on != "train" else [],
        _time_branches(request.branches),
        run_bytes,
    )


def _some(photos: Photos, count: int) -> Photos:
    """Some of the photos, of both classes like all of them, with all their views: `count` rows or a few more."""
    order = np.argsort([sample.label for sample in photos.samples], kind="stable")
    return photos.choose(np.array(sorted(spread(order.tolist(), -(-count // photos.views)))))


def _time_features(request: Request, config: RoadworkConfig, photos: Photos) -> tuple[float, float]:
    """(making the function, a photo's features); zeros where the trunk learns."""
    if config.efficientnetv2.fine_tune_blocks:
        return 0.0, 0.0
    pixels = stored_pixels(photos, config, request.image_size, "")
    folded, folding = timed(lambda: fold(request.parts.trunk))
    forward = compiled(folded)
    _, trace = timed(lambda: forward(pixels.take(np.arange(min(config.fit.batch, len(pixels)))), (0, 0)).numpy())
    some = _some(photos, 6 * config.fit.batch)
    _, seconds = timed(
        lambda: stored_features(
            some,
            config,
            lambda images: forward(images, (0, 0)).numpy(),
            folded.output_shape[-1],
            "trial",
            stored_pixels(some, config, request.image_size, ""),
            "",
        )
    )
    return folding + trace, seconds / len(some)


def _head_photos(request: Request) -> Photos:
    """Those that the head would be fitted on."""
    if request.config.fusion.fit_on == "val":
        return request.validation
    return request.training if request.validation is None else request.training + request.validation


def _time_branches(branches: BranchCheckpoints | None) -> float:
    from kerasfusion.roadwork.branches.vit import build_vit
    from kerasfusion.roadwork.branches.yolo_keras import build_yolo

    if branches is None:
        return 0.0
    vit = 0.0 if branches.vit is None else timed(lambda: build_vit(branches.vit))[1]
    return vit + (0.0 if branches.yolo is None else timed(lambda: build_yolo(branches.yolo))[1])
