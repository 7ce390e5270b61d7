"""Gather what a head learns from: what every branch says of photos that it has not learned from."""

from typing import Any

import keras
import numpy as np

from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.fit.graph import answer_all
from kerasfusion.roadwork.fit.head_rows import head_rows, trunk_features
from kerasfusion.roadwork.fit.out_of_fold import answers_out_of_fold, folds_of, without_augmentation
from kerasfusion.roadwork.fit.out_of_fold_table import FoldAnswers, write_fold_answers
from kerasfusion.roadwork.fit.parts import Parts
from kerasfusion.roadwork.fit.sources import Source
from kerasfusion.roadwork.fit.training_data import Photos
from kerasfusion.roadwork.head.rows import HeadRows


def gather_rows(
    config: RoadworkConfig,
    manifest: dict[str, Any],
    parts: Parts,
    graph: keras.Model,
    sources: tuple[Source, Source | None],
) -> HeadRows:
    """What the head learns from: the held-out photos; for fusion.fit_on: all those of train/ before them, out of fold.

    Args:
        config: everything; fusion.fit_on is not "train".
        manifest: of the branch cache.
        parts: trained.
        graph: what `train_graph` gave.
        sources: of training and validation.
    """
    training, validation = sources
    asked, probs = [], []
    if config.fusion.fit_on == "all":
        training = without_augmentation(config, parts, training)
        asked.append(training)
        probs.append(answers_out_of_fold(config, parts, sources[0], validation, folds_of(training.photos, manifest)))
        _keep(config, training.photos, probs[0], manifest)
    if validation is not None:
        asked.append(validation)
        probs.append(answer_all(config, graph, validation))
    photos = asked[0].photos if len(asked) == 1 else asked[0].photos + asked[1].photos
    features = None
    if config.fusion.sees_features:
        features = np.concatenate([trunk_features(config, parts, source) for source in asked])
    return head_rows(photos, np.concatenate(probs), features)


def gather_rows_without_efficientnetv2(
    config: RoadworkConfig, manifest: dict[str, Any], training: Photos, validation: Photos | None
) -> HeadRows:
    """The same of what the branch cache holds alone."""
    if config.fusion.fit_on == "val":
        return head_rows(validation)
    _keep(config, training, None, manifest)
    return head_rows(training if validation is None else training + validation)


def _keep(
    config: RoadworkConfig, photos: Photos, efficientnetv2_probs: np.ndarray | None, manifest: dict[str, Any]
) -> None:
    """Keep the answers out of fold in the run folder."""
    said = {"yolo": photos.yolo_probs, "vit": photos.vit_probs, "efficientnetv2": efficientnetv2_probs}
    answers = {name: probs[:, 1].reshape(-1, photos.views) for name, probs in said.items() if probs is not None}
    names = [sample.sample_id for sample in photos.samples]
    folds = folds_of(photos, manifest).of_photo
    kept = FoldAnswers(names, photos.digests, photos.labels[photos.originals], folds, answers)
    write_fold_answers(config.run_folder, kept, [each["sha256"] for each in manifest["folds"]["classifiers"]])
