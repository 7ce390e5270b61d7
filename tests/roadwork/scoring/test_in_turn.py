"""The validators' scoring, against sequences worked out by hand and against scikit-learn as the validators call it."""

from collections import deque

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from kerasfusion.roadwork.scoring.in_turn import pay

NAN, INF = float("nan"), float("inf")


def test_twelve_answers_worked_out_by_hand():
    labels = [1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0]
    answers = [0.9, 0.2, 0.4, 0.1, 0.8, 0.7, -1, 0.3, 1.2, 0.5, 0.6, 0.45]
    paid = pay(labels, answers)
    # Decisions:  1    0    0    0    1    1   --   0    1    0    1    0     (0.5 rounds to 0, 1.2 to 1)
    # Right:      1    1    0    1    0    1   --   1    1    1    1    1
    # The windows of 10 at 11 and 12 no longer hold answer 1, and then 1 and 2; the missing one takes up a place.
    right = [1 / 1, 2 / 2, 2 / 3, 3 / 4, 3 / 5, 4 / 6, 4 / 6, 5 / 7, 6 / 8, 7 / 9, 7 / 9, 7 / 9]
    assert_allclose(paid.accuracy, right)
    # (tp, tn, fp, fn) after each answer; MCC = (tp tn - fp fn) / sqrt((tp+fp) (tp+fn) (tn+fp) (tn+fn))
    cells = [(1, 0, 0, 0), (1, 1, 0, 0), (1, 1, 0, 1), (1, 2, 0, 1), (1, 2, 1, 1), (2, 2, 1, 1), (2, 2, 1, 1)]
    cells += [(2, 3, 1, 1), (3, 3, 1, 1), (3, 4, 1, 1), (4, 4, 1, 1), (4, 5, 1, 1)]
    mcc = [0, 1]  # one class alone has none
    for tp, tn, fp, fn in cells[2:]:
        mcc.append((tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))
    assert_allclose(mcc[2:5], [0.5, 1 / np.sqrt(3), 1 / 6])  # 1/sqrt(1*2*1*2), 2/sqrt(1*2*2*3), (2-1)/sqrt(2*2*3*3)
    assert_allclose(paid.mcc, mcc)
    expected = [((m + a) / 2) ** 3 for m, a in zip(mcc, right, strict=True)]
    expected[6] = expected[8] = 0  # none, and one outside 0..1
    assert_allclose(paid.reward, expected)
    assert_allclose(paid.reward[:3], [0.125, 1.0, (7 / 12) ** 3])


def test_a_perfect_miner_gets_all_and_one_that_is_always_wrong_nothing():
    labels = np.arange(200) % 2
    assert_allclose(pay(labels, labels).reward[1:], 1.0)
    assert_allclose(pay(labels, 1 - labels).reward, 0.0)
    assert pay(np.ones(200, int), np.ones(200)).reward[-1] == pytest.approx(0.125)  # one class has no MCC


@pytest.mark.parametrize(("sent", "decision"), [(1.4999, 1), (-0.5, 0), (-0.2, 0), (1.0001, 1)])
def test_an_answer_outside_that_rounds_to_0_or_1_costs_its_own_reward_alone(sent, decision):
    labels = np.arange(40) % 2
    answers = labels.astype(float)
    where = 20 + decision  # of this class
    answers[where] = sent
    paid = pay(labels, answers)
    assert paid.reward[where] == 0
    assert_allclose(np.delete(paid.reward, [0, where]), 1.0)


@pytest.mark.parametrize("sent", [NAN, INF, -INF, 1.5, 2.0, -0.51, -3.0, 1e300])
def test_one_that_rounds_to_another_number_costs_a_hundred(sent):
    labels = np.arange(300) % 2
    answers = labels.astype(float)
    answers[150] = sent
    paid = pay(labels, answers)
    assert_allclose(paid.reward[1:150], 1.0)
    assert_allclose(paid.reward[150:160], 0.0)  # both windows are empty
    assert_allclose(paid.reward[160:250], 0.5**3)  # it has left the last ten: accuracy 1, and no MCC
    assert_allclose(paid.reward[250:], 1.0)


def test_a_missing_answer_leaves_no_gap_and_none_at_all_pay_nothing():
    labels = np.arange(30) % 2
    answers = np.where(np.arange(30) % 3 == 0, -1.0, labels)
    paid = pay(labels, answers)
    assert_allclose(paid.reward[2:], np.where(np.arange(30) % 3 == 0, 0.0, 1.0)[2:])
    assert not pay(labels, np.full(30, -1.0)).reward.any()


def as_a_validator(labels, answers):
    """The rules once more, with a deque and scikit-learn, one answer after the other."""
    past, rewards = deque(maxlen=100), []

    def metric(window, score):
        kept = [(label, p) for label, p in list(past)[-window:] if p != -1]
        if not kept:
            return 0
        truth, p = np.array([label for label, _ in kept]), np.array([p for _, p in kept])
        decided = np.round(p)
        two = len(np.unique(truth)) > 1
        try:
            sklearn.metrics.precision_score(truth, decided, zero_division=0)  # recall and F1 refuse what it refuses
            if two:
                sklearn.metrics.roc_auc_score(truth, p)
            return score(truth, decided) if score is sklearn.metrics.accuracy_score or two else 0.0
        except ValueError:
            return 0

    for label, p in zip(labels, answers, strict=True):
        past.append((label, p))
        mcc = max(0, metric(100, sklearn.metrics.matthews_corrcoef))
        worth = 0.5 * mcc + 0.5 * metric(10, sklearn.metrics.accuracy_score)
        valid = not (p < 0 or p > 1)
        rewards.append(0.0 if p == -1 else (worth * valid) ** 3.0)
    return np.array(rewards)


ODD = st.sampled_from([-1.0, -1, NAN, INF, -INF, 1.5, 2.0, 2.4, 3.0, -0.5, -0.6, -2.0, 0.5, 1.2, 1e300, 2.0**63, -1e18])


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # in scikit-learn, of infinity
@pytest.mark.exports
@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.data())
def test_any_sequence_is_paid_as_scikit_learn_has_it(data):
    share = data.draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    count = data.draw(st.sampled_from([3, 12, 25, 40, 112]))
    labels = (rng.random(count) < share).astype(int)
    answers = np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.25, count), 0, 1)
    for odd in data.draw(st.lists(ODD, max_size=6)):
        answers[rng.integers(count)] = odd
    assert_allclose(pay(labels, answers).reward, as_a_validator(labels, answers), atol=1e-12)


def test_the_one_window_with_an_odd_answer_that_scikit_learn_takes():
    """Roadwork alone, and no answer that rounds to 0: 2.0 is then only a wrong answer."""
    labels, answers = [1, 1, 1, 1, 0], [0.9, 2.0, 0.8, 0.7, 0.1]
    paid = pay(labels, answers)
    assert_allclose(paid.reward, as_a_validator(labels, answers))
    assert_allclose(paid.accuracy, [1.0, 1 / 2, 2 / 3, 3 / 4, 0.0])
    assert_allclose(pay([1, 1, 1], [0.9, 2.0, 3.0]).accuracy, [1.0, 0.5, 0.0])


def test_runs_beside_each_other_are_paid_apart():
    rng = np.random.default_rng(3)
    labels, answers = rng.integers(0, 2, (3, 130)), rng.random((3, 130))
    answers[1, 40], answers[2, 50] = NAN, -1
    together = pay(labels, answers)
    for row in range(3):
        alone = pay(labels[row], answers[row])
        for name in ("reward", "mcc", "accuracy"):
            assert_allclose(getattr(together, name)[row], getattr(alone, name))
    assert (together.mcc >= 0).all()


def test_lengths_that_differ_and_other_labels_are_refused():
    with pytest.raises(ValueError, match="labels and"):
        pay([0, 1], [0.5])
    with pytest.raises(ValueError, match="0 or 1"):
        pay([0, 2], [0.5, 0.5])
