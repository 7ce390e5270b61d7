"""What is counted sample by sample, and the values of any weighting of the samples."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.evaluate.boundary import mean_boundary_f
from kerasfusion.fume.evaluate.mask_metrics import mask_values
from kerasfusion.fume.evaluate.split import Answers
from kerasfusion.fume.evaluate.state_metrics import joint_values, state_values
from kerasfusion.metrics.classification import confusion_per_sample

Values = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Tallies:
    """What is known of K samples.

    Attributes:
        counts: {part: (K, 3, 3)} by true and predicted class, of the state and of the masks that occur.
        boundaries: {mask: (K, 2)} of `boundary.boundary_f`; without the masks whose boundaries were not measured.
    """

    counts: dict[str, np.ndarray]
    boundaries: dict[str, np.ndarray]

    @property
    def parts(self) -> list[str]:
        """The state and the masks."""
        return list(self.counts)

    def values(self, weights: np.ndarray) -> Values:
        """{part: {metric: (...)}} where each sample counts as often as the (..., K) weights say."""
        found = values_of({part: np.tensordot(weights, each, 1) for part, each in self.counts.items()})
        for mask, scores in self.boundaries.items():
            found[mask] |= mean_boundary_f(scores, weights)
        return found


def tallies_of(answers: Answers, rows: np.ndarray) -> Tallies:
    """Of some rows, (K,) int64; of the parts that occur in them."""
    counts = {}
    if answers.states is not None:
        counts["state"] = confusion_per_sample(answers.labels[rows], answers.predicted[rows], len(STATES))
    masks = {part: each[rows] for part, each in answers.pixels.items()}
    counts |= {part: each for part, each in masks.items() if each.any()}
    boundaries = {part: each[rows] for part, each in answers.boundaries.items() if part in counts}
    return Tallies(counts, boundaries)


def values_of(matrices: Mapping[str, np.ndarray]) -> Values:
    """{part: (..., 3, 3) counts} -> {part: {metric: (...)}}, with "joint" if there are a state and masks."""
    values = {part: (state_values if part == "state" else mask_values)(each) for part, each in matrices.items()}
    if "state" in values and len(values) > 1:
        values["joint"] = joint_values(values)
    return values
