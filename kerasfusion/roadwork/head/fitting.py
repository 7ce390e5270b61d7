"""Fit a head on rows that no branch has learned from."""

from typing import Any

import keras
import numpy as np

from kerasfusion.roadwork.branches.features_head import set_weights, what_it_sees
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.head.logistic import FOLDS, cross_fit, split_groups
from kerasfusion.roadwork.head.rows import HeadRows

BATCH = 256


def fit_head(config: RoadworkConfig, head, rows: HeadRows, folds: int = FOLDS) -> dict[str, Any]:
    """Fit the head; it is small, so that this takes seconds and starts anew on resume.

    Each photo counts once, however many views it has: all have as many, and the loss is their mean.

    Args:
        config: fusion settings.
        head: what `build.new_head` gave; changed in place.
        rows: what it learns from.
        folds: of the cross-validation by which a head of features chooses its strength.

    Returns:
        What was chosen on the way, a JSON value; empty for a head that is only trained.

    Raises:
        RequestError: too few groups of photos to choose by cross-validation.
    """
    if any(layer.name == "fusion_seen" for layer in head.layers):
        return _fit_on_features(config, head, rows, folds)
    _train(config, head, rows)
    return {}


def _train(config: RoadworkConfig, head, rows: HeadRows) -> None:
    # A model of the same layers, so that the head itself is saved without a compile state.
    model = keras.Model(head.input, head.output)
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(keras.optimizers.Adam(config.fusion.learning_rate), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # built by the first step, it would have that traced twice
    keras.utils.set_random_seed(config.seed)
    inputs = {name: rows.inputs[name] for name in head.input}
    weights = rows.weights(config.fusion.prior)
    order = np.random.default_rng(config.seed)
    for _ in range(config.fusion.epochs):
        # Not `fit`: with what it sets up for each epoch, 200 epochs of 320 rows took 13 s instead of 1.5.
        for batch in np.array_split(order.permutation(len(rows)), -(-len(rows) // BATCH)):
            taken = {name: values[batch] for name, values in inputs.items()}
            model.train_on_batch(taken, rows.labels[batch], weights[batch])


def _fit_on_features(config: RoadworkConfig, head, rows: HeadRows, folds: int) -> dict[str, Any]:
    parts = split_groups(rows.labels, rows.groups, config.seed, "fusion.head: features", folds)
    found = cross_fit(what_it_sees(head, rows.inputs), rows.labels, rows.weights(config.fusion.prior), parts)
    set_weights(head, found.fitted.weights, found.fitted.bias)
    return {
        "head": "features",
        **rows.counts,
        "views": len(rows),
        "folds": folds,
        "strength": found.strength,
        "nll": [{"strength": strength, "nll": nll} for strength, nll in found.scores.items()],
    }
