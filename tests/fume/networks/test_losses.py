import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.fume.networks.losses import Focal, FocalDice

RNG = np.random.default_rng(1)
ALPHA = [1.0, 8.0, 1.2]


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def focal(labels, logits, gamma, alpha=(1, 1, 1)):
    """Lin et al., eq. 5, sample by sample in float64."""
    losses = []
    for truth, given in zip(labels, logits, strict=True):
        p = softmax(np.asarray(given, np.float64)).reshape(-1, 3)
        truth = np.asarray(truth).reshape(-1)
        p_true = p[np.arange(len(truth)), truth]
        losses.append(np.mean(np.array(alpha)[truth] * (1 - p_true) ** gamma * -np.log(p_true)))
    return np.array(losses)


def dice(labels, logits):
    """1 - the mean over the classes of (2 overlap + 1) / (sizes + 1), sample by sample in float64."""
    losses = []
    for truth, given in zip(labels, logits, strict=True):
        p = softmax(np.asarray(given, np.float64))
        scores = [(2 * p[truth == c, c].sum() + 1) / ((truth == c).sum() + p[..., c].sum() + 1) for c in range(3)]
        losses.append(1 - np.mean(scores))
    return np.array(losses)


@pytest.mark.parametrize("gamma", [0, 1, 2, 3.5])
@pytest.mark.parametrize("alpha", [None, ALPHA])
def test_focal_of_states(gamma, alpha):
    labels, logits = RNG.integers(0, 3, 20), RNG.normal(0, 2, (20, 3)).astype(np.float32)
    expected = focal(labels, logits, gamma, alpha or (1, 1, 1))
    np.testing.assert_allclose(Focal(gamma, alpha).call(labels, logits), expected, rtol=1e-4, atol=1e-6)


def test_focal_of_masks_is_a_mean_over_each_samples_pixels():
    labels, logits = RNG.integers(0, 3, (4, 6, 5)), RNG.normal(0, 2, (4, 6, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(Focal(2.0).call(labels, logits), focal(labels, logits, 2), rtol=1e-4)


MASKS = {
    "mixed": RNG.integers(0, 3, (2, 6, 5)),
    "empty": np.zeros((2, 6, 5), int),
    "full": np.full((2, 6, 5), 2),
    "one pixel": np.pad(np.full((2, 1, 1), 2), ((0, 0), (2, 3), (1, 3))),
}


@pytest.mark.parametrize("mask", MASKS)
def test_focal_dice(mask):
    labels, logits = MASKS[mask], RNG.normal(0, 3, (2, 6, 5, 3)).astype(np.float32)
    expected = 0.5 * focal(labels, logits, 2) + 0.5 * dice(labels, logits)
    np.testing.assert_allclose(FocalDice(2.0).call(labels, logits), expected, rtol=1e-4)


@pytest.mark.trains
@pytest.mark.parametrize("loss", [Focal(2.0, ALPHA), Focal(0.0), Focal(1.0), FocalDice(2.0), FocalDice(0.0)])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("size", [0.0, 1e4])
def test_extreme_logits_have_finite_values_and_gradients(loss, mask, size):
    labels = MASKS[mask]
    for sign in (1, -1):
        logits = tf.Variable(sign * size * (np.eye(3)[labels] - 0.5), dtype=tf.float32)
        with tf.GradientTape() as tape:
            value = loss(labels, logits)
        assert np.isfinite(value)
        assert np.isfinite(tape.gradient(value, logits)).all()
    right = loss(labels, tf.constant(1e4 * (np.eye(3)[labels] - 0.5), tf.float32))
    assert right < 1e-3


def test_a_sample_of_weight_0_adds_nothing():
    labels, logits = MASKS["mixed"], RNG.normal(0, 3, (2, 6, 5, 3)).astype(np.float32)
    loss = FocalDice(2.0)
    per_sample = loss.call(labels, logits).numpy()
    np.testing.assert_allclose(loss(labels, logits, sample_weight=np.array([1.0, 0.0])), per_sample[0] / 2, rtol=1e-5)
