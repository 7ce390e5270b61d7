"""A trial of what `fit` does after EfficientNetV2 has learned: the head, those that are tried, and the adapted ViT."""

from dataclasses import replace

import numpy as np

from kerasfusion.machine.probe import Stage, timed
from kerasfusion.roadwork.branches.ensemble import ADAPTED
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.fit.head_rows import head_rows
from kerasfusion.roadwork.fit.parts import Parts
from kerasfusion.roadwork.fit.training_data import Photos
from kerasfusion.roadwork.head.adapted import adapt_vit
from kerasfusion.roadwork.head.choose import INNER_FOLDS, Candidate, build_chosen, candidates
from kerasfusion.roadwork.head.fitting import fit_head
from kerasfusion.roadwork.head.logistic import FOLDS, STRENGTHS
from kerasfusion.roadwork.head.rows import HeadRows

HEAD_EPOCHS = (1, 11)
"""Of the two short fits of a head that is trained; an epoch takes what the second takes longer."""

ALL_STRENGTHS = FOLDS * len(STRENGTHS)
"""Fits of a cross-validation, at most: it ends where weaker strengths do worse."""


def head_stages(config: RoadworkConfig, photos: Photos, parts: Parts) -> list[Stage]:
    """What it takes, measured on the rows that it would be fitted on.

    Args:
        config: fusion settings.
        photos: the held-out ones.
        parts: the networks, not trained.
    """
    rows, stages = _rows(photos, parts), []
    if parts.adapted is not None:
        (rows, said), seconds = timed(lambda: adapt_vit(config, parts.adapted, rows))
        stages.append(Stage("adapt the ViT", ALL_STRENGTHS, "fits", seconds / _fits(said)))
    if config.fusion.head == "features":
        stages.append(Stage("fit the head", ALL_STRENGTHS, "fits", _time_fit(config, rows)))
    elif config.fusion.head == "auto":
        tried = candidates(config.fusion)
        with_features = sum(candidate.head == "features" for candidate in tried)
        once, epoch = _time_training(config, rows)
        trained = FOLDS * (len(tried) - with_features)
        fits = FOLDS * with_features * INNER_FOLDS * len(STRENGTHS)
        stages.append(Stage("try heads that are trained", trained, "fits", once + config.fusion.epochs * epoch))
        stages.append(Stage("try heads of features", fits, "fits", _time_fit(config, rows)))
    else:
        once, epoch = _time_training(config, rows)
        stages.append(Stage("fit the head", config.fusion.epochs, "epochs", epoch, once))
    return stages


def _rows(photos: Photos, parts: Parts) -> HeadRows:
    """With drawn features of EfficientNetV2, which are not known yet: how long a fit takes is a matter of size."""
    if parts.trunk is None:
        return head_rows(photos)
    width = parts.trunk.output_shape[-1]
    probs = np.full((len(photos), 2), 0.5, np.float32)
    drawn = np.random.default_rng(0).normal(size=(len(photos), width)).astype(np.float32)
    return head_rows(photos, probs, drawn)


def _fits(said: dict) -> int:
    """How many fits a cross-validation had, with that on all rows."""
    return len(said["nll"]) * FOLDS + 1


def _time_fit(config: RoadworkConfig, rows: HeadRows) -> float:
    """Seconds of one fit of a head of features."""
    alone, head = build_chosen(config, Candidate("features", config.fusion.branches), rows)
    said, seconds = timed(lambda: fit_head(alone, head, rows))
    return seconds / _fits(said)


def _time_training(config: RoadworkConfig, rows: HeadRows) -> tuple[float, float]:
    """(what the fit of a head that is trained takes beside its epochs, an epoch of it)."""
    branches = config.fusion.branches
    if ADAPTED in rows.inputs:
        branches = (*branches, ADAPTED)
    kind = "mlp" if config.fusion.head == "mlp" else "linear"
    seconds = []
    for epochs in HEAD_EPOCHS:
        small = replace(config, fusion=replace(config.fusion, epochs=epochs))
        alone, head = build_chosen(small, Candidate(kind, branches), rows)
        seconds.append(timed(lambda alone=alone, head=head: fit_head(alone, head, rows))[1])
    epoch = max(0.0, seconds[1] - seconds[0]) / (HEAD_EPOCHS[1] - HEAD_EPOCHS[0])
    return max(0.0, seconds[0] - epoch), epoch
