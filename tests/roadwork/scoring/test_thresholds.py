import numpy as np
from sklearn.metrics import matthews_corrcoef

from kerasfusion.roadwork.scoring.thresholds import mcc_by_threshold


def test_every_step_is_the_mcc_of_that_threshold():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    p = np.round(np.clip(0.3 * labels + rng.random(60) * 0.8, 0, 1), 2)  # with ties
    thresholds, values = mcc_by_threshold(labels, p)
    assert thresholds[0] == 0
    assert (np.diff(thresholds) > 0).all()
    ends = np.append(thresholds[1:], 1.0)
    for threshold, end, value in zip(thresholds, ends, values, strict=True):
        for tried in (threshold, (threshold + end) / 2):
            decided = (p > tried).astype(int)
            expected = matthews_corrcoef(labels, decided) if 0 < decided.sum() < 60 else 0.0
            assert np.isclose(value, expected)


def test_answers_of_zero_and_one():
    thresholds, values = mcc_by_threshold([0, 1], [0.0, 1.0])
    assert thresholds.tolist() == [0.0, 1.0]
    np.testing.assert_allclose(values, [1.0, 0.0])
