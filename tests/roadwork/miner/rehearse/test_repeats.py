"""Repeats drawn from answers: half and half, and paid as the validators pay."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kerasfusion.roadwork.miner.rehearse.repeats import draw_repeats, earn, given
from kerasfusion.roadwork.scoring.in_turn import pay


def test_labels_are_drawn_half_and_half_whatever_the_pool_and_then_a_challenge_of_that_label():
    labels = np.array([1] * 3 + [0] * 40)
    drawn = draw_repeats(labels, 2000, 5, seed=1)
    assert drawn.shape == (5, 2000)
    shares = labels[drawn].mean(axis=1)
    assert_allclose(shares, 0.5, atol=0.05)  # 4.5 standard deviations
    assert len(set(shares)) > 1  # each label is drawn, and not dealt out
    counts = np.bincount(drawn.ravel(), minlength=43)
    assert_allclose(counts[:3] / counts[:3].sum(), 1 / 3, atol=0.03)
    assert (counts[3:] > 60).all()  # 125 each on the average
    assert not np.array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn, draw_repeats(labels, 2000, 5, seed=1))
    assert not np.array_equal(drawn, draw_repeats(labels, 2000, 5, seed=2))


def test_a_mean_is_over_all_answers_from_the_hundredth_on_and_the_range_over_repeats():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    answers = np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.3, 60), 0, 1)
    answers[[5, 8]] = -1
    drawn = draw_repeats(labels, 130, 4, seed=3)
    earned, means = earn(labels, answers, drawn)
    rewards = np.array([pay(labels[row], answers[row]).reward for row in drawn])
    expected = [rewards[repeat, 99:].sum() / 31 for repeat in range(4)]
    assert_allclose(means, expected)
    assert earned.reward == pytest.approx(np.mean(expected))
    low, high = sorted(expected)[0], sorted(expected)[-1]
    assert low < earned.reward_over_repeats[0] < earned.reward < earned.reward_over_repeats[1] < high
    last = pay(labels[drawn], answers[drawn])
    assert earned.mcc == pytest.approx(last.mcc[:, 99:].mean())
    assert earned.accuracy == pytest.approx(last.accuracy[:, 99:].mean())
    assert earned.curve.answers == list(range(1, 131))
    assert_allclose(earned.curve.mean, rewards.mean(axis=0), atol=1e-4)
    assert_allclose(earned.curve.high, np.quantile(rewards, 0.975, axis=0), atol=1e-4)


def test_a_perfect_miner_earns_all_of_it_in_every_repeat_and_one_without_answers_nothing():
    labels = np.arange(10) % 2
    drawn = draw_repeats(labels, 300, 6, seed=0)
    earned, means = earn(labels, labels.astype(float), drawn)
    assert (earned.reward, earned.reward_over_repeats, earned.mcc, earned.accuracy) == (1, (1, 1), 1, 1)
    assert (means == 1).all()
    assert earn(labels, np.full(10, -1.0), drawn)[0].reward == 0
    assert len(earn(labels, labels.astype(float), draw_repeats(labels, 5000, 2, 0))[0].curve.answers) == 400


def test_exactly_a_hundred_answers_have_one_whose_window_is_full():
    labels = np.arange(10) % 2
    answers = np.where(np.arange(10) == 3, 0.2, labels)
    drawn = draw_repeats(labels, 100, 3, seed=0)
    paid = pay(labels[drawn], answers[drawn])
    assert_allclose(earn(labels, answers, drawn)[1], paid.reward[:, -1])


def test_what_is_lost_is_missing_for_the_validator():
    np.testing.assert_array_equal(given([{"fusion": 0.3}, {}, {"fusion": 0.9, "vit": 0.8}], "fusion"), [0.3, -1, 0.9])
    np.testing.assert_array_equal(given([{"fusion": 0.3}, {}, {"fusion": 0.9, "vit": 0.8}], "vit"), [-1, -1, 0.8])
