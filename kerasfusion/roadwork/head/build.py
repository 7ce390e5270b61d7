"""The head that the settings name, before it is fitted."""

from collections.abc import Mapping, Sequence

import keras

from kerasfusion.roadwork.branches import ensemble
from kerasfusion.roadwork.branches.features_head import build_features_head
from kerasfusion.roadwork.config import Fusion


def new_head(settings: Fusion, branches: Sequence[str], widths: Mapping[str, int | None]) -> keras.Model:
    """The head that the settings name, not fitted.

    Args:
        settings: its kind and sizes; "auto" stands for the linear one until another is chosen.
        branches: whose answers it sees, and whose features, if it sees any.
        widths: how many features there are of VIT and EFFICIENTNETV2.
    """
    if settings.head == "features":
        seen = {name: width for name, width in widths.items() if name.removesuffix("_features") in branches}
        return build_features_head(seen, branches)
    return ensemble.build_head(settings, branches)
