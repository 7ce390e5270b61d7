import numpy as np
import pytest
import sklearn.metrics

from kerasfusion.fume.evaluate.state_metrics import joint_values, state_values
from kerasfusion.metrics.classification import confusion_matrix


def test_values_agree_with_sklearn():
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 200, p=[0.6, 0.1, 0.3])
    said = np.where(rng.random(200) < 0.7, truth, rng.integers(0, 3, 200))
    values = state_values(confusion_matrix(truth, said, 3))
    precision, recall, f1, _ = sklearn.metrics.precision_recall_fscore_support(truth, said)
    expected = {
        "accuracy": sklearn.metrics.accuracy_score(truth, said),
        "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(truth, said),
        "macro_f1": sklearn.metrics.f1_score(truth, said, average="macro"),
        "weighted_f1": sklearn.metrics.f1_score(truth, said, average="weighted"),
        "cohen_kappa": sklearn.metrics.cohen_kappa_score(truth, said),
    }
    for row, name in enumerate(("healthy", "transitional", "acidotic")):
        expected |= {f"precision_{name}": precision[row], f"recall_{name}": recall[row], f"f1_{name}": f1[row]}
    assert values == pytest.approx(expected)


def test_joint_score_is_half_masks_half_state():
    state = {"balanced_accuracy": np.array([0.6, 0.6, 0.6])}
    gases = {"co2_mask": {"miou": np.array([0.9, 0.9, np.nan])}, "ch4_mask": {"miou": np.array([0.7, np.nan, np.nan])}}
    values = joint_values({"state": state, **gases, "mask": {"miou": np.zeros(3)}})
    np.testing.assert_allclose(values["miou"], [0.8, 0.9, np.nan])  # over the gases that are there
    np.testing.assert_allclose(values["score"], [0.7, 0.75, np.nan])
    assert joint_values({"state": state, "mask": {"miou": np.full(3, 0.4)}})["score"] == pytest.approx([0.5] * 3)
