"""Which kinds of challenge there are, and how often each is drawn."""

import collections

import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.challenge.kinds import LAYOUTS, LEVELS, MIX, Kind, draw_kind


def drawn(layout, level, count=6000):
    stream = np.random.default_rng(3)
    return collections.Counter(draw_kind(layout, level, stream) for _ in range(count))


def test_the_mix_has_a_third_of_each_layout_and_a_quarter_of_each_level():
    kinds = drawn(MIX, MIX)
    expected = {Kind("plain", 0): 1 / 3} | {Kind(layout, i): 1 / 12 for layout in ("crop", "letterbox") for i in LEVELS}
    assert kinds.keys() == expected.keys()
    for kind, share in expected.items():
        assert kinds[kind] / kinds.total() == pytest.approx(share, abs=0.02), kind


@pytest.mark.parametrize("layout", ["crop", "letterbox"])
def test_one_layout_or_one_level_alone(layout):
    assert drawn(layout, 2, 50).keys() == {Kind(layout, 2)}
    shares = drawn(layout, MIX)
    assert [shares[Kind(layout, level)] / 6000 for level in LEVELS] == pytest.approx([0.25] * 4, abs=0.02)


def test_plain_challenges_are_never_distorted():
    assert drawn("plain", MIX, 50).keys() == {Kind("plain", 0)}
    assert drawn("plain", 0, 50).keys() == {Kind("plain", 0)}
    assert drawn(MIX, 3, 300).keys() == {Kind("crop", 3), Kind("letterbox", 3), Kind("plain", 0)}
    with pytest.raises(RequestError, match="undistorted"):
        draw_kind("plain", 2, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("layout", "level"),
    [("square", 1), ("Crop", 1), ("", 0), ("crop", 4), ("crop", -1), ("crop", "3"), ("crop", True), ("crop", 1.5)],
)
def test_what_does_not_exist_is_refused_with_what_does(layout, level):
    for ask in (lambda: draw_kind(layout, level, np.random.default_rng(0)), lambda: Kind(layout, level)):
        with pytest.raises(RequestError, match=r"expected: (crop, letterbox, plain|mix, 0, 1, 2, 3)"):
            ask()


def test_a_kind_is_no_mix():
    for layout, level in ((MIX, 0), ("crop", MIX)):
        with pytest.raises(RequestError, match="one layout and one level"):
            Kind(layout, level)


def test_kinds_have_names():
    assert [str(Kind(layout, 0)) for layout in LAYOUTS] == ["crop-0", "letterbox-0", "plain"]
