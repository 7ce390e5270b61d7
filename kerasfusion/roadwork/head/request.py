"""What a head needs before it can be fitted."""

from collections.abc import Sequence

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.head.logistic import refuse_few_groups, refuse_missing_library


def refuse_impossible_head(config: RoadworkConfig, manifest: dict) -> None:
    """Check that what learns from features finds them, is fitted by itself, and has what fits it.

    Raises:
        RequestError: otherwise.
    """
    if config.fusion.vit_adapted and "vit" in config.fusion.without:
        raise RequestError(
            "fusion.vit_adapted: true is a new classifier on what the ViT sees, and fusion.without leaves the ViT out",
            where="fusion.without: vit",
            todo="set fusion.vit_adapted: false, or leave the ViT in",
        )
    asked = _cross_validated(config)
    if asked is None:
        return
    if config.fusion.fit_on == "train":
        raise RequestError(
            f"{asked} is fitted after EfficientNetV2, on photos that no branch has learned from",
            where="fusion.fit_on: train",
            expected="fusion.fit_on: val",
            todo="set fusion.fit_on: val; or fusion.head: linear or mlp, which also learn jointly, and "
            "fusion.vit_adapted: false",
        )
    learns = config.efficientnetv2.fine_tune_blocks and "efficientnetv2" in config.fusion.branches
    if config.fusion.fit_on == "all" and config.fusion.sees_features and learns:
        raise RequestError(
            f"{asked} would see training photos as a trunk sees them that has learned from them",
            where="fusion.fit_on: all, with efficientnetv2.fine_tune_blocks",
            expected="efficientnetv2.fine_tune_blocks: 0",
            todo="set efficientnetv2.fine_tune_blocks: 0, or fusion.fit_on: val, or fusion.head: linear or mlp",
        )
    if config.fusion.needs_features and "features" not in manifest["vit"]:
        raise RequestError(
            f"{asked} learns from the ViT's features, and the branch cache holds its probabilities alone",
            where=config.cache.folder,
            todo="kerasfusion precompute with the same settings into a new folder (--cache FOLDER), which keeps them, "
            "or set fusion.head: linear and fusion.vit_adapted: false",
        )
    refuse_missing_library()


def refuse_few_photos(config: RoadworkConfig, labels: Sequence[int], groups: Sequence[str]) -> None:
    """Check, before anything is trained, that what is chosen by cross-validation has groups enough for it.

    Args:
        config: names the head.
        labels: of the N photos that it is to be fitted on, 0 or 1.
        groups: of these, as `photo_groups` gives them.

    Raises:
        RequestError: it has not.
    """
    if asked := _cross_validated(config):
        refuse_few_groups(np.array(labels), np.array(groups), asked, config.data.root)


def _cross_validated(config: RoadworkConfig) -> str | None:
    """The setting by which something is chosen by cross-validation; None where there is none."""
    if config.fusion.sees_features:
        return f"fusion.head: {config.fusion.head}"
    return "fusion.vit_adapted: true" if config.fusion.vit_adapted else None
