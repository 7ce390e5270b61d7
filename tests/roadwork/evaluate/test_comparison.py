import json

import numpy as np
import pytest
import sklearn.metrics
from numpy.testing import assert_allclose

from kerasfusion.metrics.intervals import resample_weights
from kerasfusion.roadwork.evaluate.comparison import against_each, full_report, in_words_of_test
from kerasfusion.roadwork.scoring.reward import binary_report


def answers_of(labels, rng, quality):
    return np.clip(0.5 + (labels - 0.5) * quality + rng.normal(0, 0.25, labels.size), 0, 1)


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    labels = (rng.random(300) < 0.3).astype(int)
    qualities = {"fusion": 0.9, "vit": 0.5, "yolo": 0.1, "efficientnetv2": 0.55}
    answers = {output: answers_of(labels, rng, quality) for output, quality in qualities.items()}
    return labels, answers, full_report(labels, answers)


def test_each_output_has_its_report_with_intervals_around_it(case):
    labels, answers, report = case
    assert list(report) == ["fusion", "vit", "yolo", "efficientnetv2"]
    for output, values in report.items():
        for name, value in binary_report(labels, answers[output]).items():
            assert values[name] == value
        for name in ("accuracy", "mcc", "reward_raw", "reward", "precision", "recall", "f1", "roc_auc"):
            low, high = values[f"{name}_ci95"]
            assert low < values[name] < high
        assert "n_ci95" not in values


def test_intervals_equal_sklearn_on_the_same_resamples():
    rng = np.random.default_rng(1)
    labels = np.array([0, 1] * 10)
    p = np.round(answers_of(labels, rng, 0.4), 1)
    report = full_report(labels, {"vit": p}, n_resamples=60, seed=3)
    values = {"mcc": [], "roc_auc": []}
    for weights in np.concatenate(list(resample_weights(20, n_resamples=60, seed=3))).astype(int):
        truth, answer = np.repeat(labels, weights), np.repeat(p, weights)
        values["mcc"].append(sklearn.metrics.matthews_corrcoef(truth, np.round(answer)))
        values["roc_auc"].append(sklearn.metrics.roc_auc_score(truth, answer))
    for name, expected in values.items():
        assert_allclose(report["vit"][f"{name}_ci95"], np.percentile(expected, [2.5, 97.5]), atol=1e-12)


def test_a_clearly_better_and_a_clearly_worse_output_are_called_so(case):
    *_, report = case
    for output, expected in (("fusion", "better"), ("yolo", "worse"), ("efficientnetv2", "no clear difference")):
        against = report[output]["vs_vit"]
        assert against["verdict"] == expected
        for name in ("reward", "mcc", "accuracy"):
            assert against[f"{name}_difference"] == report[output][name] - report["vit"][name]
            low, high = against[f"{name}_difference_ci95"]
            assert low < against[f"{name}_difference"] < high
    assert "vs_vit" not in report["vit"]


def test_the_photos_that_one_of_two_has_right_are_counted(case):
    labels, answers, report = case
    right = {output: (answers[output] > 0.5) == labels for output in ("fusion", "vit")}
    against = report["fusion"]["vs_vit"]
    assert against["only_fusion_right"] == (right["fusion"] & ~right["vit"]).sum()
    assert against["only_vit_right"] == (right["vit"] & ~right["fusion"]).sum()


def test_identical_answers_differ_by_nothing(case):
    labels, answers, _ = case
    against = full_report(labels, {"fusion": answers["vit"], "vit": answers["vit"]})["fusion"]["vs_vit"]
    assert against["reward_difference_ci95"] == [0.0, 0.0]
    assert (against["mcnemar_p"], against["verdict"]) == (1.0, "no clear difference")


def test_without_the_baseline_nothing_is_compared(case):
    labels, answers, _ = case
    report = full_report(labels, {"fusion": answers["fusion"], "yolo": answers["yolo"]})
    assert not [key for values in report.values() for key in values if key.startswith("vs_")]


def test_another_baseline_gives_its_name_to_the_keys(case):
    labels, answers, _ = case
    report = full_report(labels, answers, baseline="yolo")
    assert report["vit"]["vs_yolo"]["verdict"] == "better"
    assert "only_yolo_right" in report["vit"]["vs_yolo"]
    assert "vs_vit" not in report["fusion"]


def test_a_report_is_json_even_with_one_class_and_invalid_answers():
    report = full_report(np.ones(6, dtype=int), {"fusion": [0.9] * 6, "vit": [None, 2.0, 0.2, 0.9, 0.8, 0.1]})
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["vit"]["roc_auc"] is None
    assert report["vit"]["roc_auc_ci95"] is None
    assert (report["vit"]["n"], report["vit"]["n_valid"]) == (6, 4)


def test_the_seed_decides_the_intervals(case):
    labels, answers, report = case
    assert full_report(labels, answers) == report
    other = full_report(labels, {"vit": answers["vit"]}, seed=43)
    assert other["vit"]["mcc_ci95"] != report["vit"]["mcc_ci95"]
    assert other["vit"]["mcc"] == report["vit"]["mcc"]


def test_photos_of_one_group_widen_the_intervals():
    rng = np.random.default_rng(4)
    labels = np.repeat(rng.integers(0, 2, 30), 10)
    p = np.repeat(answers_of(labels[::10], rng, 0.5), 10)
    alone = full_report(labels, {"vit": p})["vit"]["accuracy_ci95"]
    grouped = full_report(labels, {"vit": p}, groups=np.repeat(np.arange(30), 10))["vit"]["accuracy_ci95"]
    assert grouped[1] - grouped[0] > 2 * (alone[1] - alone[0])


def test_of_groups_the_sign_flip_test_is_named():
    labels = np.array([0, 1] * 20)
    answers = {"fusion": labels, "vit": 1 - labels}
    drives = np.repeat(np.arange(4), 10)
    for grouped in (
        full_report(labels, answers, groups=drives)["fusion"]["vs_vit"],
        against_each(labels, answers, "fusion", drives)["vit"],
    ):
        assert grouped["sign_flip_p"] == pytest.approx(2 / 2**4)  # all four drives agree
        assert grouped["verdict"] == "no clear difference"
        assert in_words_of_test(grouped) == "sign-flip test p = 0.125"
    alone = against_each(labels, answers, "fusion")["vit"]
    assert (alone["mcnemar_p"], alone["verdict"]) == (2 / 2**40, "better")
    assert in_words_of_test(alone) == "McNemar p = 1.82e-12"


def test_lengths_that_differ_are_refused_with_their_names():
    with pytest.raises(ValueError, match=r"'labels': 2, 'vit': 3"):
        full_report([0, 1], {"vit": [0.1, 0.2, 0.3]})
