"""Losses of masks and states, from logits; one value a sample, so that a missing gas can weigh nothing.

Focal loss: Lin et al., arXiv 1708.02002, eq. 5. Dice loss: Milletari et al., arXiv 1606.04797, section 3. With gamma
0 the focal loss is cross-entropy, weighted by alpha.
"""

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
        truth, log_probs = _one_hot(y_true, y_pred), ops.log_softmax(y_pred)
        return _per_sample(_focal(truth, log_probs, self.gamma, self.alpha))


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
        truth, log_probs = _one_hot(y_true, y_pred), ops.log_softmax(y_pred)
        probs = ops.exp(log_probs)
        overlap = ops.sum(truth * probs, axis=(1, 2))
        size = ops.sum(truth, axis=(1, 2)) + ops.sum(probs, axis=(1, 2))
        dice = (2 * overlap + DICE_SMOOTH) / (size + DICE_SMOOTH)
        return 0.5 * _per_sample(_focal(truth, log_probs, self.gamma)) + 0.5 * (1 - ops.mean(dice, axis=-1))


def _focal(truth, log_probs, gamma: float, alpha: Sequence[float] | None = None):
    """(B, ..., C), (B, ..., C) -> (B, ...)."""
    cross_entropy = -ops.sum(truth * log_probs, axis=-1)
    loss = cross_entropy
    if gamma:
        loss = loss * ops.power(ops.maximum(1 - ops.exp(-cross_entropy), 0), gamma)
    if alpha is not None:
        loss = loss * ops.sum(truth * ops.convert_to_tensor(alpha, "float32"), axis=-1)
    return loss


def _one_hot(y_true, y_pred):
    return ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype="float32")


def _per_sample(values):
    """(B, ...) -> (B,): the mean of what is left of each sample."""
    return ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=-1)
