"""Logistic regression with a strength that is chosen on left-out groups, against the optimum's own equations."""

import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.head.logistic import FOLDS, STRENGTHS, cross_fit, split_groups

COUNT = 120


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def folds_of(labels, groups=None, seed=0):
    return split_groups(labels, np.arange(len(labels)) if groups is None else groups, seed, "this head")


def signal(rng, noise):
    """Labels, and ten columns of different size and place of which the first two tell them."""
    labels = rng.permutation(np.arange(COUNT) % 2)
    x = rng.normal(size=(COUNT, 10))
    x[:, :2] = labels[:, None] * 2 - 1 + noise * rng.normal(size=(COUNT, 2))
    return (x * np.geomspace(0.01, 50, 10) + np.linspace(-2, 30, 10)).astype(np.float32), labels


@pytest.mark.parametrize("noise", [0.7, 2.0])
def test_what_is_fitted_is_where_the_penalised_loss_is_flat(rng, noise):
    x, labels = signal(rng, noise)
    weights = rng.uniform(0.5, 2, COUNT)
    found = cross_fit(x, labels, weights, folds_of(labels))
    share = weights / weights.sum()
    mean = share @ x
    spread = np.sqrt(share @ (x - mean) ** 2)
    p = found.fitted.answer(x)
    slope = (share * (p - labels)) @ ((x - mean) / spread) + found.strength * found.fitted.weights * spread
    assert np.abs(slope).max() < 1e-3
    assert abs(share @ (p - labels)) < 1e-3  # the bias is not penalised


def test_the_strength_follows_what_there_is_to_learn(rng):
    x, labels = signal(rng, 0.5)
    told = cross_fit(x, labels, np.ones(COUNT), folds_of(labels))
    nothing = cross_fit(rng.normal(size=(COUNT, 300)).astype(np.float32), labels, np.ones(COUNT), folds_of(labels))
    assert told.strength < 0.1 < 1 < nothing.strength
    assert told.scores[told.strength] == min(told.scores.values()) < 0.2
    assert nothing.scores[nothing.strength] == pytest.approx(np.log(2), abs=0.05)
    assert set(told.scores) <= set(STRENGTHS)


def test_rows_of_one_group_are_never_on_both_sides(rng):
    """Labels at random and columns that name the group: whoever has seen one row of it knows the others."""
    groups = np.repeat(np.arange(40), 5)
    labels = np.repeat(rng.permutation(np.arange(40) % 2), 5)
    x = np.eye(40, dtype=np.float32)[groups]
    weights = np.ones(len(labels))
    for fit_on, left_out in folds_of(labels, groups):
        assert not set(groups[fit_on]) & set(groups[left_out])
    apart = cross_fit(x, labels, weights, folds_of(labels, groups))
    leaking = cross_fit(x, labels, weights, folds_of(labels))
    assert ((apart.answers > 0.5) == labels).mean() < 0.6
    assert ((leaking.answers > 0.5) == labels).mean() == 1


def test_a_weight_of_two_is_the_row_twice(rng):
    x, labels = signal(rng, 1.0)
    weights = 1 + (np.arange(COUNT) % 3 == 0)
    twice = np.repeat(np.arange(COUNT), weights)
    groups = np.arange(COUNT)
    # The folds of both, so that the groups fall alike.
    folds = folds_of(labels, groups)
    of_twice = [tuple(np.flatnonzero(np.isin(twice, rows)) for rows in fold) for fold in folds]
    weighted = cross_fit(x, labels, weights.astype(float), folds)
    doubled = cross_fit(x[twice], labels[twice], np.ones(len(twice)), of_twice)
    assert weighted.strength == doubled.strength
    np.testing.assert_allclose(weighted.fitted.answer(x), doubled.fitted.answer(x), atol=2e-3)


def test_columns_that_do_not_vary_or_only_round_are_not_blown_up(rng):
    x, labels = signal(rng, 1.0)
    x[:, 2] = 3.0
    # 8 and the next float16 above it: what differs is where rounding fell, here just as in a column of usual spread.
    x[:, 3] = np.float16(8) + np.float16(2**-7) * labels
    x[:, 4] = 0.0
    x[:, 5] = labels
    found = cross_fit(x, labels, np.ones(COUNT), folds_of(labels))
    assert (found.fitted.weights[2], found.fitted.weights[4]) == (0, 0)
    # Its spread of 2^-8 is half of what float16 can tell beside an 8: it comes in at half the usual size, and of two
    # columns that say the same the squared norm shares what they say by the square of their sizes.
    said = found.fitted.weights[[3, 5]] * x[:, [3, 5]].std(axis=0)
    assert said[0] / said[1] == pytest.approx(1 / 4, rel=0.05)
    assert np.isfinite(found.answers).all()


@pytest.mark.parametrize(("photos", "said"), [([4, 9], "4 no_roadwork, 9 roadwork"), ([8, 0], "8 no_.*, 0 road")])
def test_too_few_photos_are_refused_however_many_views_they_have(photos, said):
    labels = np.repeat([0, 1], [10 * count for count in photos])
    groups = np.repeat(np.arange(sum(photos)), 10)
    with pytest.raises(RequestError, match=rf"this head(.|\n)*{said}(.|\n)*least {FOLDS}(.|\n)*head: linear"):
        folds_of(labels, groups)


def test_the_same_again_with_the_same_seed(rng):
    x, labels = signal(rng, 1.0)
    first, second = (cross_fit(x, labels, np.ones(COUNT), folds_of(labels, seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first.fitted.weights, second.fitted.weights)
    np.testing.assert_array_equal(first.answers, second.answers)
