"""What the bootstrap of a calibration draws: photos class by class, groups whole."""

import numpy as np

from kerasfusion.roadwork.scoring import calibration


def test_photos_without_groups_are_drawn_as_groups_of_their_own():
    """Their numbers are taken as they are drawn, class by class: thousands are not put together one by one."""
    labels = np.random.default_rng(2).permutation(np.arange(90) % 3 == 0).astype(np.int64)
    alone = list(calibration._resamples(labels, None, 7))
    named = list(calibration._resamples(labels, [f"{number:02d}" for number in range(90)], 7))
    rng = np.random.default_rng(7)
    for (bag, rest), (named_bag, named_rest) in zip(alone, named, strict=True):
        drawn = np.concatenate([rng.choice(np.flatnonzero(labels == label), n) for label, n in ((0, 60), (1, 30))])
        for found, expected in ((bag, drawn), (named_bag, drawn)):
            np.testing.assert_array_equal(found, expected)
        for found in (rest, named_rest):
            np.testing.assert_array_equal(found, np.setdiff1d(np.arange(90), drawn))


def test_groups_are_drawn_whole_also_where_they_hold_both_classes():
    labels = np.arange(90) % 2
    groups = np.arange(90) // 3
    for bag, rest in list(calibration._resamples(labels, groups, 0))[:20]:
        assert set(groups[bag]).isdisjoint(groups[rest])
        assert set(groups[bag]) | set(groups[rest]) == set(range(30))
        assert (np.bincount(bag, minlength=90).reshape(30, 3).std(axis=1) == 0).all()
        assert len(bag) == 90
