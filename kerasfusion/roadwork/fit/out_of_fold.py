"""EfficientNetV2's answers about training photos, each from a classifier that has not seen the photo.

YOLO's come with the branch cache, of the same folds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from kerasfusion.files.digests import json_sha256
from kerasfusion.progress import track
from kerasfusion.roadwork.branches import efficientnetv2
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.fit.graph import answer_all, train_graph
from kerasfusion.roadwork.fit.parts import Parts
from kerasfusion.roadwork.fit.sources import Source, make_sources
from kerasfusion.roadwork.fit.training_data import Photos


@dataclass(frozen=True)
class FoldRows:
    """The folds of training photos.

    Attributes:
        count: K.
        of_photo: (N,) int64, 1..K.
    """

    count: int
    of_photo: np.ndarray


def folds_of(photos: Photos, manifest: Mapping[str, Any]) -> FoldRows:
    """The folds with which the branch cache was made; photos as `load_photos` gives them for fusion.fit_on: all."""
    of = manifest["folds"]["of"]
    return FoldRows(manifest["folds"]["count"], np.array([of[sample.sample_id] for sample in photos.samples]))


def answers_out_of_fold(
    config: RoadworkConfig, parts: Parts, training: Source, validation: Source | None, folds: FoldRows
) -> np.ndarray:
    """Train a classifier without each fold, and let it answer the views of that fold's photos.

    Each starts and is trained as the one of all photos. Where the trunk learns too, each has one of its own: features
    of a trunk that has learned from a photo would tell of it. A classifier that an earlier run has finished is not
    trained again.

    Args:
        config: everything.
        parts: the trained ones; a frozen trunk is shared.
        training, validation: as `make_sources` gave them.
        folds: of the training photos.

    Returns:
        (N V, 2) float32, in the rows of `training`.
    """
    plain = without_augmentation(config, parts, training)
    probs = np.empty((len(training.photos), 2), np.float32)
    for number in track(range(1, folds.count + 1), "EfficientNetV2 without each fold"):
        kept, left_out = (np.flatnonzero(chosen) for chosen in (folds.of_photo != number, folds.of_photo == number))
        graph = train_graph(
            config, _fresh_parts(config, parts), training.choose(kept), validation, verbose=0, fold=number
        )
        probs[plain.photos.rows_of(left_out)] = answer_all(config, graph, plain.choose(left_out))
    return probs


def without_augmentation(config: RoadworkConfig, parts: Parts, training: Source) -> Source:
    """The same photos as they are asked about: each view as it is."""
    if training.transform is None:
        return training
    still = replace(config, fit=replace(config.fit, augmentation="none"))
    return make_sources(still, parts, parts.trunk.input_shape[1], training.photos, None)[0]


def _fresh_parts(config: RoadworkConfig, parts: Parts) -> Parts:
    keras.utils.set_random_seed(config.seed)  # the same start for every fold, whichever an earlier run has finished
    trunk = parts.trunk
    if config.efficientnetv2.fine_tune_blocks:
        trunk = efficientnetv2.build_trunk(config.efficientnetv2, trunk.input_shape[1])
    classifier = efficientnetv2.build_classifier(trunk.output_shape[-1], config.efficientnetv2.dropout)
    return Parts(trunk, classifier, parts.head)


def describe_folds(config: RoadworkConfig, manifest: Mapping[str, Any]) -> dict[str, str]:
    """What a checkpoint notes of the folds that it was trained with: nothing where they were not used."""
    return {"folds": json_sha256(manifest["folds"])} if config.fusion.fit_on == "all" else {}
