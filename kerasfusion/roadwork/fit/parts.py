"""The networks that `fit` trains: EfficientNetV2's trunk and classifier, and the head."""

from dataclasses import dataclass

import keras

from kerasfusion.roadwork.branches import efficientnetv2, ensemble
from kerasfusion.roadwork.branches.features_head import EFFICIENTNETV2, VIT, build_adapted
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.head.build import new_head


@dataclass(frozen=True)
class Parts:
    """The networks that are trained: EfficientNetV2's trunk and classifier, the head, and the ViT's new classifier.

    None stands for what the fusion goes without.
    """

    trunk: keras.Model | None
    classifier: keras.Model | None
    head: keras.Model
    adapted: keras.Model | None = None

    @property
    def whole(self) -> keras.Model:
        """All of them as one model."""
        return ensemble.build_trained_parts(self.trunk, self.classifier, self.head, self.adapted)


def build_parts(config: RoadworkConfig, image_size: int, vit_features: int | None = None) -> Parts:
    """The networks before training.

    Args:
        config: everything.
        image_size: side of the input, pixels.
        vit_features: how many the branch cache holds of a view; None where it holds none.
    """
    branches, trunk, classifier, adapted = config.fusion.branches, None, None, None
    widths = {VIT: vit_features}
    if "efficientnetv2" in branches:
        trunk = efficientnetv2.build_trunk(config.efficientnetv2, image_size)
        widths[EFFICIENTNETV2] = trunk.output_shape[-1]
        classifier = efficientnetv2.build_classifier(widths[EFFICIENTNETV2], config.efficientnetv2.dropout)
    if config.fusion.vit_adapted:
        adapted = build_adapted(vit_features)
        branches = (*branches, ensemble.ADAPTED)
    return Parts(trunk, classifier, new_head(config.fusion, branches, widths), adapted)
