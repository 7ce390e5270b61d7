"""Two sets of answers, made up here."""

from dataclasses import replace

import numpy as np
import pytest

from kerasfusion.fume.data.samples import GasFrame, Sample
from kerasfusion.fume.evaluate.comparison import compare_answers, same_samples
from kerasfusion.fume.evaluate.predictions import read_predictions, write_predictions
from kerasfusion.fume.evaluate.split import Answers, Asked
from kerasfusion.fume.report.two_runs.comparison import _mask_words

LABELS = np.array([0, 0, 1, 1, 2, 2])
GROUPS = ["a", "a", "b", "b", "c", "c"]


def make_answers(said, hits):
    """Answers to six CO2 frames; `hits` of the 10 gas pixels of each are found, and nothing else is called gas."""
    asked = [
        Asked(Sample(GasFrame(f"{n}.png", f"{n}_mask.png", group), None, 6.0, int(label)), False, True)
        for n, (label, group) in enumerate(zip(LABELS, GROUPS, strict=True))
    ]
    states = np.eye(3, dtype=np.float32)[said] * 0.7 + np.float32(0.1)
    pixels = np.zeros((6, 3, 3), np.int64)
    pixels[:, 0, 0], pixels[:, 2, 2], pixels[:, 2, 0] = 90, hits, 10 - np.array(hits)
    boundaries = np.stack([np.full(6, np.nan), np.array(hits) / 10], axis=1)
    return Answers(asked, states, {"co2_mask": pixels}, {"co2_mask": boundaries})


def test_differences_are_those_of_the_two_values_and_pairs_are_resampled_together():
    a, b = make_answers([0, 0, 1, 0, 2, 0], [5] * 6), make_answers([0, 0, 1, 1, 2, 0], [10, 10, 5, 5, 5, 5])
    rows = np.arange(6)
    found = compare_answers(a, rows, b, rows, GROUPS, resamples=400)
    accuracy = found["state"]["balanced_accuracy"]
    assert (accuracy["a"], accuracy["b"]) == (pytest.approx(2 / 3), pytest.approx(5 / 6))
    assert accuracy["difference"] == pytest.approx(1 / 6)
    low, high = accuracy["ci95"]
    assert low == 0  # where the only original that differs is not drawn
    assert high == pytest.approx(0.5)  # where nothing else is drawn
    assert (found["state"]["only_a_right"], found["state"]["only_b_right"], found["state"]["sign_flip_p"]) == (0, 1, 1)
    assert found["state"]["verdict"] == "no clear difference"
    assert found["co2_mask"]["iou_gas"]["a"] == pytest.approx(30 / 60)
    assert found["co2_mask"]["iou_gas"]["difference"] == pytest.approx(10 / 60)
    assert found["co2_mask"]["boundary_f_gas"]["b"] == pytest.approx((1 + 1 + 4 * 0.5) / 6)
    earlier = Answers(b.asked, b.states, b.pixels)  # kept by a version that measured no boundaries
    assert set(compare_answers(a, rows, earlier, rows, GROUPS, 9)["co2_mask"]) == {"iou_gas", "miou"}


def test_what_is_undefined_for_one_of_two_is_not_compared():
    a, b, rows = make_answers([0] * 6, [5] * 6), make_answers([1] * 6, [5] * 6), np.arange(6)
    a.pixels["co2_mask"][:] = [[90, 0, 10], [0, 0, 0], [0, 0, 0]]  # gas is told where there is none: IoU 0
    b.pixels["co2_mask"][:] = [[100, 0, 0], [0, 0, 0], [0, 0, 0]]  # neither there nor told
    found = compare_answers(a, rows, b, rows, GROUPS, 9)["co2_mask"]
    assert set(found) == {"miou", "boundary_f_gas"}
    assert _mask_words("second", "first", {"co2_mask": found}) == []
    ch4 = {"iou_gas": {"difference": 0.25, "ci95": (0.125, 0.5)}}
    (said,) = _mask_words("second", "first", {"co2_mask": found, "ch4_mask": ch4})
    assert said == "IoU of the gas, second minus first: CH4 +0.250 (95 % interval +0.125 to +0.500)."


def test_copies_of_an_original_are_no_further_evidence():
    """20 originals, 20 copies each; B has all copies of 3 originals right, which A has wrong: 2 / 2^3."""
    originals = np.repeat(np.arange(20), 20)
    frames = [GasFrame(f"{n}.png", f"{n}_mask.png", str(original)) for n, original in enumerate(originals)]
    labels = originals % 3
    asked = [
        Asked(Sample(frame, None, 6.0, int(label)), False, True) for frame, label in zip(frames, labels, strict=True)
    ]
    a, b = (Answers(asked, np.eye(3)[(labels + (originals < wrong)) % 3], {}) for wrong in (6, 3))
    rows = np.arange(400)
    found = compare_answers(a, rows, b, rows, [frame.original_id for frame in frames], resamples=200)["state"]
    assert (found["only_a_right"], found["only_b_right"]) == (0, 60)
    assert found["sign_flip_p"] == pytest.approx(0.25)
    assert found["verdict"] == "no clear difference"


def test_the_same_answers_do_not_differ_at_all():
    answers, rows = make_answers([0, 1, 1, 0, 2, 0], [3, 4, 5, 6, 7, 8]), np.arange(6)
    for values in compare_answers(answers, rows, answers, rows, GROUPS, resamples=50)["co2_mask"].values():
        assert (values["difference"], values["ci95"]) == (0, (0, 0))


def test_samples_with_another_truth_are_not_the_same_ones():
    a, b = make_answers([0] * 6, [5] * 6), make_answers([1] * 6, [5] * 6)
    assert [rows.tolist() for rows in same_samples(a, b)[""]] == [[0, 1, 2, 3, 4, 5]] * 2
    b.asked[1] = replace(b.asked[1], sample=replace(b.asked[1].sample, class_id=2))
    b.pixels["co2_mask"][4, 0, 0] += 7
    kept = Answers(b.asked[::-1], b.states[::-1], {"co2_mask": b.pixels["co2_mask"][::-1]})
    assert [rows.tolist() for rows in same_samples(a, kept)[""]] == [[0, 2, 3, 5], [5, 3, 2, 0]]


def test_answers_are_written_and_read_exactly(tmp_path):
    answers = make_answers([0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 4, 10])
    answers.boundaries["co2_mask"][1] = 1 / 3, np.nan
    answers.states[0] = np.float32([1 / 3, 2 / 3, 1e-9])
    write_predictions(tmp_path / "predictions_test.csv", answers)
    again = read_predictions(tmp_path / "predictions_test.csv")
    assert again.asked == answers.asked
    np.testing.assert_array_equal(again.states, answers.states)
    np.testing.assert_array_equal(again.pixels["co2_mask"], answers.pixels["co2_mask"])
    np.testing.assert_array_equal(again.boundaries["co2_mask"], answers.boundaries["co2_mask"])
    masks_only = Answers(answers.asked, None, {})
    write_predictions(tmp_path / "none.csv", masks_only)
    assert read_predictions(tmp_path / "none.csv") == masks_only
