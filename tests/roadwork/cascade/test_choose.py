"""The window: as wide a saving as the photos vouch for, and no wider."""

import numpy as np
import pytest

from kerasfusion.roadwork.cascade import choose
from kerasfusion.roadwork.cascade.choose import SURE, Held, choose_window, windows
from kerasfusion.roadwork.cascade.first_head import fit_first_head
from kerasfusion.roadwork.scoring.window import Window

MS = {"first": 5.0, "rest": 100.0}


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    monkeypatch.setattr(choose, "RESAMPLES", 200)


def held(first, full, labels=None, prior=None, groups=None):
    first, full = np.asarray(first, np.float64), np.asarray(full, np.float64)
    labels = (full[:, 0] > 0.5).astype(int) if labels is None else np.asarray(labels)
    return Held(labels, first, full, prior, 0, groups)


def agreeing(count, sure=0.97):
    """Photos of either class in turn about which both stages agree."""
    label = np.arange(count) % 2
    return np.where(label == 1, sure, 1 - sure)[:, None], np.where(label == 1, 0.9, 0.1)[:, None]


def test_windows_lie_around_one_half_from_the_most_careful_on():
    lows, highs = np.array([(each.low, each.high) for each in windows()]).T
    np.testing.assert_allclose(lows, 1 - highs, atol=1e-12)
    assert (np.diff(highs) < 0).all()
    assert highs[-1] > 0.5
    assert list(highs) == list(SURE)


def test_where_both_stages_agree_all_is_skipped():
    found = choose_window(held(*agreeing(300)), 0.01, MS)
    assert found.window == Window(0.4, 0.6)
    (row,) = (row for row in found.curve if row["taken"])
    assert (row["skipped"], row["changed"], row["ms"]) == (1.0, 0.0, 5.0)
    assert found.curve[0]["ms"] == 105.0
    assert found.curve[0]["window"] is None


def test_fewer_photos_than_can_show_it_give_no_window_and_say_how_many_would():
    found = choose_window(held(*agreeing(298)), 0.01, MS)
    assert found.window is None
    assert "298 photos" in found.reason
    assert "hold out 299 photos" in found.todo
    assert not any(row["taken"] for row in found.curve)


def test_the_trial_ends_where_too_many_decisions_change():
    first, full = agreeing(1000, sure=0.999)
    # The first stage contradicts the fusion about 30 photos, of which it is a little less sure than of the rest.
    first[:30] = 1 - np.where(first[:30] > 0.5, 0.96, 0.04)
    labels = (full[:, 0] > 0.5).astype(int)
    labels[:15] = 1 - labels[:15]  # and is right about half of them
    found = choose_window(held(first, full, labels), 0.01, MS)
    assert found.window == Window(0.03, 0.97)
    (row,) = (row for row in found.curve if row["taken"])
    assert row["skipped"] == pytest.approx(0.97)
    behind = found.curve[found.curve.index(row) + 1]
    assert behind["changed"] == pytest.approx(0.03)
    assert behind["changed_upper95"] > 0.03
    assert choose_window(held(first, full, labels), 0.05, MS).window == Window(0.4, 0.6)


def test_changes_that_more_photos_would_not_cure_say_so():
    first, full = agreeing(400, sure=0.99995)
    first[:40] = 1 - first[:40]
    found = choose_window(held(first, full), 0.05, MS)
    assert found.window is None
    assert "10.00%" in found.reason
    assert "more photos would not help" in found.todo


def test_a_first_stage_that_is_never_sure_skips_nothing():
    found = choose_window(held(*agreeing(400, sure=0.55)), 0.01, MS)
    assert found.window is None
    assert "never sure enough" in found.reason


def test_a_reward_that_falls_ends_the_trial():
    # 60 changes of 3000 are within 5 %, but all of them make a right decision wrong.
    first, full = agreeing(3000, sure=0.999)
    first[:60] = 1 - np.where(first[:60] > 0.5, 0.96, 0.04)
    found = choose_window(held(first, full), 0.05, MS)
    assert found.window == Window(0.03, 0.97)
    # The same changes make wrong decisions right.
    labels = (full[:, 0] > 0.5).astype(int)
    labels[:60] = 1 - labels[:60]
    assert choose_window(held(first, full, labels), 0.05, MS).window == Window(0.4, 0.6)


def test_shares_are_weighed_to_the_prior_and_views_are_parts_of_a_photo():
    first, full = agreeing(400)
    first, full = np.repeat(first, 2, axis=1), np.repeat(full, 2, axis=1)
    first[1::2, 1] = 0.55  # the second view of every photo with roadwork goes on
    every = held(first, full)
    assert every.share(Window(0.4, 0.6).sure(first)) == pytest.approx(0.75)
    rare = held(np.vstack([first[::2], first[1::20]]), np.vstack([full[::2], full[1::20]]), prior=0.5)
    assert rare.share(Window(0.4, 0.6).sure(rare.first)) == pytest.approx(0.75)
    assert every.changed(Window(0.4, 0.6)).max() == 0


def test_copies_of_two_photos_are_two_photos():
    found = choose_window(held(*agreeing(300), groups=np.arange(300) % 2), 0.01, MS)
    assert found.window is None
    # Of two that do not change: 0.05 ** (1 / 2).
    assert found.curve[1]["changed_upper95"] == pytest.approx(1 - 0.05**0.5, abs=2e-6)
    assert found.todo.startswith("hold out 299 groups (copies, and photos of one drive or place, count as one)")


def test_photos_of_one_group_count_by_their_mean_and_number():
    first, full = agreeing(8)
    every = held(first, full, groups=["a", "b", "c", "c", "d", "d", "d", "d"])
    losses, weights = every.by_group(np.array([0, 1, 0, 1, 1, 0, 0, 0]))
    np.testing.assert_allclose(losses, [0, 1, 0.5, 0.25])
    np.testing.assert_allclose(weights, [0.5, 0.5, 1, 2])  # of 1, 1, 2 and 4 photos, two a group
    losses, weights = held(first, full).by_group(np.arange(8) / 8)
    np.testing.assert_allclose(losses, np.arange(8) / 8)
    np.testing.assert_allclose(weights, 1)


def test_intervals_of_the_reward_are_by_group():
    first, full = agreeing(400)
    first[:40:4] = 1 - first[:40:4]  # ten changed decisions, all of one drive
    drives = np.arange(400) // 40
    alone, grouped = (choose_window(held(first, full, groups=each), 0.2, MS).curve[-1] for each in (None, drives))
    widths = [np.ptp(row["reward_difference_ci95"]) for row in (alone, grouped)]
    assert widths[1] > 1.5 * widths[0]


def test_answers_of_the_head_are_of_one_that_has_not_seen_the_photo():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 100)
    p = {name: np.clip(rng.normal(0.3 + 0.4 * labels[:, None], 0.2, (100, 2)), 0, 1) for name in ("yolo", "x")}
    digests = [f"{number // 2}" for number in range(100)]  # two exact copies of each photo
    labels[1::2] = labels[::2]
    before = fit_first_head(p, labels, digests, 0.5, 0)
    other = labels.copy()
    other[:2] = 1 - other[:2]
    after = fit_first_head(p, other, digests, 0.5, 0)
    assert before.answers.shape == (100, 2)
    assert not np.allclose(before.fitted.weights, after.fitted.weights)
    assert (before.fitted.weights > 0).all()
