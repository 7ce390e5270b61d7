import numpy as np
import pytest

from kerasfusion.figure_style import BLUE, panels
from kerasfusion.metrics.reliability import draw_reliability, reliability, wilson


def test_wilson_agrees_with_the_published_example():
    """Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3."""
    low, high = wilson([81, 15, 0, 1], [263, 148, 20, 29])
    np.testing.assert_allclose(low, [0.2553, 0.0624, 0.0000, 0.0061], atol=1e-4)
    np.testing.assert_allclose(high, [0.3662, 0.1605, 0.1611, 0.1718], atol=1e-4)


def test_an_interval_of_nothing_is_undefined():
    assert np.isnan(wilson(0, 0)).all()


def test_bins_by_hand():
    found = reliability([0.0, 0.1, 0.3, 0.9, 1.0], [0, 1, 0, 1, 1], bins=4)
    assert found.counts.tolist() == [2, 1, 0, 2]
    np.testing.assert_allclose(found.said, [0.05, 0.3, np.nan, 0.95])
    np.testing.assert_allclose(found.came_true, [0.5, 0.0, np.nan, 1.0])
    assert found.ece == pytest.approx((2 * 0.45 + 1 * 0.3 + 2 * 0.05) / 5)
    there = found.counts > 0
    assert (found.low[there] <= found.came_true[there]).all()
    assert (found.high[there] >= found.came_true[there]).all()


def test_probabilities_that_come_true_as_often_as_they_say_have_no_error():
    p = np.repeat([0.1, 0.5, 0.8], 10)
    outcome = np.concatenate([np.arange(10) < hits for hits in (1, 5, 8)])
    assert reliability(p, outcome).ece == pytest.approx(0)


@pytest.mark.parametrize(("p", "outcome"), [([], []), ([0.5], [1, 0])])
def test_nothing_to_sort_is_refused(p, outcome):
    with pytest.raises(ValueError, match="outcomes"):
        reliability(p, outcome)


def test_the_panel_shows_dots_counts_and_error():
    found = reliability([0.05, 0.05, 0.95], [0, 1, 1], bins=10)
    _, (ax,) = panels(1, width=3, height=3)
    draw_reliability(ax, found, BLUE, "fusion")
    np.testing.assert_allclose(ax.collections[-1].get_offsets(), [[0.05, 0.5], [0.95, 1.0]])
    assert [text.get_text() for text in ax.texts] == ["2", "1"]
    assert ax.get_title() == "fusion, ECE 0.317"  # (|0.1 - 1| + |0.95 - 1|) / 3
