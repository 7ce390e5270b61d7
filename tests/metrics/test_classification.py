import warnings

import numpy as np
import pytest
import sklearn.metrics
from numpy.testing import assert_allclose, assert_array_equal

from kerasfusion.metrics import classification


def random_classes(seed, n=300, n_classes=2, right=0.6):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    predictions = np.where(rng.random(n) < right, labels, rng.integers(0, n_classes, n))
    return labels, predictions


OF_MATRIX = {
    "accuracy": (classification.accuracy, sklearn.metrics.accuracy_score),
    "balanced_accuracy": (classification.balanced_accuracy, sklearn.metrics.balanced_accuracy_score),
    "mcc": (classification.mcc, sklearn.metrics.matthews_corrcoef),
    "precision": (classification.precision, sklearn.metrics.precision_score),
    "recall": (classification.recall, sklearn.metrics.recall_score),
    "f1": (classification.f1, sklearn.metrics.f1_score),
}


@pytest.mark.parametrize("name", OF_MATRIX)
@pytest.mark.parametrize("seed", range(3))
def test_binary_metrics_agree_with_sklearn(name, seed):
    ours, reference = OF_MATRIX[name]
    labels, predictions = random_classes(seed)
    assert_allclose(
        ours(classification.confusion_matrix(labels, predictions, 2)), reference(labels, predictions), atol=1e-12
    )


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "mcc"])
def test_four_class_metrics_agree_with_sklearn(name):
    ours, reference = OF_MATRIX[name]
    labels, predictions = random_classes(7, n_classes=4)
    assert_allclose(
        ours(classification.confusion_matrix(labels, predictions, 4)), reference(labels, predictions), atol=1e-12
    )


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_per_class_metrics_agree_with_sklearn(name):
    ours, reference = OF_MATRIX[name]
    labels, predictions = random_classes(8, n_classes=3)
    matrix = classification.confusion_matrix(labels, predictions, 3)
    assert_allclose([ours(matrix, positive=k) for k in range(3)], reference(labels, predictions, average=None))


OF_ALL_CLASSES = {
    "macro_f1": (classification.macro_f1, lambda a, b: sklearn.metrics.f1_score(a, b, average="macro")),
    "weighted_f1": (classification.weighted_f1, lambda a, b: sklearn.metrics.f1_score(a, b, average="weighted")),
    "cohen_kappa": (classification.cohen_kappa, sklearn.metrics.cohen_kappa_score),
    "iou": (classification.iou, lambda a, b: sklearn.metrics.jaccard_score(a, b, average=None)),
    "dice": (classification.dice, lambda a, b: sklearn.metrics.f1_score(a, b, average=None)),
}


@pytest.mark.parametrize("name", OF_ALL_CLASSES)
def test_metrics_of_all_classes_agree_with_sklearn_one_by_one_and_as_a_stack(name):
    ours, reference = OF_ALL_CLASSES[name]
    cases = [random_classes(seed, n_classes=3) for seed in (9, 10)]
    stack = np.stack([classification.confusion_matrix(*case, 3) for case in cases])
    expected = [reference(*case) for case in cases]
    assert_allclose(ours(stack), expected, atol=1e-12)
    assert_allclose(ours(stack[0]), expected[0], atol=1e-12)


def test_a_class_that_occurs_nowhere_is_undefined_and_left_out_of_means():
    matrix = classification.confusion_matrix([0, 0, 2, 2], [0, 2, 2, 2], 3)
    assert_array_equal(classification.iou(matrix), [1 / 2, np.nan, 2 / 3])  # 1 of 2, none of none, 2 of 3
    assert_array_equal(classification.dice(matrix), [2 / 3, np.nan, 4 / 5])
    assert classification.mean_of_defined(classification.iou(matrix)) == pytest.approx(7 / 12)
    assert classification.macro_f1(matrix) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert classification.weighted_f1(matrix) == pytest.approx((2 / 3 + 4 / 5) / 2)  # two samples of each


def test_a_class_that_is_only_predicted_counts_as_missed():
    matrix = classification.confusion_matrix([0, 0], [0, 1], 2)
    assert_array_equal(classification.iou(matrix), [1 / 2, 0])
    assert classification.macro_f1(matrix) == pytest.approx((2 / 3 + 0) / 2)
    assert classification.weighted_f1(matrix) == pytest.approx(2 / 3)


def test_nothing_at_all_gives_no_warning():
    empty = np.zeros((2, 3, 3), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(classification.iou(empty)).all()
        assert np.isnan(classification.mean_of_defined(classification.iou(empty))).all()
        assert np.isnan(classification.cohen_kappa(empty)).all()
        assert_array_equal(classification.macro_f1(empty), [0, 0])
        assert_array_equal(classification.weighted_f1(empty), [0, 0])
        assert np.isnan(classification.cohen_kappa(np.array([[7, 0], [0, 0]])))


def test_kappa_by_hand():
    # 70 of 100 agree; by chance 0.6 * 0.5 + 0.4 * 0.5 = 0.5 would.
    assert classification.cohen_kappa(np.array([[40, 20], [10, 30]])) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_confusion_matrix_has_the_truth_in_its_rows():
    matrix = classification.confusion_matrix([0, 0, 0, 1, 2], [0, 1, 1, 1, 0], 3)
    assert_array_equal(matrix, [[1, 2, 0], [0, 1, 0], [1, 0, 0]])
    assert matrix.dtype == np.int64


@pytest.mark.parametrize("seed", range(3))
def test_binary_mcc_is_pearsons_correlation(seed):
    labels, predictions = random_classes(seed, n=40)
    expected = np.corrcoef(labels, predictions)[0, 1]
    assert_allclose(classification.mcc(classification.confusion_matrix(labels, predictions, 2)), expected, atol=1e-12)


@pytest.mark.parametrize(
    "matrix", [[[5, 0], [7, 0]], [[0, 5], [0, 7]], [[5, 7], [0, 0]], [[0, 0], [0, 9]], [[0, 0], [0, 0]]]
)
def test_mcc_of_a_constant_prediction_or_truth_is_zero(matrix):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert classification.mcc(np.array(matrix)) == 0.0


def test_mcc_does_not_overflow_on_counts_of_pixels():
    small = np.array([[800, 100], [30, 70]])
    assert_allclose(classification.mcc(small * 10**6), classification.mcc(small), rtol=1e-9)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "mcc"])
def test_renaming_the_classes_changes_nothing(name):
    labels, predictions = random_classes(3, n_classes=3)
    renamed = np.array([2, 0, 1])
    ours = OF_MATRIX[name][0]
    before = ours(classification.confusion_matrix(labels, predictions, 3))
    after = ours(classification.confusion_matrix(renamed[labels], renamed[predictions], 3))
    assert_allclose(after, before, atol=1e-12)


def test_swapping_the_predicted_classes_negates_mcc():
    labels, predictions = random_classes(4)
    value = classification.mcc(classification.confusion_matrix(labels, predictions, 2))
    assert_allclose(classification.mcc(classification.confusion_matrix(labels, 1 - predictions, 2)), -value, atol=1e-12)


@pytest.mark.parametrize("name", OF_MATRIX)
def test_uneven_batches_equal_one_batch(name):
    ours, reference = OF_MATRIX[name]
    labels, predictions = random_classes(5, n=101)
    pieces = zip(np.split(labels, [1, 8, 90]), np.split(predictions, [1, 8, 90]), strict=True)
    summed = sum(classification.confusion_matrix(a, b, 2) for a, b in pieces)
    assert_allclose(ours(summed), reference(labels, predictions), atol=1e-12)


@pytest.mark.parametrize("name", OF_MATRIX)
def test_a_stack_gives_each_matrix_its_own_value(name):
    ours = OF_MATRIX[name][0]
    stack = np.random.default_rng(0).integers(0, 20, (4, 3, 2, 2))
    stack[1, 2] = 0
    values = ours(stack)
    assert values.shape == (4, 3)
    for index in np.ndindex(4, 3):
        assert_allclose(values[index], ours(stack[index]), atol=1e-12)


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_nothing_positive_gives_zero(name):
    assert OF_MATRIX[name][0](np.array([[9, 0], [0, 0]])) == 0.0


def test_a_class_without_samples_does_not_count_in_balanced_accuracy():
    matrix = classification.confusion_matrix([0, 0, 2, 2], [0, 1, 2, 2], 3)
    assert classification.balanced_accuracy(matrix) == pytest.approx((0.5 + 1.0) / 2)


def test_weighted_samples_add_up_to_a_matrix_of_repeated_samples():
    labels, predictions = random_classes(6, n=20, n_classes=3)
    weights = np.random.default_rng(1).integers(0, 4, (5, 20))
    stack = np.tensordot(weights, classification.confusion_per_sample(labels, predictions, 3), 1)
    for row, matrix in zip(weights, stack, strict=True):
        repeated = classification.confusion_matrix(np.repeat(labels, row), np.repeat(predictions, row), 3)
        assert_array_equal(matrix, repeated)


@pytest.mark.parametrize(
    ("labels", "predictions", "complaint"),
    [
        ([0, 1], [0], "2 labels but 1 predictions"),
        ([0, 2], [0, 1], r"classes 0\.\.1, got 0\.\.2"),
        ([0, 1], [0, -1], r"got -1\.\.0"),
        ([0, 1], [0.2, 0.7], "integers"),
    ],
)
def test_values_that_are_no_classes_are_refused(labels, predictions, complaint):
    with pytest.raises(ValueError, match=complaint):
        classification.confusion_matrix(labels, predictions, 2)


@pytest.mark.parametrize("levels", [3, 10, 10**6])
def test_roc_auc_agrees_with_sklearn_with_and_without_ties(levels):
    rng = np.random.default_rng(levels)
    labels = rng.integers(0, 2, 200)
    scores = np.round((labels * 0.3 + rng.random(200)) * levels) / levels
    assert_allclose(classification.roc_auc(labels, scores), sklearn.metrics.roc_auc_score(labels, scores), atol=1e-12)


def test_roc_auc_by_hand():
    # Pairs (positive, negative): 0.8>0.5, 0.8>0.1, 0.5=0.5 (half), 0.5>0.1: 3.5 of 4.
    assert classification.roc_auc([1, 0, 1, 0], [0.8, 0.5, 0.5, 0.1]) == 3.5 / 4


def test_weighted_roc_auc_equals_that_of_repeated_samples():
    rng = np.random.default_rng(2)
    labels, scores = np.array([0, 1] * 15), rng.integers(0, 6, 30) / 5
    weights = rng.integers(0, 3, (6, 30)).astype(float)
    values = classification.roc_auc(labels, scores, weights)
    for row, value in zip(weights.astype(int), values, strict=True):
        expected = sklearn.metrics.roc_auc_score(np.repeat(labels, row), np.repeat(scores, row))
        assert_allclose(value, expected, atol=1e-12)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_roc_auc_of_one_class_is_undefined(labels):
    assert np.isnan(classification.roc_auc(labels, [0.1, 0.2, 0.3]))


def test_a_resample_of_one_class_is_undefined_and_its_neighbour_is_not():
    values = classification.roc_auc([0, 1], [0.1, 0.2], np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert_array_equal(values, [np.nan, 1.0])


def test_roc_curve_has_sklearns_points():
    rng = np.random.default_rng(3)
    labels, scores = rng.integers(0, 2, 80), rng.integers(0, 9, 80) / 8
    false_rates, true_rates = classification.roc_curve(labels, scores)
    expected = sklearn.metrics.roc_curve(labels, scores, drop_intermediate=False)
    assert_allclose(false_rates, expected[0])
    assert_allclose(true_rates, expected[1])


def test_precision_recall_curve_has_sklearns_points():
    rng = np.random.default_rng(4)
    labels, scores = rng.integers(0, 2, 80), rng.integers(0, 9, 80) / 8
    recalls, precisions = classification.precision_recall_curve(labels, scores)
    expected_precisions, expected_recalls, _ = sklearn.metrics.precision_recall_curve(labels, scores)
    # sklearn runs from the lowest threshold up and adds a last point (precision 1, recall 0).
    assert_allclose(recalls, expected_recalls[-2::-1])
    assert_allclose(precisions, expected_precisions[-2::-1])
    expected = sklearn.metrics.average_precision_score(labels, scores)
    assert classification.average_precision(labels, scores) == pytest.approx(expected)
