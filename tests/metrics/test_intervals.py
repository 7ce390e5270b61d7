import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binomtest

from kerasfusion.metrics import classification, intervals
from kerasfusion.metrics.intervals import bootstrap, bootstrap_ci, mcnemar, paired_difference, resample_weights, verdict


def weighted_mean(values):
    return lambda weights: weights @ values / weights.sum(axis=1)


def test_bootstrap_equals_a_slow_loop_over_the_same_indices():
    labels = np.array([0, 1, 1, 0, 1, 0, 0, 1])
    predictions = np.array([0, 1, 0, 0, 1, 1, 0, 1])
    per_sample = classification.confusion_per_sample(labels, predictions, 2)
    ours = bootstrap(
        lambda weights: classification.mcc(np.tensordot(weights, per_sample, 1)), 8, n_resamples=50, seed=7
    )
    drawn = np.random.default_rng(7).integers(0, 8, (50, 8))
    slow = [classification.mcc(classification.confusion_matrix(labels[i], predictions[i], 2)) for i in drawn]
    assert_allclose(ours, slow, atol=1e-12)
    assert_allclose(bootstrap_ci(ours), np.percentile(slow, [2.5, 97.5]))


def test_interval_has_the_width_that_theory_gives():
    right = np.repeat([1.0, 0.0], [360, 40])
    low, high = bootstrap_ci(bootstrap(weighted_mean(right), 400))
    half_width = 1.96 * np.sqrt(0.9 * 0.1 / 400)
    assert low == pytest.approx(0.9 - half_width, abs=0.005)
    assert high == pytest.approx(0.9 + half_width, abs=0.005)


def test_intervals_cover_the_true_value_about_as_often_as_they_claim():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        sample = (rng.random(120) < 0.7).astype(float)
        low, high = bootstrap_ci(bootstrap(weighted_mean(sample), 120, n_resamples=400))
        covered += low <= 0.7 <= high
    # 95 % of 200 are 190, with a standard deviation of 3.
    assert 178 <= covered <= 199


def test_the_same_seed_gives_the_same_resamples_and_another_seed_others():
    first, again, other = (np.concatenate(list(resample_weights(30, seed=seed))) for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 1, 1, 2, 3]])
def test_chunks_do_not_change_the_resamples(monkeypatch, groups):
    whole = np.concatenate(list(resample_weights(7, groups, n_resamples=23)))
    monkeypatch.setattr(intervals, "CHUNK_WEIGHTS", 5 * 7)
    chunks = list(resample_weights(7, groups, n_resamples=23))
    assert [len(chunk) for chunk in chunks] == [5, 5, 5, 5, 3]
    assert_array_equal(np.concatenate(chunks), whole)


def test_a_chunk_stays_within_the_limit_for_a_large_set():
    first = next(resample_weights(20_000, n_resamples=2000))
    assert first.size <= intervals.CHUNK_WEIGHTS
    assert_array_equal(first.sum(axis=1), 20_000)


def test_groups_stay_together():
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    weights = np.concatenate(list(resample_weights(6, groups, n_resamples=200)))
    for name in "abc":
        members = weights[:, groups == name]
        assert_array_equal(members, np.repeat(members[:, :1], members.shape[1], axis=1))
    # Three groups are drawn each time, whatever their sizes.
    assert_array_equal(weights[:, [0, 1, 3]].sum(axis=1), 3)


def test_grouped_copies_are_as_unsure_as_the_originals():
    right = (np.random.default_rng(1).random(40) < 0.8).astype(float)
    original = bootstrap_ci(bootstrap(weighted_mean(right), 40))
    copies, groups = np.repeat(right, 10), np.repeat(np.arange(40), 10)
    assert_allclose(bootstrap_ci(bootstrap(weighted_mean(copies), 400, groups)), original)
    low, high = bootstrap_ci(bootstrap(weighted_mean(copies), 400))
    assert high - low < 0.5 * (original[1] - original[0])


def test_statistics_may_have_more_axes():
    values = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    distribution = bootstrap(lambda weights: weights @ values / 3, 3, n_resamples=10)
    assert distribution.shape == (10, 2)
    assert_array_equal(distribution[:, 1], 1.0)


def test_undefined_resamples_are_left_out():
    assert bootstrap_ci(np.array([np.nan, 2.0, 2.0, np.nan])) == (2.0, 2.0)
    assert np.isnan(bootstrap_ci(np.full(5, np.nan))).all()


def test_paired_difference_is_surer_than_the_two_intervals():
    rng = np.random.default_rng(3)
    a = (rng.random(500) < 0.8).astype(float)
    b = a.copy()
    b[np.flatnonzero(a)[:20]] = 0.0
    of_a, of_b = bootstrap(weighted_mean(a), 500), bootstrap(weighted_mean(b), 500)
    low, high = paired_difference(of_a, of_b)
    assert 0.02 < low < 0.04 < high < 0.06
    assert bootstrap_ci(of_a)[0] < bootstrap_ci(of_b)[1]
    assert_allclose(paired_difference(of_b, of_a), (-high, -low))


def test_paired_difference_refuses_other_resamples():
    with pytest.raises(ValueError, match="not the same resamples"):
        paired_difference(np.zeros(10), np.zeros(20))


@pytest.mark.parametrize("groups", [[0, 1], [[0], [1], [2]]])
def test_group_ids_of_another_shape_are_refused(groups):
    with pytest.raises(ValueError, match="expected 3 group ids"):
        next(resample_weights(3, groups))


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="at least one sample"):
        next(resample_weights(0))


def answers_with(b, c, agree=5):
    """Labels all 1; A alone is right b times, B alone c times."""
    labels = np.ones(b + c + agree, dtype=int)
    only = np.repeat([0, 1, 2], [b, c, agree])
    return labels, (only != 1).astype(int), (only != 0).astype(int)


def test_mcnemar_by_hand():
    # 2 * (1 + 8) / 2**8 for one against seven.
    assert mcnemar(*answers_with(7, 1)) == {"b": 7, "c": 1, "p": 18 / 256}


@pytest.mark.parametrize(("b", "c"), [(0, 0), (3, 3), (0, 5), (12, 4), (30, 61), (900, 1100), (6000, 6100)])
def test_mcnemar_agrees_with_scipys_binomial_test(b, c):
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar(*answers_with(b, c))["p"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (7, 1), (30, 61), (900, 1100)])
def test_of_groups_with_one_sample_it_is_the_same(b, c):
    answers = answers_with(b, c)
    alone = mcnemar(*answers, groups=np.arange(len(answers[0])))
    assert alone == mcnemar(*answers) | {"p": pytest.approx(mcnemar(*answers)["p"], rel=1e-9)}


@pytest.mark.parametrize(
    ("nets", "p"),
    [
        ((3, 1), 2 / 4),  # +-4, +-2
        ((3, 2, 1), 2 / 8),  # 6 by one way of eight, and -6
        ((3, 2, -1), 4 / 8),  # 4: 3+2-1, 3+2+1 and their opposites
        ((5, 5, 5, 5, 5, 5), 2 / 64),
        ((4, -4), 1.0),
        ((0, 0, 2), 1.0),
    ],
)
def test_signs_of_groups_by_hand(nets, p):
    """Samples of a group count as one: six that all agree are six, however many samples they have."""
    labels = np.zeros(7 * len(nets), int)
    groups = np.repeat(np.arange(len(nets)), 7)
    a, b = np.zeros_like(labels), np.zeros_like(labels)
    for group, net in enumerate(nets):
        (b if net > 0 else a)[7 * group : 7 * group + abs(net)] = 1  # wrong
    assert mcnemar(labels, a, b, groups)["p"] == pytest.approx(p, rel=1e-12)


def test_mcnemar_is_symmetric():
    labels, a, b = answers_with(9, 2)
    assert mcnemar(labels, b, a) == {"b": 2, "c": 9, "p": mcnemar(labels, a, b)["p"]}


@pytest.mark.parametrize(
    ("interval", "b", "c", "p", "expected"),
    [
        ((0.01, 0.09), 30, 10, 0.002, "better"),
        ((-0.09, -0.01), 10, 30, 0.002, "worse"),
        ((-0.01, 0.09), 30, 10, 0.002, "no clear difference"),
        ((0.01, 0.09), 30, 20, 0.2, "no clear difference"),
        ((0.01, 0.09), 30, 10, 0.05, "no clear difference"),
        ((0.0, 0.09), 30, 10, 0.002, "no clear difference"),
        # More reward from fewer right answers (a rarer class): the two disagree.
        ((0.01, 0.09), 10, 30, 0.002, "no clear difference"),
        ((float("nan"), float("nan")), 30, 10, 0.002, "no clear difference"),
    ],
)
def test_verdict_needs_interval_and_test_to_agree(interval, b, c, p, expected):
    assert verdict(interval, {"b": b, "c": c, "p": p}) == expected
