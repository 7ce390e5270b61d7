import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kerasfusion.roadwork.scoring.reward import binary_report, clean_answers, decide, reward, reward_raw


@pytest.mark.parametrize(("accuracy", "mcc", "expected"), [(0.9409, 0.8135, 0.6750), (0.9313, 0.7832, 0.6300)])
def test_reward_reference_values(accuracy, mcc, expected):
    assert reward(accuracy, mcc) == pytest.approx(expected, abs=1e-4)


def test_reward_floors_mcc_and_reward_raw_does_not():
    assert reward(0.5, -0.6) == pytest.approx(0.25**3)
    assert reward_raw(0.5, -0.6) == pytest.approx(-0.05)
    assert_allclose(reward(np.array([1.0, 0.0]), np.array([1.0, -1.0])), [1.0, 0.0])


def test_invalid_answers_count_as_zero():
    answers, valid = clean_answers([0.7, None, np.nan, -1, 1.01, np.inf, -np.inf, 0, 1])
    assert_array_equal(answers, [0.7, 0, 0, 0, 0, 0, 0, 0, 1])
    assert_array_equal(valid, [True, False, False, False, False, False, False, True, True])
    assert answers.dtype == np.float64
    assert valid.dtype == bool


def test_clean_answers_leaves_its_argument_alone():
    p = np.array([2.0, 0.5])
    clean_answers(p)
    assert_array_equal(p, [2.0, 0.5])


def test_the_decision_is_the_validators_rounding():
    p = np.array([0.0, 0.4999, 0.5, np.nextafter(0.5, 1), 0.51, 1.0])
    assert_array_equal(decide(p), np.round(p))
    assert_array_equal(decide(p), [0, 0, 0, 1, 1, 1])


def test_report_by_hand():
    labels = [1, 1, 1, 0, 0, 0, 0, 0]
    p = [0.9, 0.6, np.nan, 0.2, 0.8, 0.5, 0.1, -1]
    report = binary_report(labels, p)
    # Decisions 1 1 0 0 1 0 0 0: 2 hits, 1 miss, 1 false alarm, 4 true negatives.
    mcc = (2 * 4 - 1 * 1) / np.sqrt(3 * 3 * 5 * 5)
    assert report["confusion_matrix"] == [[4, 1], [1, 2]]
    assert report["accuracy"] == 6 / 8
    assert report["mcc"] == pytest.approx(mcc)
    assert report["reward_raw"] == pytest.approx((mcc + 6 / 8) / 2)
    assert report["reward"] == pytest.approx(((mcc + 6 / 8) / 2) ** 3)
    assert report["precision"] == report["recall"] == report["f1"] == pytest.approx(2 / 3)
    assert report["roc_auc"] == pytest.approx((5 + 4 + 0.5) / 15)
    assert (report["n"], report["n_valid"]) == (8, 6)


def test_report_holds_json_types_only_and_null_for_an_undefined_auc():
    report = binary_report(np.zeros(3, dtype=np.int64), np.array([0.1, 0.2, 0.9], dtype=np.float32))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["roc_auc"] is None
    assert report["mcc"] == 0.0


@pytest.mark.parametrize(("labels", "p"), [([], []), ([0, 1], [0.5]), ([0, 2], [0.1, 0.2])])
def test_report_refuses_what_it_cannot_count(labels, p):
    with pytest.raises(ValueError, match=r"sample|labels|classes|shape"):
        binary_report(np.array(labels, dtype=int), p)
