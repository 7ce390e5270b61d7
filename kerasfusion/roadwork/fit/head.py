"""Fit the head on held-out photos."""

import keras
import numpy as np

from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.fit.training_data import Photos
from kerasfusion.roadwork.scoring.prior import prior_weights


def fit_head(config: RoadworkConfig, head, photos: Photos, efficientnetv2_probs: np.ndarray | None) -> None:
    """Fit the head on held-out photos; it is small, so that this takes seconds and starts anew on resume.

    Each photo counts once, however many views it has: all have as many, and the loss is their mean.

    Args:
        config: fusion settings.
        head: what ensemble.build_head gave; changed in place.
        photos: N held-out photos with V views each and their cached probabilities.
        efficientnetv2_probs: (N V, 2) float32; None where the head goes without it.
    """
    answers = {"yolo": photos.yolo_probs, "vit": photos.vit_probs, "efficientnetv2": efficientnetv2_probs}
    inputs = {name: answers[name] for name in head.input}
    # A model of the same layers, so that the head itself is saved without a compile state.
    model = keras.Model(head.input, head.output)
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(keras.optimizers.Adam(config.fusion.learning_rate), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # built by the first step, it would have that traced twice
    keras.utils.set_random_seed(config.seed)
    model.fit(
        inputs,
        photos.labels,
        sample_weight=prior_weights(config.fusion.prior, photos.labels)[photos.labels],
        batch_size=min(len(photos), 256),
        epochs=config.fusion.epochs,
        verbose=0,
    )
