"""Rows for the head out of photos: what their branch cache and EfficientNetV2 say of them."""

import numpy as np

from kerasfusion.roadwork.branches.features_head import EFFICIENTNETV2, VIT
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.fit.parts import Parts
from kerasfusion.roadwork.fit.sources import Source, in_order
from kerasfusion.roadwork.fit.training_data import Photos
from kerasfusion.roadwork.head.rows import HeadRows


def head_rows(photos: Photos, probs: np.ndarray | None = None, features: np.ndarray | None = None) -> HeadRows:
    """Join what is known of held-out photos.

    Args:
        photos: N photos with V views each, cached probabilities and perhaps features.
        probs: (N V, 2) float32, EfficientNetV2's answers; None where the fusion goes without it.
        features: (N V, C) float32, its features, where the head sees them.
    """
    inputs = {"yolo": photos.yolo_probs, "vit": photos.vit_probs}
    if probs is not None:
        inputs["efficientnetv2"] = probs
    if photos.vit_features is not None:
        inputs[VIT] = photos.vit_features.astype(np.float32)
    if features is not None:
        inputs[EFFICIENTNETV2] = features
    _, of_photo = np.unique(photos.groups, return_inverse=True)
    return HeadRows(photos.labels, np.repeat(of_photo, photos.views), inputs, photos.views)


def trunk_features(config: RoadworkConfig, parts: Parts, source: Source) -> np.ndarray:
    """(N V, C) float32, what the final trunk makes of each row: of held-out ones, which it has not learned from."""
    if source.name == "features":
        return source.rows.take(np.arange(len(source.photos)))
    return parts.trunk.predict(in_order(config, source).map(lambda arrays: arrays["image"]), verbose=0)
