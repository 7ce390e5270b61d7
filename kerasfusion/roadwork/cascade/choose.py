"""Which window: as wide a saving as held-out photos vouch for.

Windows are tried from the most careful one on, each is tested at the full level, and the first that fails ends the
trial: with 95 % confidence none that passed changes more decisions than the limit (fixed-sequence testing: Angelopoulos
et al., "Learn then Test", arXiv 2110.01052, 2021, section 3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasfusion.metrics import classification
from kerasfusion.metrics.intervals import bootstrap, bootstrap_ci
from kerasfusion.roadwork.cascade.risk import LEVEL, p_value, photos_needed, upper_bound
from kerasfusion.roadwork.scoring.prior import prior_weights
from kerasfusion.roadwork.scoring.reward import decide, metrics_of
from kerasfusion.roadwork.scoring.window import Window

SURE = (0.9999, 0.9995, 0.999, 0.998, 0.995, 0.99, 0.98, 0.97, 0.95, 0.925, 0.9, 0.875, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
"""How sure of either class the first stage has to be: the windows that are tried, from the most careful one on. They
are fixed, for windows made of these photos would be chosen by them."""

RESAMPLES = 1000


@dataclass(frozen=True)
class Held:
    """What both stages say of held-out photos.

    Attributes:
        labels: (N,) 0 or 1, both present.
        first: (N, V) P(roadwork) of the first stage about each photo's views, by a head that has not seen the photo.
        full: (N, V) that of the fusion as it will be answered, with its cut at 0.5.
        prior: share of roadwork that the photos are weighed to; None leaves it as it is.
        seed: of the resamples.
        groups: (N,) ids of photos that belong together (copies, one drive, one place); None: each for itself.
    """

    labels: np.ndarray
    first: np.ndarray
    full: np.ndarray
    prior: float | None
    seed: int
    groups: Sequence | None = None

    @property
    def weights(self) -> np.ndarray:
        """(N,) of mean 1, what each photo counts."""
        return prior_weights(self.prior, self.labels)[self.labels].astype(np.float64)

    def share(self, chosen: np.ndarray) -> float:
        """The weighed share of (N, V) views that are chosen."""
        return float(np.average(chosen.mean(axis=1), weights=self.weights))

    def changed(self, window: Window) -> np.ndarray:
        """(N,) of each photo the share of views about which the cascade decides otherwise than the fusion."""
        return (decide(window.answers(self.first, self.full)) != decide(self.full)).mean(axis=1)

    def by_group(self, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of (N,) losses the mean of each of G groups, and what the groups weigh: (G,), the latter of mean 1."""
        group_of = np.arange(len(losses)) if self.groups is None else np.unique(self.groups, return_inverse=True)[1]
        weights = np.bincount(group_of, self.weights)
        return np.bincount(group_of, self.weights * losses) / weights, weights / weights.mean()


@dataclass(frozen=True)
class Choice:
    """What came of it.

    Attributes:
        window: the one to take; None where none is vouched for, or none that is skips anything.
        curve: a row a window, before them one of the fusion alone, whose window is None.
        reason: why there is no window, for a person; None if there is one.
        todo: what to do about it.
    """

    window: Window | None
    curve: list[dict[str, Any]]
    reason: str | None = None
    todo: str | None = None


def windows() -> list[Window]:
    """Those that are tried, in their order."""
    return [Window(round(1 - sure, 6), sure) for sure in SURE]


def choose_window(held: Held, disagree: float, stage_ms: dict[str, float]) -> Choice:
    """Try the windows.

    Args:
        held: see there.
        disagree: limit of the share of changed decisions, above 0 and below 1.
        stage_ms: mean milliseconds of the stages "first" and "rest" for one photo.
    """
    curve = list(_curve(held, stage_ms))
    taken, failed = None, None
    for window, row in zip(windows(), curve[1:], strict=True):
        losses, weights = held.by_group(held.changed(window))
        if p_value(losses, disagree, weights) > LEVEL or row["reward_difference_ci95"][1] < 0:
            failed = row
            break
        taken = (window, row) if row["skipped"] > 0 else taken
    if taken is None:
        return Choice(None, curve, *_refusal(held, failed, disagree))
    taken[1]["taken"] = True
    return Choice(taken[0], curve)


def _curve(held: Held, stage_ms: dict[str, float]) -> Iterator[dict[str, Any]]:
    skips_nothing = Window(-1.0, 2.0)
    for window in (skips_nothing, *windows()):
        answers, skipped = window.answers(held.first, held.full), held.share(window.sure(held.first))
        losses = held.changed(window)
        yield {
            "window": None if window is skips_nothing else [window.low, window.high],
            "skipped": skipped,
            "ms": stage_ms["first"] + (1 - skipped) * stage_ms["rest"],
            "changed": float(np.average(losses, weights=held.weights)),
            "changed_upper95": 0.0 if window is skips_nothing else upper_bound(*held.by_group(losses)),
            **_worth(held, answers),
            "taken": False,
        }


def _worth(held: Held, answers: np.ndarray) -> dict[str, Any]:
    """MCC and reward, and by how much the latter lies above that of the fusion, with its interval by photo or group."""
    cells = [
        classification.confusion_per_sample(np.repeat(held.labels, said.shape[1]), decide(said.ravel()), n_classes=2)
        .reshape(len(held.labels), -1, 2, 2)
        .mean(axis=1)
        for said in (answers, held.full)
    ]

    def rewards(counts: np.ndarray) -> np.ndarray:
        ours, theirs = (metrics_of(np.tensordot(counts * held.weights, each, 1))["reward"] for each in cells)
        return ours - theirs

    found = metrics_of(np.tensordot(held.weights, cells[0], 1))
    resampled = np.zeros(1)
    if (cells[0] != cells[1]).any():
        resampled = bootstrap(rewards, len(held.labels), held.groups, n_resamples=RESAMPLES, seed=held.seed)
    return {
        "mcc": float(found["mcc"]),
        "reward": float(found["reward"]),
        "reward_difference_ci95": list(bootstrap_ci(resampled)),
    }


def _refusal(held: Held, failed: dict[str, Any] | None, disagree: float) -> tuple[str, str]:
    """Why nothing may be skipped, and what would help."""
    if failed is None:
        return (
            f"the first stage is never sure enough to answer: not one of {len(held.labels)} photos lies outside the "
            f"window {_in_words(windows()[-1])}",
            "a better YOLO or EfficientNetV2 makes it sure; the file without a cascade is as good",
        )
    low, high = failed["reward_difference_ci95"]
    where = f"with the window {_in_words(Window(*failed['window']))}"
    if failed["changed_upper95"] <= disagree:
        return (
            f"{where} the reward falls: by {-high:.4f} to {-low:.4f} (95 % interval)",
            "a better YOLO or EfficientNetV2 may do",
        )
    seen = f"{where} {failed['changed']:.2%} of the decisions of {len(held.labels)} photos change, which shows no more"
    _, weights = held.by_group(held.changed(Window(*failed["window"])))
    needed = photos_needed(failed["changed"], disagree, float(weights.max()))
    reason = f"{seen} than that at most {failed['changed_upper95']:.2%} do (95 % confidence)"
    if needed is None:
        return reason, "a larger --disagree, or a better YOLO or EfficientNetV2: more photos would not help"
    what = "photos" if held.groups is None else "groups (copies, and photos of one drive or place, count as one)"
    return reason, f"hold out {needed} {what} that change no more than these, or allow more with --disagree"


def _in_words(window: Window) -> str:
    return f"{window.low:g} to {window.high:g}"
