"""Confident learning for two classes: which labels do confident answers contradict?

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (arXiv 1911.00068): the
thresholds of section 3.1 (equation 2), the off-diagonal of the confident joint (equation 1), and ranking by normalised
margin (section 3.2). The answers must be of models that have not seen the photo.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.metrics.classification import roc_auc


@dataclass(frozen=True)
class Doubts:
    """What is to be doubted of N labels.

    Attributes:
        skill: {branch: what it weighs in the common answer}, 0..1.
        contradicting: {branch: (N,) bool, whether it is confident of the other class}, without those of no skill.
        suspicion: (N,) float64 in -1..1: by how much all together prefer the other class to the given one, each
            measured against what is usual for photos of that class.
    """

    skill: Mapping[str, float]
    contradicting: Mapping[str, np.ndarray]
    suspicion: np.ndarray

    @property
    def branches(self) -> np.ndarray:
        """(N,) int64, how many branches contradict each label."""
        return np.sum(list(self.contradicting.values()), axis=0)

    @property
    def suspects(self) -> np.ndarray:
        """(S,) int64 numbers of the photos that all together or two branches contradict, the worst first.

        All together need not be confident, as each branch has to be: that would leave out half of the wrong labels.
        """
        found = np.flatnonzero((self.suspicion > 0) | (self.branches >= 2))
        return found[np.argsort(-self.suspicion[found], kind="stable")]


def doubts_of(labels: np.ndarray, answers: Mapping[str, np.ndarray]) -> Doubts:
    """Compare labels with what branches say.

    A branch weighs as much as it tells the classes apart (twice its ROC AUC less one): one that answers at random is
    not heard.

    Args:
        labels: (N,) 0 or 1, both present.
        answers: {branch: (N,) P(class 1)} of models that have not seen the photo.

    Raises:
        RequestError: a class is missing, or no branch tells the classes apart.
    """
    if len(np.unique(labels)) < 2:
        raise RequestError("labels of one class alone cannot be doubted", expected="photos of both classes")
    skill = {name: max(0.0, 2 * float(roc_auc(labels, p)) - 1) for name, p in answers.items()}
    total = sum(skill.values())
    if not total:
        raise RequestError(
            "no branch tells the classes apart, so none can doubt a label", expected="branches better than chance"
        )
    # What is known to be noise is not asked, and not counted either.
    heard = {name: p for name, p in answers.items() if skill[name] > 0}
    common = sum(skill[name] / total * p for name, p in heard.items())
    return Doubts(skill, {name: _is_confident(labels, p) for name, p in heard.items()}, margin(labels, common))


def thresholds(labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(2,) mean probability of each class over the photos with its label: what being confident of it means."""
    return np.array([np.mean(1 - p[labels == 0]), np.mean(p[labels == 1])])


def margin(labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(N,) float64: P(other class) less P(given class), each less its threshold."""
    excess = np.stack([1 - p, p], axis=1) - thresholds(labels, p)
    rows = np.arange(len(labels))
    return (excess[rows, 1 - labels] - excess[rows, labels]) / 2


def _is_confident(labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(N,) bool: the photo is counted in the confident joint under the class that it is not labelled."""
    probs, limits, rows = np.stack([1 - p, p], axis=1), thresholds(labels, p), np.arange(len(labels))
    given, other = probs[rows, labels], probs[rows, 1 - labels]
    return (other >= limits[1 - labels]) & ((given < limits[labels]) | (other > given))
