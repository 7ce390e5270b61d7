"""Boundary F-scores, counted by hand."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kerasfusion.fume.evaluate.boundary import boundary_f, boundary_pixels, mean_boundary_f

HEIGHT, WIDTH = 300, 400  # a diagonal of 500 pixels
TUBE, GAS = 1, 2


def square(left, top=100, side=20, kind=GAS, height=None):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[top : top + (height or side), left : left + side] = kind
    return mask


@pytest.mark.parametrize(
    ("shift", "pixels", "matches"),
    [
        (0, 0, 76),
        (1, 0, 2 * 19),  # upper and lower edge but for one pixel each; the sides are where the other has none
        (2, 0, 2 * 18),
        (3, 0, 2 * 17),
        (1, 1, 76),
        (2, 1, 76 - 20 - 16),  # the left side; the right one but for the pixels next to its corners
        (3, 1, 76 - 20 - 2 - 16),
        (2, 2, 76),
        (3, 2, 76 - 20 - 14),
        (3, 3, 76),
        (4, 3, 76 - 20 - 12),  # of the right side 18 - 2 * 3
    ],
)
def test_a_square_of_20_that_is_shifted(shift, pixels, matches):
    found = boundary_f(square(50), square(50 + shift), pixels / 500)
    assert found[1] == pytest.approx(matches / 76)
    assert math.isnan(found[0])  # no tube in either
    assert boundary_f(square(50 + shift), square(50), pixels / 500)[1] == pytest.approx(matches / 76)


def test_the_usual_tolerance_is_a_share_of_the_diagonal():
    assert boundary_f(square(50), square(53))[1] == 1  # 3.75 pixels are allowed
    assert boundary_f(square(50), square(54))[1] == pytest.approx(44 / 76)
    large = np.zeros((480, 640), np.uint8)
    large[100:200, 100:200] = GAS
    assert boundary_f(large, np.roll(large, 6, axis=1))[1] == 1  # 6 of 6.0 pixels
    assert boundary_f(large, np.roll(large, 7, axis=1))[1] < 1


def test_precision_and_recall_are_of_their_own_pixels():
    # Two rows of 20 and 8 pixels between them; the answer lacks the left column: 34 + 2 pixels of rows 10 x 19.
    truth, answer = square(50, height=10), square(51, side=19, height=10)
    true, said = 2 * 20 + 2 * 8, 2 * 19 + 2 * 8
    shared = 2 * 19 + 8
    assert boundary_f(truth, answer, 0)[1] == pytest.approx(2 * shared / (true + said))


def test_the_edge_of_the_image_is_no_contour():
    inside = square(0, side=10)
    assert len(boundary_pixels(inside == GAS)) == 10 + 10 + 8  # nothing at the left
    assert len(boundary_pixels(square(1, side=10) == GAS)) == 36
    corner = square(WIDTH - 10, top=HEIGHT - 10, side=10)
    assert len(boundary_pixels(corner == GAS)) == 10 + 9
    # 28 and 34 pixels, of which upper edge, lower edge and right side are shared: 9 + 9 + 8.
    assert boundary_f(inside, square(1, side=9, height=10), 0)[1] == pytest.approx(2 * 26 / (28 + 34))


def test_nothing_to_compare_is_left_out_and_nothing_found_is_0():
    nothing, everything = np.zeros((HEIGHT, WIDTH), np.uint8), np.full((HEIGHT, WIDTH), GAS, np.uint8)
    assert np.isnan(boundary_f(nothing, nothing)).all()
    assert np.isnan(boundary_f(everything, nothing)).all()
    assert np.isnan(boundary_f(everything, everything)).all()
    for one, other in ((square(50), nothing), (nothing, square(50)), (square(50), everything)):
        assert_array_equal(boundary_f(one, other), [math.nan, 0])
    assert_array_equal(boundary_f(square(50, kind=TUBE), square(50)), [0, 0])  # each is where the other class is
    assert boundary_f(square(50), square(200))[1] == 0  # too far away, both there


def test_it_agrees_with_all_distances_written_out():
    rng = np.random.default_rng(4)
    truth, answer = (rng.integers(0, 3, (11, 17), np.uint8) for _ in range(2))
    reach = 0.1 * math.hypot(11, 17)

    def edge(mask, kind):
        of_kind = {(y, x) for y, x in np.argwhere(mask == kind).tolist()}
        others = {(y, x) for y, x in np.argwhere(mask != kind).tolist()}
        return [(y, x) for y, x in of_kind if {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} & others]

    def near(points, others):
        return sum(any(math.dist(point, other) <= reach for other in others) for point in points) / len(points)

    for column, kind in enumerate((TUBE, GAS)):
        precision = near(edge(answer, kind), edge(truth, kind))
        recall = near(edge(truth, kind), edge(answer, kind))
        assert boundary_f(truth, answer, 0.1)[column] == pytest.approx(2 * precision * recall / (precision + recall))


def test_the_mean_is_over_images_with_a_boundary():
    scores = np.array([[math.nan, 1.0], [math.nan, 0.4], [math.nan, math.nan]])
    found = mean_boundary_f(scores, np.ones(3))
    assert found["boundary_f_gas"] == pytest.approx(0.7)
    assert np.isnan(found["boundary_f_tube"])
    weighted = mean_boundary_f(scores, np.array([[2.0, 1, 5], [0, 0, 3]]))["boundary_f_gas"]
    assert weighted[0] == pytest.approx(2.4 / 3)
    assert np.isnan(weighted[1])


def test_masks_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="masks of"):
        boundary_f(np.zeros((3, 4), np.uint8), np.zeros((4, 3), np.uint8))
