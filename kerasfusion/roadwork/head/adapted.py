"""The ViT adapted: a new linear classifier on what it sees, whose answers the head learns from out of fold."""

from dataclasses import replace
from typing import Any

import numpy as np

from kerasfusion.roadwork.branches.ensemble import ADAPTED
from kerasfusion.roadwork.branches.features_head import VIT, set_weights
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.head.logistic import FOLDS, cross_fit, split_groups
from kerasfusion.roadwork.head.rows import HeadRows


def adapt_vit(config: RoadworkConfig, adapted, rows: HeadRows) -> tuple[HeadRows, dict[str, Any]]:
    """Fit the new classifier on the rows that the head learns from, and add what it says of them.

    Args:
        config: seed and prior.
        adapted: what `build_adapted` gave; changed in place: it is fitted on all rows.
        rows: with the ViT's features.

    Returns:
        The rows with answers of ADAPTED, each by a fit that has not seen the row's photo; and what was chosen, a JSON
        value.

    Raises:
        RequestError: too few groups of photos to choose by cross-validation.
    """
    folds = split_groups(rows.labels, rows.groups, config.seed, "fusion.vit_adapted: true")
    found = cross_fit(rows.inputs[VIT], rows.labels, rows.weights(config.fusion.prior), folds)
    set_weights(adapted, found.fitted.weights, found.fitted.bias)
    answers = np.stack([1 - found.answers, found.answers], axis=1).astype(np.float32)
    said = {
        **rows.counts,
        "folds": FOLDS,
        "strength": found.strength,
        "nll": [{"strength": strength, "nll": nll} for strength, nll in found.scores.items()],
    }
    return replace(rows, inputs={**rows.inputs, ADAPTED: answers}), said
