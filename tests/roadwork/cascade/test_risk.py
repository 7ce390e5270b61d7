"""Bounds against SciPy's distributions, and against what they promise."""

import numpy as np
import pytest
from scipy.stats import beta, binom

from kerasfusion.roadwork.cascade.risk import p_value, photos_needed, upper_bound


def changed(count: int, of: int) -> np.ndarray:
    return np.repeat([1.0, 0.0], [count, of - count])


@pytest.mark.parametrize(("count", "of"), [(0, 60), (0, 299), (1, 300), (7, 1000), (60, 60)])
def test_whole_losses_have_the_bound_of_clopper_and_pearson(count, of):
    expected = beta.ppf(0.95, count + 1, of - count) if count < of else 1.0
    assert upper_bound(changed(count, of)) == pytest.approx(expected, abs=2e-6)
    assert p_value(changed(count, of), 0.03) == pytest.approx(binom.cdf(count, of, 0.03), rel=1e-9)


def test_without_a_change_one_per_cent_takes_299_photos():
    assert p_value(changed(0, 298), 0.01) > 0.05 >= p_value(changed(0, 299), 0.01)
    assert photos_needed(0.0, 0.01) == 299
    assert photos_needed(0.0, 0.1) == 29
    assert photos_needed(0.01, 0.01) is None


def test_what_is_needed_is_the_smallest_number_that_is_enough():
    needed = photos_needed(0.004, 0.01)
    assert 299 < needed < 5000

    def shown(count):
        return p_value(np.full(count, 0.004), 0.01) <= 0.05

    assert shown(needed)
    assert not shown(needed - 1)


def test_parts_of_photos_are_bounded_by_hoeffding_and_bentkus():
    losses = np.tile([0.5, 0.0, 0.0, 0.0], 50)  # 12.5 % of 200 photos' views
    limit = 0.2
    hoeffding = np.exp(-200 * (0.125 * np.log(0.125 / limit) + 0.875 * np.log(0.875 / (1 - limit))))
    assert p_value(losses, limit) == pytest.approx(min(hoeffding, np.e * binom.cdf(25, 200, limit)))
    assert 0.125 < upper_bound(losses) < 0.25
    assert p_value(losses, 0.1) == 1


def test_a_rare_class_that_counts_more_makes_the_bound_wider():
    weights = np.repeat([0.5 / 0.2, 0.5 / 0.8], [40, 160])
    nothing = np.zeros(200)
    assert upper_bound(nothing, weights) == pytest.approx(2.5 * upper_bound(nothing), rel=0.02)
    # All of the loss in the rare class, of which 40 were asked: (1 - 2 x)^40 = 0.05.
    assert upper_bound(nothing, weights) >= (1 - 0.05 ** (1 / 40)) / 2
    assert upper_bound(nothing, np.ones(200)) == upper_bound(nothing)


def test_the_bound_holds_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth, kept = 0.03, 0
    for _ in range(400):
        losses = rng.binomial(4, truth, 150) / 4  # views of a photo
        kept += upper_bound(losses) >= truth
    assert kept / 400 >= 0.95
