"""Which views a photo has, and that they depend on nothing but the photo and their number."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from kerasfusion.roadwork.challenge.kinds import Kind
from kerasfusion.roadwork.challenge.making import challenge, stream_of
from kerasfusion.roadwork.challenge.views import (
    copies_in_mix,
    describe_views,
    grid,
    view_count,
    view_kinds,
    views_in_words,
    views_of,
)
from kerasfusion.roadwork.config import Views

DIGESTS = [hashlib.sha256(bytes([number % 256, number // 256])).hexdigest() for number in range(900)]


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_without_views_there_is_the_photo_alone(photo, count, split):
    views = Views(count=count)
    (only,) = views_of(photo, DIGESTS[0], split, views)
    assert only is photo
    assert view_kinds(views, split, DIGESTS[0]) == [None]
    assert view_count(views, split) == 1
    assert describe_views(views) == {}


def test_a_test_photo_has_every_layout_and_level_once_and_the_others_as_many_as_asked_for(photo):
    views = Views(layout="mix", count=3)
    every = [None, *(Kind("crop", n) for n in range(4)), *(Kind("letterbox", n) for n in range(4)), Kind("plain", 0)]
    assert view_kinds(views, "test", DIGESTS[0]) == every
    assert view_count(views, "test") == len(views_of(photo, DIGESTS[0], "test", views)) == 10
    for split in ("train", "val"):
        assert view_count(views, split) == len(view_kinds(views, split, DIGESTS[0])) == 3
    assert grid("letterbox") == [Kind("letterbox", n) for n in range(4)]
    assert grid("plain") == [Kind("plain", 0)]


def test_a_view_is_the_challenge_of_its_number_and_sizes_are_those_of_its_layout(photo):
    views = Views(layout="mix", count=16)
    kinds, made = view_kinds(views, "train", DIGESTS[1]), views_of(photo, DIGESTS[1], "train", views)
    for number, (kind, view) in enumerate(zip(kinds, made, strict=True)):
        if number == 0:
            continue
        assert view.shape == ((90, 160, 3) if kind.layout == "plain" else (224, 224, 3))
    again = views_of(photo, DIGESTS[1], "train", Views(layout="mix", count=5))
    for one, other in zip(made, again, strict=False):
        np.testing.assert_array_equal(one, other)
    assert {kind.layout for kind in kinds[1:]} == {"crop", "letterbox", "plain"}
    other = views_of(photo, DIGESTS[2], "train", views)
    assert any(one.shape != two.shape or (one != two).any() for one, two in zip(made[1:], other[1:], strict=True))
    # The grid of test/ draws nothing but what the challenge itself draws.
    np.testing.assert_array_equal(
        views_of(photo, DIGESTS[1], "test", views)[4], challenge(photo, Kind("crop", 3), stream_of(DIGESTS[1], 4))
    )


def test_drawn_layouts_are_equally_frequent_and_levels_within_them():
    kinds = [kind for digest in DIGESTS for kind in view_kinds(Views(count=4), "train", digest)[1:]]
    layouts = Counter(kind.layout for kind in kinds)
    # 2,700 draws of three: a standard deviation of 24.5 around 900.
    assert all(abs(count - 900) < 100 for count in layouts.values())
    levels = Counter(kind.level for kind in kinds if kind.layout == "crop")
    assert all(abs(count - layouts["crop"] / 4) < 55 for count in levels.values())


def test_an_unreadable_photo_has_the_views_that_do_not_depend_on_it():
    assert view_kinds(Views(), "test", None) == view_kinds(Views(), "test", DIGESTS[0])
    assert view_kinds(Views(), "train", None) == [None]
    assert view_kinds(Views(count=0), "test", None) == [None]


def test_in_the_mix_of_test_each_layout_counts_alike():
    counted = Counter()
    for kind in grid("mix"):
        counted[kind.layout] += copies_in_mix(kind, "test")
    assert set(counted.values()) == {4}
    assert copies_in_mix(Kind("plain", 0), "val") == 1


def test_views_are_named_for_a_message():
    assert views_in_words({}) == "the photos alone"
    assert views_in_words(describe_views(Views(layout="crop", count=4))) == "4 views a photo (crop)"
    older = {"views": {"layout": "mix", "count": 2, "version": 0}}
    assert views_in_words(older) == "2 views a photo (mix, made as in version 0 of the challenges)"
