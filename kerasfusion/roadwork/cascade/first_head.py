"""The small head of the first stage: logistic regression on the logits of the branches that are not the ViT."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerasfusion.roadwork.branches.features_head import SMALLEST, build_features_head, set_weights
from kerasfusion.roadwork.head.logistic import Logistic, cross_fit, split_groups
from kerasfusion.roadwork.scoring.prior import prior_weights
from kerasfusion.roadwork.scoring.window import FIRST

FIRST_BRANCHES = ("yolo", "efficientnetv2")
"""Whose answers it sees, as far as the fusion has them."""

STRENGTH = 1e-3
"""Of the regularisation. It is fixed: two numbers of each photo need none, but photos that can be told apart entirely
would draw the weights to infinity; and a choice on these photos would flatter the answers out of fold."""


@dataclass(frozen=True)
class FirstHead:
    """What was fitted.

    Attributes:
        branches: whose logits it sees, in the order of its weights.
        fitted: on all photos.
        answers: (N, V) P(roadwork) of each view, by a fit that has not seen its photo.
    """

    branches: tuple[str, ...]
    fitted: Logistic
    answers: np.ndarray


def fit_first_head(
    answers: Mapping[str, np.ndarray], labels: np.ndarray, groups: Sequence, prior: float | None, seed: int
) -> FirstHead:
    """Fit the head; each photo counts once, whatever its views.

    Args:
        answers: {branch: (N, V) P(roadwork)} of N photos with V views.
        labels: (N,) 0 or 1.
        groups: (N,) photos of one group, such as exact copies, are left out together.
        prior: share of roadwork that the photos are weighed to; None leaves it as it is.
        seed: of the folds.

    Raises:
        RequestError: scikit-learn is not installed, or too few photos.
    """
    count, views = next(iter(answers.values())).shape
    rows = np.repeat(labels, views)
    _, numbers = np.unique(np.asarray(groups), return_inverse=True)
    folds = split_groups(rows, np.repeat(numbers, views), seed, "--cascade")
    seen = np.stack([logits(p.ravel()) for p in answers.values()], axis=1).astype(np.float32)
    found = cross_fit(seen, rows, prior_weights(prior, labels)[rows], folds, (STRENGTH,))
    return FirstHead(tuple(answers), found.fitted, found.answers.reshape(count, views))


def with_first(model, head: FirstHead):
    """The model with the head's answer as one more output. Weights are shared.

    Args:
        model: keras.Model with dict inputs and outputs, the head's branches among them.
        head: fitted.
    """
    import keras

    # Named apart from the fusion's own head, of whose kind it may be.
    network = build_features_head({}, head.branches, name=FIRST)
    set_weights(network, head.fitted.weights, head.fitted.bias)
    said = network({name: model.output[name] for name in head.branches})
    named = {FIRST: keras.layers.Identity(name=FIRST, dtype="float32")(said)}
    return keras.Model(model.input, model.output | named, name=model.name)


def logits(p: np.ndarray) -> np.ndarray:
    """As the head computes them inside the graph."""
    p = p.astype(np.float64)
    return np.log(np.maximum(p, SMALLEST)) - np.log(np.maximum(1 - p, SMALLEST))
