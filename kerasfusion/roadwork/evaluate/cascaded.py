"""What a cascade answers, worked out of what its first stage and the whole fusion say of every photo."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasfusion.roadwork.scoring.reward import decide
from kerasfusion.roadwork.scoring.window import FIRST, FULL, Window


@dataclass(frozen=True)
class Cascaded:
    """Which stage answered.

    Attributes:
        at_once: (N, V) bool, views of photos about which the first stage is sure.
        changed: (N, V) bool, those about which the whole fusion decides otherwise.
    """

    at_once: np.ndarray
    changed: np.ndarray

    @property
    def stages(self) -> list[str]:
        """N names, of the stage that answered each photo itself."""
        return [FIRST if sure else FULL for sure in self.at_once[:, 0]]

    @property
    def shares(self) -> dict[str, float]:
        """Of the photos themselves, as the report has them beside the metrics of the fusion."""
        return {"skipped": float(self.at_once[:, 0].mean()), "changed": float(self.changed[:, 0].mean())}

    def in_words(self) -> str:
        """A line or two for a person."""
        lines = [_counted(self.at_once[:, 0], self.changed[:, 0], "photos")]
        if self.at_once.shape[1] > 1:
            lines.append(_counted(self.at_once[:, 1:].ravel(), self.changed[:, 1:].ravel(), "challenges"))
        return "\n".join(f"cascade: {line}" for line in lines)


def in_stages(views: Mapping[str, np.ndarray], window: Window) -> tuple[dict[str, np.ndarray], Cascaded]:
    """Put what is really answered in the place of the fusion's answers.

    Args:
        views: {output: (N, V) P(roadwork)}, NaN where a photo could not be read; of the fusion, `first` and others.
        window: the detector's.
    """
    first, full = views[FIRST], views["fusion"]
    answered = window.answers(first, full)
    cascaded = Cascaded(window.sure(first), decide(answered) != decide(full))
    return {**views, "fusion": answered}, cascaded


def _counted(at_once: np.ndarray, changed: np.ndarray, what: str) -> str:
    return (
        f"the first stage answers {at_once.sum()} of {at_once.size} {what} ({at_once.mean():.1%}), which changes "
        f"{changed.sum()} decisions ({changed.mean():.2%})"
    )
