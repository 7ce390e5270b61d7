"""Losses of masks and states, from logits; one value a sample, so that a missing gas can weigh nothing.

Focal loss: Lin et al., arXiv 1708.02002, eq. 5. Dice loss: Milletari et al., arXiv 1606.04797, section 3. With gamma
0 the focal loss is cross-entropy, weighted by alpha.
"""

import functools
from collections.abc import Sequence

import keras
from keras import ops

DICE_SMOOTH = 1.0
"""Pixels added above and below: a class that neither occurs nor is predicted counts as found."""


class Focal(keras.losses.Loss):
    """alpha_t (1 - p_t)^gamma (-log p_t), averaged over a sample's pixels if it has any.

    Args:
        gamma: 0, or at least 1 (below, the gradient has no limit at p_t = 1).
        alpha: (C,) weight of each true class; None is 1 for all.
        name: of the loss.

    Call:
        y_true (B, ...) integers, y_pred (B, ..., C) logits -> mean of (B,) float32.
    """

    def __init__(self, gamma: float = 2.0, alpha: Sequence[float] | None = None, name: str = "focal"):
        super().__init__(name=name)
        self.gamma, self.alpha = gamma, alpha

    def call(self, y_true, y_pred):
        """(B,) losses."""
        return _per_sample(_focal(y_true, _log_softmax(y_pred), self.gamma, self.alpha))


class FocalDice(keras.losses.Loss):
    """Half focal loss, half Dice loss (1 - the mean over the classes of a sample's soft Dice), for masks.

    Args:
        gamma: of the focal part, see Focal.
        name: of the loss.

    Call:
        y_true (B, H, W) integers, y_pred (B, H, W, C) logits -> mean of (B,) float32.
    """

    def __init__(self, gamma: float = 2.0, name: str = "focal_dice"):
        super().__init__(name=name)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        """(B,) losses."""
        log_probs = _log_softmax(y_pred)
        dice = sum(_dice(_is(y_true, c), ops.exp(log_p)) for c, log_p in enumerate(log_probs)) / len(log_probs)
        return 0.5 * _per_sample(_focal(y_true, log_probs, self.gamma)) + 0.5 * (1 - dice)


def _focal(y_true, log_probs: list, gamma: float, alpha: Sequence[float] | None = None):
    """(B, ...) integers and the classes' (B, ...) -> (B, ...)."""
    cross_entropy = -sum(_is(y_true, c) * log_p for c, log_p in enumerate(log_probs))
    loss = cross_entropy
    if gamma:
        loss = loss * ops.power(ops.maximum(1 - ops.exp(-cross_entropy), 0), gamma)
    if alpha is not None:
        loss = loss * sum(_is(y_true, c) * weight for c, weight in enumerate(alpha))
    return loss


def _dice(truth, probs):
    """Soft Dice of one class: (B, H, W), (B, H, W) -> (B,)."""
    overlap, size = ops.sum(truth * probs, axis=(1, 2)), ops.sum(truth, axis=(1, 2)) + ops.sum(probs, axis=(1, 2))
    return (2 * overlap + DICE_SMOOTH) / (size + DICE_SMOOTH)


def _log_softmax(logits) -> list:
    """(B, ..., C) -> C tensors (B, ...). TensorFlow's own kernel takes three times as long for rows of three."""
    planes = ops.unstack(ops.cast(logits, "float32"), axis=-1)
    largest = functools.reduce(ops.maximum, planes)
    log_sum = largest + ops.log(sum(ops.exp(plane - largest) for plane in planes))
    return [plane - log_sum for plane in planes]


def _is(y_true, c: int):
    return ops.cast(ops.equal(y_true, c), "float32")


def _per_sample(values):
    """(B, ...) -> (B,): the mean of what is left of each sample."""
    return ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=-1)
