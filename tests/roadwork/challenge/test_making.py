"""Challenges as a whole: shapes, seeds, what is drawn for them."""

import hashlib

import numpy as np
import pytest

from kerasfusion.images.decoding import ImageError, decode_image
from kerasfusion.roadwork.challenge.kinds import LEVELS, Kind
from kerasfusion.roadwork.challenge.making import challenge, challenge_jpeg, stream_of
from kerasfusion.roadwork.challenge.recipe import draw_recipe

KINDS = [Kind("plain", 0)] + [Kind(layout, level) for layout in ("crop", "letterbox") for level in LEVELS]
DIGEST = hashlib.sha256(b"a photo").hexdigest()
FIRST_NUMBERS = [791516743, 2084984856, 3063709880]


def photo_of(height, width):
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("shape", [(72, 128), (300, 250), (1, 40), (40, 1), (224, 224), (1, 1)])
def test_every_photo_gives_a_challenge_of_the_right_size(kind, shape):
    photo = photo_of(*shape)
    before = photo.copy()
    jpeg = challenge_jpeg(photo, kind, stream_of(DIGEST, 1))
    pixels = challenge(photo, kind, stream_of(DIGEST, 1))
    assert jpeg[:3] == b"\xff\xd8\xff"
    assert pixels.shape == ((*shape, 3) if kind.layout == "plain" else (224, 224, 3))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, decode_image(jpeg))
    np.testing.assert_array_equal(photo, before)


def test_a_strip_of_which_a_letterbox_would_hold_nothing_is_refused():
    with pytest.raises(ImageError, match="3000 x 1 pixels leaves nothing"):
        challenge(photo_of(1, 3000), Kind("letterbox", 0), stream_of(DIGEST, 0))
    assert challenge(photo_of(1, 3000), Kind("crop", 1), stream_of(DIGEST, 0)).shape == (224, 224, 3)


def test_a_view_is_seeded_by_the_photo_and_its_number_alone():
    # Written down, so that another machine or version that draws something else is noticed.
    assert stream_of(DIGEST, 0).integers(1 << 32, size=3).tolist() == FIRST_NUMBERS
    photo, kind = photo_of(60, 90), Kind("crop", 3)
    first = challenge_jpeg(photo, kind, stream_of(DIGEST, 1))
    assert challenge_jpeg(photo, kind, stream_of(DIGEST, 1)) == first
    assert challenge_jpeg(photo, kind, stream_of(DIGEST, 2)) != first
    assert challenge_jpeg(photo, kind, stream_of(DIGEST[::-1], 1)) != first


def recipes(kind, height, width, count=4000):
    stream = np.random.default_rng(8)
    return [draw_recipe(kind, height, width, stream) for _ in range(count)]


def test_nothing_is_drawn_at_level_0():
    for kind in (Kind("plain", 0), Kind("crop", 0), Kind("letterbox", 0)):
        (recipe,) = recipes(kind, 90, 160, 1)
        assert (recipe.angle, recipe.box, recipe.severities) == (None, None, {})


@pytest.mark.parametrize("layout", ["crop", "letterbox"])
def test_angles_are_spread_evenly_over_20_degrees_either_way(layout):
    angles = [recipe.angle for recipe in recipes(Kind(layout, 1), 90, 160)]
    counts, _ = np.histogram(angles, bins=8, range=(-20, 20))
    assert counts.sum() == len(angles)
    assert counts / len(angles) == pytest.approx([1 / 8] * 8, abs=0.025)


def test_crops_of_a_square_photo_have_a_fifth_to_all_of_its_area():
    boxes = np.array([recipe.box for recipe in recipes(Kind("crop", 1), 400, 400)])
    top, left, side = boxes.T
    counts, _ = np.histogram(side**2 / 400**2, bins=8, range=(0.2, 1.0))
    assert counts / len(boxes) == pytest.approx([1 / 8] * 8, abs=0.025)
    for place in (top, left):
        room = 400 - side
        assert (place >= 0).all() and (place <= room).all()
        assert np.mean(place[room > 20] / room[room > 20]) == pytest.approx(0.5, abs=0.02)


def test_crops_of_a_wide_photo_are_drawn_again_until_they_fit():
    boxes = np.array([recipe.box for recipe in recipes(Kind("crop", 2), 720, 1280)])
    top, left, side = boxes.T
    shares = side**2 / (720 * 1280)
    # Of shares from 0.2 to 1 only those up to 720 / 1280 fit; they are as likely as each other.
    counts, _ = np.histogram(shares, bins=6, range=(0.199, 0.5626))  # sides are rounded
    assert counts.sum() == len(boxes)
    assert counts / len(boxes) == pytest.approx([1 / 6] * 6, abs=0.03)
    assert ((top + side) <= 720).all() and ((left + side) <= 1280).all()


def test_a_photo_without_room_for_the_smallest_crop_gives_its_middle():
    # 20 % of 100 x 1000 is a square of 141, which does not fit into 100.
    assert {recipe.box for recipe in recipes(Kind("crop", 1), 100, 1000, 20)} == {(0, 450, 100)}
    assert {recipe.box for recipe in recipes(Kind("crop", 3), 1000, 100, 20)} == {(450, 0, 100)}


@pytest.mark.parametrize("layout", ["crop", "letterbox"])
@pytest.mark.parametrize(
    ("level", "names", "most"),
    [
        (1, [], 0),
        (2, ["saturation", "contrast", "resampling"], 1),
        (3, ["saturation", "contrast", "resampling", "noise", "blur"], 2),
    ],
)
def test_each_distortion_has_a_severity_of_its_own(layout, level, names, most):
    drawn = [recipe.severities for recipe in recipes(Kind(layout, level), 90, 160)]
    assert all(list(severities) == names for severities in drawn)
    for name in names:
        counts = np.bincount([severities[name] for severities in drawn])
        assert counts / len(drawn) == pytest.approx([1 / (most + 1)] * (most + 1), abs=0.03)
    if names:
        both = np.mean([severities["saturation"] == severities["contrast"] for severities in drawn])
        assert both == pytest.approx(1 / (most + 1), abs=0.03)
