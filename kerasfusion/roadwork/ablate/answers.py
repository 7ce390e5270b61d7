"""What each branch says of the photos that heads are fitted on and of those that they are judged by."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasfusion.config import to_dict
from kerasfusion.errors import RequestError
from kerasfusion.files.run_files import own_settings
from kerasfusion.files.run_folder import differences
from kerasfusion.files.saving import load_model
from kerasfusion.progress import track
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.branches.one_file import PARTS
from kerasfusion.roadwork.config import BRANCHES, RoadworkConfig
from kerasfusion.roadwork.evaluate.answers import refuse_other_cache
from kerasfusion.roadwork.fit.out_of_fold_table import read_fold_answers
from kerasfusion.roadwork.fit.parts import Parts
from kerasfusion.roadwork.fit.sources import make_sources
from kerasfusion.roadwork.fit.training_data import Photos, load_photos, load_split
from kerasfusion.roadwork.precompute import branch_cache

SETTINGS = ("seed", "views", "efficientnetv2", "fusion")
"""Sections of the configuration that must be those of the fit."""

BATCH = 256
"""Rows of features a forward pass."""


@dataclass(frozen=True)
class Said:
    """What the branches of a fit say.

    Attributes:
        learned: the photos that heads are fitted on, with the cached probabilities.
        learned_probs: EfficientNetV2's, (N V, 2) float32; None where the fit goes without it.
        asked: the photos that heads are judged by.
        asked_probs: EfficientNetV2's of them.
        branches: those of the fit.
    """

    learned: Photos
    learned_probs: np.ndarray | None
    asked: Photos
    asked_probs: np.ndarray | None
    branches: tuple[str, ...]

    def of_asked(self) -> dict[str, np.ndarray]:
        """{branch: (N V, 2) float32} of the photos that heads are judged by."""
        known = {"yolo": self.asked.yolo_probs, "vit": self.asked.vit_probs, "efficientnetv2": self.asked_probs}
        return {name: known[name] for name in self.branches}


def read_answers(config: RoadworkConfig, split: str) -> Said:
    """Take the branches' answers from the branch cache, and EfficientNetV2's from the finished fit.

    Its features are kept by `fit`; those of `split` are worked out the first time, and kept beside them.

    Raises:
        RequestError: no finished fit, one with other settings or a head of features, no cache, or one of other photos,
            weights or views.
    """
    _refuse_features(config)
    model, description = open_parts(config)
    manifest = branch_cache.read_manifest(config.cache.folder)
    refuse_other_cache(config, description)
    training, validation = load_photos(config, manifest)
    asked = load_split(config, manifest, split)
    branches = tuple(name for name in BRANCHES if name in description["outputs"])

    def ask(photos: Photos | None) -> np.ndarray | None:
        if photos is None or "efficientnetv2" not in branches:
            return None
        return _ask(config, model, manifest["sizes"]["image"], photos)

    if config.fusion.fit_on == "val":
        learned, probs = validation, ask(validation)
    elif config.fusion.fit_on == "train":
        learned, probs = training, ask(training)
    else:
        learned, probs = with_folds(config, training, validation, ask(validation))
    return Said(learned, probs, asked, ask(asked), branches)


def with_folds(
    config: RoadworkConfig, training: Photos, validation: Photos | None, probs: np.ndarray | None
) -> tuple[Photos, np.ndarray | None]:
    """What a head of fusion.fit_on: all learned from: train/ out of fold, then the held-out photos with `probs`."""
    kept = read_fold_answers(config.run_folder).answers.get("efficientnetv2")
    rows = [] if kept is None else [np.stack([1 - kept.ravel(), kept.ravel()], axis=1).astype(np.float32)]
    rows += [] if probs is None else [probs]
    learned = training if validation is None else training + validation
    return learned, np.concatenate(rows) if rows else None


def _refuse_features(config: RoadworkConfig) -> None:
    """Check that the head learned from probabilities, which are what the branches are weighed by.

    Raises:
        RequestError: otherwise.
    """
    if config.fusion.sees_features or config.fusion.vit_adapted:
        raise RequestError(
            "branches are weighed by what a head makes of their probabilities, and this run's head sees features",
            where=f"fusion.head: {config.fusion.head}, fusion.vit_adapted: {str(config.fusion.vit_adapted).lower()}",
            expected="fusion.head: linear or mlp, and fusion.vit_adapted: false",
            todo="fit such a head in another run folder (--name) and weigh that: the cache and the features serve both",
        )


def open_parts(config: RoadworkConfig) -> tuple[Any, dict[str, Any]]:
    """The trained parts of the run that the configuration names, and their description.

    Raises:
        RequestError: there are none, or they were fitted with other settings; names each that differs.
    """
    path = config.run_folder / PARTS
    if not path.is_file():
        raise RequestError(
            "there is no finished fit here whose branches could be weighed",
            where=path,
            todo="kerasfusion fit with the same configuration, or name its run: --set name=RUN",
        )
    model, description = load_model(path)
    now, then = to_dict(config), description.get("config", {})
    then = {key: now[key] | then[key] if isinstance(now[key], dict) else then[key] for key in SETTINGS if key in then}
    if changed := differences({key: now[key] for key in then}, then):
        raise RequestError(
            "the run was fitted with other settings:\n  - " + "\n  - ".join(changed),
            where=path,
            todo=f"name the configuration that it was fitted with: {command_line(own_settings(config.run_folder))}",
        )
    return model, description


def _ask(config: RoadworkConfig, model, image_size: int, photos: Photos) -> np.ndarray:
    """EfficientNetV2's probabilities, (N V, 2) float32."""
    trunk = next(layer for layer in model.layers if layer.name.startswith("efficientnetv2-"))
    parts = Parts(trunk, model.get_layer("efficientnetv2_classifier"), model.get_layer("fusion_head"))
    source = make_sources(config, parts, image_size, None, photos)[1]
    asked, batch = parts.classifier, BATCH
    if source.name == "image":  # a trunk that has learned: no features of it are kept
        asked, batch = keras.Model(model.input["image"], model.output["efficientnetv2"]), config.fit.batch
    numbers = np.split(np.arange(len(photos)), range(batch, len(photos), batch))
    label = f"EfficientNetV2 on {photos.samples[0].split}"
    return np.concatenate([asked.predict_on_batch(source.rows.take(some)) for some in track(numbers, label)])
