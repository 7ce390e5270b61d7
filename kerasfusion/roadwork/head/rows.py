"""The rows that a head learns from, with all that it may see of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasfusion.roadwork.branches.features_head import EFFICIENTNETV2, VIT
from kerasfusion.roadwork.scoring.prior import prior_weights


@dataclass(frozen=True)
class HeadRows:
    """R views of photos that no branch has learned from.

    Attributes:
        labels: (R,) int32.
        groups: (R,) int64: views of one photo, of its exact copies and of photos of its drive or place have the same.
        inputs: {what a head may take: (R, 2) probabilities or (R, C) features}, float32.
        views: how many rows each photo has.
    """

    labels: np.ndarray
    groups: np.ndarray
    inputs: Mapping[str, np.ndarray]
    views: int = 1

    def __len__(self) -> int:
        """R."""
        return len(self.labels)

    @property
    def widths(self) -> dict[str, int]:
        """C of each kind of features."""
        return {name: self.inputs[name].shape[1] for name in (VIT, EFFICIENTNETV2) if name in self.inputs}

    @property
    def counts(self) -> dict[str, int]:
        """How many photos there are, and how many groups where some photos belong together."""
        photos, groups = len(self) // self.views, len(np.unique(self.groups))
        return {"photos": photos, **({"groups": groups} if groups < photos else {})}

    def take(self, numbers: np.ndarray) -> "HeadRows":
        """The rows with these numbers, which are those of whole photos."""
        inputs = {name: values[numbers] for name, values in self.inputs.items()}
        return HeadRows(self.labels[numbers], self.groups[numbers], inputs, self.views)

    def weights(self, prior: float | None) -> np.ndarray:
        """(R,) float32, with which roadwork has the share `prior`."""
        return prior_weights(prior, self.labels)[self.labels]
