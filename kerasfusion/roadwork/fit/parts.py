"""The networks that `fit` trains: EfficientNetV2's trunk and classifier, and the head."""

from dataclasses import dataclass

import keras

from kerasfusion.roadwork.branches import efficientnetv2, ensemble
from kerasfusion.roadwork.branches.features_head import EFFICIENTNETV2, VIT, build_features_head
from kerasfusion.roadwork.config import Fusion, RoadworkConfig


@dataclass(frozen=True)
class Parts:
    """The networks that are trained: EfficientNetV2's trunk and classifier, and the head."""

    trunk: keras.Model
    classifier: keras.Model
    head: keras.Model


def build_parts(config: RoadworkConfig, image_size: int, vit_features: int | None = None) -> Parts:
    """The networks before training.

    Args:
        config: everything.
        image_size: side of the input, pixels.
        vit_features: how many the branch cache holds of a view; None where it holds none.
    """
    trunk = efficientnetv2.build_trunk(config.efficientnetv2, image_size)
    classifier = efficientnetv2.build_classifier(trunk.output_shape[-1], config.efficientnetv2.dropout)
    return Parts(trunk, classifier, new_head(config.fusion, vit_features, trunk.output_shape[-1]))


def new_head(settings: Fusion, vit_features: int | None, efficientnetv2_features: int) -> keras.Model:
    """The head that the settings name, not fitted; how many features there are matters to that of features alone."""
    if settings.head == "features":
        widths = {VIT: vit_features, EFFICIENTNETV2: efficientnetv2_features}
        return build_features_head(widths, ensemble.BRANCHES)
    return ensemble.build_head(settings)
