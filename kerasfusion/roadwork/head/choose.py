"""`fusion.head: auto`: every head tried on photos that it was not fitted on, the simplest that is good enough taken.

The reward is that of all left-out answers together, weighed to the subnet's prior; its standard error is from resamples
of photos. The one-standard-error rule: Breiman et al., "Classification and Regression Trees" (1984), section 3.4.3.
"""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from kerasfusion.metrics import classification
from kerasfusion.metrics.intervals import bootstrap
from kerasfusion.progress import track
from kerasfusion.roadwork.branches.ensemble import ADAPTED
from kerasfusion.roadwork.branches.features_head import VIT
from kerasfusion.roadwork.config import Fusion, RoadworkConfig
from kerasfusion.roadwork.head.build import new_head
from kerasfusion.roadwork.head.fitting import fit_head
from kerasfusion.roadwork.head.logistic import FOLDS, Folds, split_groups
from kerasfusion.roadwork.head.rows import HeadRows
from kerasfusion.roadwork.scoring.probability_scores import negative_log_likelihood
from kerasfusion.roadwork.scoring.reward import decide, metrics_of

INNER_FOLDS = 3
"""Of those rows that a head of features is fitted on while it is tried, to choose its strength."""

RESAMPLES = 1000


@dataclass(frozen=True)
class Candidate:
    """A head that is tried.

    Attributes:
        head: "linear", "mlp" or "features".
        branches: whose answers it sees.
    """

    head: str
    branches: tuple[str, ...]

    @property
    def name(self) -> str:
        """As the table calls it."""
        return f"{self.head} with {ADAPTED}" if ADAPTED in self.branches else self.head


def candidates(settings: Fusion) -> list[Candidate]:
    """All heads that are tried."""
    seen = [settings.branches]
    if settings.vit_adapted:
        seen.append((*settings.branches, ADAPTED))
    return [Candidate(head, branches) for branches in seen for head in ("linear", "mlp", "features")]


def choose_head(config: RoadworkConfig, rows: HeadRows) -> tuple[Candidate, dict[str, Any]]:
    """Try all heads by cross-validation on whole photos.

    Args:
        config: fusion settings.
        rows: what the head may learn from; answers of `vit_adapted` among them are out of fold already.

    Returns:
        The simplest head whose reward is within one standard error of the best, and what was found, a JSON value.

    Raises:
        RequestError: too few groups of photos.
    """
    folds = split_groups(rows.labels, rows.groups, config.seed, "fusion.head: auto")
    tried = candidates(config.fusion)
    work = ((candidate, *_try_out(config, candidate, rows, folds)) for candidate in tried)
    table = [
        {"head": candidate.name, "numbers": numbers, **_score(rows, answers, config)}
        for candidate, answers, numbers in track(work, "try heads", total=len(tried))
    ]
    best = max(table, key=lambda row: row["reward"])
    enough = [row for row in table if row["reward"] >= best["reward"] - best["standard_error"]]
    chosen = min(enough, key=lambda row: row["numbers"])
    said = {
        "head": "auto",
        "chosen": chosen["head"],
        "best": best["head"],
        **rows.counts,
        "views": len(rows),
        "folds": FOLDS,
        "prior": config.fusion.prior,
        "tried": table,
    }
    return tried[table.index(chosen)], said


def build_chosen(config: RoadworkConfig, candidate: Candidate, rows: HeadRows) -> tuple[RoadworkConfig, keras.Model]:
    """A head, not fitted, with the configuration in which it is the one that is asked for."""
    settings = replace(config.fusion, head=candidate.head)
    keras.utils.set_random_seed(config.seed)  # each begins as it would alone
    return replace(config, fusion=settings), new_head(settings, candidate.branches, rows.widths)


def _try_out(config: RoadworkConfig, candidate: Candidate, rows: HeadRows, folds: Folds) -> tuple[np.ndarray, int]:
    """(R,) P(roadwork) of every row by a head that has not seen its photo, and how many numbers such a head learns."""
    answers = np.empty(len(rows))
    for fit_on, left_out in folds:
        alone, head = build_chosen(config, candidate, rows)
        fit_head(alone, head, rows.take(fit_on), INNER_FOLDS)
        asked = rows.take(left_out).inputs
        answers[left_out] = np.asarray(head({name: asked[name] for name in head.input}, training=False))[:, 1]
    adapted = 2 * rows.widths[VIT] + 2 if ADAPTED in candidate.branches else 0
    return answers, head.count_params() + adapted


def _score(rows: HeadRows, answers: np.ndarray, config: RoadworkConfig) -> dict[str, float]:
    weights = rows.weights(config.fusion.prior)
    cells = classification.confusion_per_sample(rows.labels, decide(answers), n_classes=2)

    def found(counts: np.ndarray) -> dict[str, np.ndarray]:
        return metrics_of(np.tensordot(counts * weights, cells, 1))

    resampled = bootstrap(lambda counts: found(counts)["reward"], len(rows), rows.groups, RESAMPLES, config.seed)
    scores = found(np.ones(len(rows)))
    return {
        "reward": float(scores["reward"]),
        "standard_error": float(np.std(resampled)),
        "mcc": float(scores["mcc"]),
        "nll": negative_log_likelihood(rows.labels, answers, weights),
    }
