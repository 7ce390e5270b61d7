"""Logistic regression on many numbers a row, its strength chosen on rows that it was not fitted on.

scikit-learn fits; what is handed out are plain arrays.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasfusion.errors import RequestError, require
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.scoring.probability_scores import negative_log_likelihood

FOLDS = 5
STRENGTHS = tuple(float(strength) for strength in 10.0 ** np.arange(1.0, -3.01, -0.5))
"""Weights of half the squared norm beside the mean cross-entropy, from where hardly anything is learned downwards."""

WORSE = 2
"""After so many strengths that did worse than the best one, weaker ones are not tried: they take longest."""

Folds = Sequence[tuple[np.ndarray, np.ndarray]]
"""(rows to fit on, rows to answer) of each fold; every row is answered once."""


@dataclass(frozen=True)
class Logistic:
    """P(roadwork) = sigmoid(x @ weights + bias) of rows as they are, not standardised: (F,) float64 and a number."""

    weights: np.ndarray
    bias: float

    def answer(self, x: np.ndarray) -> np.ndarray:
        """(N, F) -> (N,) float64 P(roadwork)."""
        z = np.asarray(x, np.float64) @ self.weights + self.bias
        return 1 / (1 + np.exp(-np.clip(z, -700, 700)))


@dataclass(frozen=True)
class CrossFit:
    """What came of cross-validation.

    Attributes:
        fitted: on all rows, with the chosen strength.
        strength: a value of STRENGTHS.
        answers: (N,) P(roadwork) of each row, by the fit of that strength that has not seen the row's group.
        scores: {strength: negative log-likelihood of such answers, nats}, of those that were tried.
    """

    fitted: Logistic
    strength: float
    answers: np.ndarray
    scores: dict[float, float]


def refuse_missing_library() -> None:
    """Check that scikit-learn is here.

    Raises:
        RequestError: it is not; says how to install it.
    """
    require("sklearn", extra="train")


def refuse_few_groups(
    labels: np.ndarray, groups: np.ndarray, what: str, where: object = None, count: int = FOLDS
) -> None:
    """Check that each class has a group for every fold.

    Args:
        labels, groups, what, count: as for `split_groups`; groups may be of any type.
        where: the photos' folder, for the message.

    Raises:
        RequestError: a class has fewer.
    """
    groups_of = [len(np.unique(groups[labels == label])) for label in range(len(CLASS_NAMES))]
    if min(groups_of) < count:
        counted = ", ".join(f"{n} {name}" for n, name in zip(groups_of, CLASS_NAMES, strict=True))
        raise RequestError(
            f"too few groups of held-out photos for {what}, which is chosen by cross-validation: {counted}",
            where=where,
            expected=f"at least {count} groups (copies, and photos of one drive or place, count as one) of each class",
            todo="hold out more of them (kerasfusion data split), or set fusion.head: linear and "
            "fusion.vit_adapted: false",
        )


def split_groups(labels: np.ndarray, groups: np.ndarray, seed: int, what: str, count: int = FOLDS) -> Folds:
    """Folds with whole groups and about the same share of each class.

    Args:
        labels: (N,) 0 or 1.
        groups: (N,) rows of one group stand on one side of every fold.
        seed: of the drawing.
        what: asks for it, for the message.
        count: of folds.

    Raises:
        RequestError: a class has fewer groups than there are folds.
    """
    refuse_few_groups(labels, groups, what, count=count)
    selection = require("sklearn.model_selection", extra="train")
    folds = selection.StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return list(folds.split(labels, labels, groups))


def cross_fit(
    x: np.ndarray, labels: np.ndarray, weights: np.ndarray, folds: Folds, strengths: Sequence[float] = STRENGTHS
) -> CrossFit:
    """Choose the strength by the answers about rows that were left out, and fit on all rows.

    Args:
        x: (N, F) float32.
        labels: (N,) 0 or 1.
        weights: (N,) what each row counts.
        folds: as `split_groups` gives them.
        strengths: to choose from, falling.
    """
    paths = [_Path(x[rows], labels[rows], weights[rows]) for rows, _ in folds]
    answers, scores = {}, {}
    for strength in strengths:
        said = np.empty(len(labels))
        for path, (_, left_out) in zip(paths, folds, strict=True):
            said[left_out] = path.fit(strength).answer(x[left_out])
        answers[strength], scores[strength] = said, negative_log_likelihood(labels, said, weights)
        best = min(scores, key=scores.__getitem__)
        if list(scores).index(best) + WORSE < len(scores):
            break
    return CrossFit(_Path(x, labels, weights).fit(best), best, answers[best], scores)


class _Path:
    """Fits to the same rows with falling strength, each of which begins where the last ended."""

    def __init__(self, x: np.ndarray, labels: np.ndarray, weights: np.ndarray):
        linear_model = require("sklearn.linear_model", extra="train")
        self._labels, self._weights = labels, weights
        self._mean = np.average(x, axis=0, weights=weights)
        spread = np.sqrt(np.average((x - self._mean) ** 2, axis=0, weights=weights))
        # What varies by less than float16 can tell is not blown up to the size of the rest.
        smallest = np.abs(x).max(axis=0) * 2.0**-10
        self._scale = np.maximum(spread, np.where(smallest > 0, smallest, 1.0))
        self._x = ((x - self._mean) / self._scale).astype(np.float32)
        self._model = linear_model.LogisticRegression(solver="lbfgs", warm_start=True, max_iter=1000)

    def fit(self, strength: float) -> Logistic:
        """Minimise the mean cross-entropy + strength / 2 x the squared norm of the standardised weights."""
        self._model.C = 1 / (strength * self._weights.sum())
        unconverged = require("sklearn.exceptions", extra="train").ConvergenceWarning
        with warnings.catch_warnings():
            # Where the rows can be told apart entirely, a weak strength has an optimum far away; a stronger one wins.
            warnings.simplefilter("ignore", unconverged)
            self._model.fit(self._x, self._labels, sample_weight=self._weights)
        weights = self._model.coef_[0].astype(np.float64) / self._scale
        return Logistic(weights, float(self._model.intercept_[0] - self._mean @ weights))
