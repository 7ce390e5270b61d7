"""The networks that `fit` trains: EfficientNetV2's trunk and classifier, and the head."""

from dataclasses import dataclass

import keras

from kerasfusion.roadwork.branches import efficientnetv2, ensemble
from kerasfusion.roadwork.config import RoadworkConfig


@dataclass(frozen=True)
class Parts:
    """The networks that are trained: EfficientNetV2's trunk and classifier, None where it is left out, and the head."""

    trunk: keras.Model | None
    classifier: keras.Model | None
    head: keras.Model


def build_parts(config: RoadworkConfig, image_size: int) -> Parts:
    """The networks before training."""
    head_of = config.fusion.branches
    if "efficientnetv2" not in head_of:
        return Parts(None, None, ensemble.build_head(config.fusion, head_of))
    trunk = efficientnetv2.build_trunk(config.efficientnetv2, image_size)
    classifier = efficientnetv2.build_classifier(trunk.output_shape[-1], config.efficientnetv2.dropout)
    return Parts(trunk, classifier, ensemble.build_head(config.fusion, head_of))
