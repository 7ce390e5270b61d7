import numpy as np

from kerasfusion.fume.data.masks import COLOURS
from kerasfusion.fume.detect.panels import LINE, PALE, WIDTH, PanelRow, draw_panel, outline, overlay, spread
from tests.fume.detect.answering_material import draw_mask, frame_of

MASK = draw_mask(1)
FRAME = frame_of(MASK, 0)


def count(panel, colour):
    return int((panel == np.array(colour, np.uint8)).all(axis=-1).sum())


def test_an_overlay_tints_tube_and_gas_and_leaves_the_rest():
    frame, mask = np.array([[100, 100, 40]], np.uint8), np.array([[0, 2, 1]], np.uint8)
    expected = np.stack([[100, 100, 100], 55 + 0.45 * COLOURS[2].astype(float), 22 + 0.45 * COLOURS[1].astype(float)])
    np.testing.assert_allclose(overlay(frame, mask)[0], expected, atol=0.51)


def test_an_outline_is_the_inner_edge_of_a_shape():
    shape = np.zeros((9, 10), bool)
    shape[1:8, 2:10] = True  # meets the right side
    inner = np.zeros_like(shape)
    inner[3:6, 4:10] = True
    np.testing.assert_array_equal(outline(shape), shape & ~inner)


def test_a_missing_gas_is_a_line_of_words():
    both = draw_panel([PanelRow("CO2", FRAME, MASK, MASK), PanelRow("CH4", FRAME, MASK, MASK)], "a\nb")
    one = draw_panel([PanelRow("CO2", FRAME, MASK, MASK), PanelRow("CH4", None)], "a\nb")
    height = round(WIDTH * FRAME.shape[0] / FRAME.shape[1])
    assert both.shape[0] - one.shape[0] == height - LINE
    assert one.shape[1] == both.shape[1]
    assert count(both, PALE) < 50  # edges of letters
    assert 4 * WIDTH * LINE * 0.7 < count(one, PALE) < 4 * WIDTH * LINE
    assert count(one, (0, 0, 0)) < count(both, (0, 0, 0))


def test_frames_of_two_sizes_leave_no_gap():
    wide = np.repeat(FRAME, 2, axis=1)
    panel = draw_panel(
        [PanelRow("CO2", FRAME, None, MASK), PanelRow("CH4", wide, None, np.repeat(MASK, 2, axis=1))], "a"
    )
    same = draw_panel([PanelRow("CO2", FRAME, None, MASK), PanelRow("CH4", FRAME, None, MASK)], "a")
    assert same.shape[0] - panel.shape[0] == 213 - 107  # 320 x 64 / 96 and 320 x 64 / 192


def test_truth_has_a_column_only_where_it_is_known():
    known = draw_panel([PanelRow("CO2", FRAME, MASK, MASK)], "a")
    unknown = draw_panel([PanelRow("CO2", FRAME, None, MASK)], "a")
    assert 0 < known.shape[1] - unknown.shape[1] <= WIDTH + 8
    gas = [count(panel, COLOURS[2]) for panel in (known, unknown)]
    assert gas[0] > 1.9 * (gas[1] - 17 * 13)  # the legend's colour is in both


def test_a_spread_has_every_state_and_right_and_wrong_ones():
    truth = [0] * 50 + [1] * 3 + [2] * 20
    right = [True] * 48 + [False] * 2 + [True] * 2 + [False] + [True] * 20
    chosen = spread(truth, right, 8)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 8
    kinds = {(truth[number], right[number]) for number in chosen}
    assert kinds == {(0, True), (0, False), (1, True), (1, False), (2, True)}
    assert spread([0, 1], [None, None], 5) == [0, 1]
    assert spread(truth, right, 8) == chosen
