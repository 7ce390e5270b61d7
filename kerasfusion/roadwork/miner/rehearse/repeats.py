"""Rehearsals drawn from challenges that were answered once, and what each would have been paid.

A model takes too long to be asked 20 times 1000 questions. A challenge's answer does not depend on when it is asked,
but its reward does: so each is asked once, and a repeat draws, as the validator does, a label half and half and then a
challenge of that label, with replacement. The range over the repeats is therefore the luck of labels and order with
these very challenges. Other photos would move all repeats together: how far, `evaluate` says with its intervals by
photo, and the fewer photos, the further.
"""

from collections.abc import Sequence

import numpy as np

from kerasfusion.roadwork.evaluate.rehearsal import Curve, Earned
from kerasfusion.roadwork.scoring.in_turn import MCC_WINDOW, MISSING, pay

RANGE = (0.025, 0.975)
"""Quantiles over the repeats: 95 % of them lie between."""

POINTS = 400
"""Answers at which a curve is kept, at most."""


def draw_repeats(labels: Sequence[int], challenges: int, repeats: int, seed: int) -> np.ndarray:
    """(repeats, challenges) int64 rows of the pool.

    Args:
        labels: of the pool's challenges, both classes among them.
        challenges: answers of a repeat.
        repeats: how many.
        seed: of the draws.
    """
    rng = np.random.default_rng((seed, 1))  # apart from the stream that drew the photos
    of_class = [np.flatnonzero(np.asarray(labels) == label) for label in (0, 1)]
    drawn = rng.integers(0, 2, (repeats, challenges))
    rows = [rng.integers(0, each.size, drawn.shape) for each in of_class]
    return np.where(drawn == 1, of_class[1][rows[1]], of_class[0][rows[0]])


def earn(labels: Sequence[int], answers: np.ndarray, drawn: np.ndarray) -> tuple[Earned, np.ndarray]:
    """What an output earns.

    Args:
        labels: (M,) of the pool's challenges.
        answers: (M,) what the validator is given for each; -1 where the answer was lost.
        drawn: (R, N) as `draw_repeats` gives.

    Returns:
        What it earned, and (R,) each repeat's mean reward from the hundredth answer on.
    """
    paid = pay(np.asarray(labels)[drawn], answers[drawn])
    settled = slice(MCC_WINDOW - 1, None)  # the first answer whose window is full, and all after it
    means = paid.reward[:, settled].mean(axis=1)
    low, high = between(means)
    rest = (float(values[:, settled].mean()) for values in (paid.mcc, paid.accuracy))
    return Earned(float(means.mean()), (low, high), *rest, _curve(paid.reward)), means


def between(values: np.ndarray) -> tuple[float, float]:
    """Where 95 % of the repeats' values lie."""
    low, high = np.quantile(values, RANGE)
    return float(low), float(high)


def given(replies: Sequence[dict[str, float]], output: str) -> np.ndarray:
    """(M,) what the validator reads of an output: P(roadwork), -1 where there is none."""
    return np.array([p.get(output, MISSING) for p in replies])


def _curve(rewards: np.ndarray) -> Curve:
    count = rewards.shape[1]
    places = np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(int))
    kept = rewards[:, places]
    low, high = np.quantile(kept, RANGE, axis=0)
    lines = (values.round(4).tolist() for values in (kept.mean(axis=0), low, high))
    return Curve((places + 1).tolist(), *lines)
