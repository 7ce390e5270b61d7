import json

import numpy as np
import pytest
import sklearn.metrics
from numpy.testing import assert_allclose, assert_array_equal

from kerasfusion.roadwork.scoring.reward import binary_report, clean_answers, decide, moving_view, reward, reward_raw


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


def test_moving_view_by_hand():
    # In id order: labels 1 0 1 0, decisions 1 0 0 0; MCC over 3 answers, accuracy over 2.
    view = moving_view(["c", "a", "d", "b"], [1, 1, 0, 0], [0.2, 0.9, 0.3, 0.1], mcc_window=3, accuracy_window=2)
    # Step 3: truth 1 0 1, decided 1 0 0 -> 1 hit, 1 miss, 1 true negative: MCC = 1 / sqrt(1 * 2 * 1 * 2) = 0.5.
    # Step 4: decided 0 0 0 only, so MCC is 0.
    assert view["sample_ids"] == ["a", "b", "c", "d"]
    assert_allclose(view["mcc"], [0.0, 1.0, 0.5, 0.0])
    assert_allclose(view["accuracy"], [1.0, 1.0, 0.5, 0.5])
    assert_allclose(view["reward"], [0.5**3, 1.0, 0.5**3, 0.25**3])
    assert view["final_reward"] == pytest.approx(0.25**3)
    assert view["mean_reward"] == pytest.approx((1 + 2 * 0.5**3 + 0.25**3) / 4)


def slow_moving_reward(labels, answers, valid):
    rewards = []
    for end in range(1, len(labels) + 1):
        truth, decided = labels[max(0, end - 100) : end], np.round(answers[max(0, end - 100) : end])
        both = len(np.unique(truth)) > 1 and len(np.unique(decided)) > 1
        mcc = max(0.0, sklearn.metrics.matthews_corrcoef(truth, decided)) if both else 0.0
        accuracy = sklearn.metrics.accuracy_score(truth[-10:], decided[-10:])
        rewards.append((0.5 * mcc + 0.5 * accuracy) ** 3 if valid[end - 1] else 0.0)
    return np.array(rewards)


@pytest.mark.parametrize("share_of_roadwork", [0.5, 0.02])
def test_moving_view_equals_a_loop_in_the_order_of_ids(share_of_roadwork):
    rng = np.random.default_rng(5)
    labels = (rng.random(260) < share_of_roadwork).astype(int)
    p = np.clip(0.3 + 0.3 * labels + rng.normal(0, 0.2, 260), 0, 1)
    p[[3, 120, 121]] = [np.nan, 1.5, -1]
    ids = [f"test/{i:04d}" for i in range(260)]
    shuffled = rng.permutation(260)
    view = moving_view([ids[i] for i in shuffled], labels[shuffled], p[shuffled])
    assert view["sample_ids"] == ids
    assert_allclose(view["reward"], slow_moving_reward(labels, *clean_answers(p)), atol=1e-12)


def test_an_invalid_answer_pays_nothing_itself_and_counts_as_no_roadwork_later():
    view = moving_view(["a", "b", "c"], [1, 0, 0], [0.9, 7.0, 0.1])
    assert_allclose(view["reward"], [0.5**3, 0.0, 1.0])
