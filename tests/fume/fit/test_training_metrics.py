"""What each epoch is told by, and judged by."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, jaccard_score

from kerasfusion.config import load_config
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.fit.best_epoch import JOINT, monitor_of
from kerasfusion.fume.fit.history_columns import learned_columns, told_outputs
from kerasfusion.fume.fit.training_metrics import Confusion, EpochScores

pytestmark = pytest.mark.trains

OUTPUTS = ("co2_mask", "ch4_mask", "state")


def configured(*settings):
    return load_config(FumeConfig, settings=["model.name=FUMEFastSCNN", *settings])


def test_metrics_while_training_are_sklearns():
    rng = np.random.default_rng(2)
    labels, logits = rng.integers(0, 3, 50), rng.normal(size=(50, 3)).astype(np.float32)
    state = Confusion("state")
    for rows in (slice(0, 20), slice(20, 50)):
        state.update_state(labels[rows], logits[rows])
    answers = logits.argmax(axis=1)
    result = {name: float(value) for name, value in state.result().items()}
    assert result["state_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, answers))
    f1 = f1_score(labels, answers, average=None)[1]
    assert result["state_transitional_f1"] == pytest.approx(f1)
    said = [result[f"state_said_{state}"] for state in ("healthy", "transitional", "acidotic")]
    np.testing.assert_allclose(said, np.bincount(answers, minlength=3) / 50, rtol=1e-6)
    assert result["state_accuracy"] == pytest.approx((labels == answers).mean())

    masks, logits = rng.integers(0, 3, (4, 5, 6)), rng.normal(size=(4, 5, 6, 3)).astype(np.float32)
    mask = Confusion("co2_mask")
    mask.update_state(masks, logits, sample_weight=np.array([1.0, 0.0, 0.5, 0.0]))
    scores = jaccard_score(masks[::2].ravel(), logits[::2].argmax(axis=-1).ravel(), average=None)
    assert float(mask.result()["co2_mask_mean_iou"]) == pytest.approx(scores.mean())
    assert float(mask.result()["co2_mask_gas_iou"]) == pytest.approx(scores[2])
    mask.reset_state()
    mask.update_state(np.zeros((1, 5, 6), int), np.tile([1.0, 0, 0], (1, 5, 6, 1)))
    assert float(mask.result()["co2_mask_mean_iou"]) == 1  # tube and gas are neither there nor seen


def logs_of(co2_truth, co2_answer, ch4_weight):
    """What Keras logs of one sample with a perfect state, and a CH4 mask that neither has nor is answered gas."""
    state, masks = Confusion("state"), [Confusion(f"{gas}_mask") for gas in ("co2", "ch4")]
    state.update_state(np.arange(3), np.eye(3, dtype=np.float32))
    classes = np.eye(3, dtype=np.float32)
    masks[0].update_state(np.array([[co2_truth]]), classes[[[co2_answer]]], sample_weight=np.ones(1))
    masks[1].update_state(np.zeros((1, 1, 4), int), classes[np.zeros((1, 1, 4), int)], np.array([ch4_weight]))
    results = {name: float(value) for metric in (state, *masks) for name, value in metric.result().items()}
    return {**results, **{f"val_{name}": value for name, value in results.items()}}


@pytest.mark.parametrize("ch4_weight", [0.0, 1.0])  # CH4 frames are not there, or hold no plume
@pytest.mark.parametrize(
    ("truth", "answer", "gas", "mean"),
    [([0, 1, 2, 2], [0, 1, 2, 2], 1, 1), ([0, 1, 2, 2], [0, 1, 2, 1], 1 / 2, 2 / 3), ([0, 0, 1], [0, 0, 1], 1, 1)],
)
def test_a_gas_that_is_not_there_is_left_out_of_what_an_epoch_is_judged_by(truth, answer, gas, mean, ch4_weight):
    logs = logs_of(truth, answer, ch4_weight)
    EpochScores(OUTPUTS).on_epoch_end(0, logs)
    assert logs[JOINT] == pytest.approx(0.5 + 0.5 * gas)
    assert logs["val_gas_iou"] == pytest.approx(gas if 2 in truth else 0)
    assert logs["val_mean_iou"] == pytest.approx((mean + ch4_weight) / (1 + ch4_weight))
    assert np.isfinite(list(logs.values())).all()
    assert logs["val_ch4_mask_gas_iou"] == 0


def of_an_earlier_version(joint):
    """An epoch of a run of CO2 alone: the CH4 mask's IoU is undefined, and its column says 0."""
    gases = {"val_co2_mask_gas_iou": 0.4, "val_ch4_mask_gas_iou": 0.0}
    means = {"val_co2_mask_mean_iou": 0.6, "val_ch4_mask_mean_iou": 0.0, "val_mean_iou": 0.3}
    return {"epoch": 1, "val_loss": 1.0, "val_state_balanced_accuracy": 0.5, **gases, **means, JOINT: joint}


@pytest.mark.parametrize(
    ("kept", "joint", "mean"),
    [
        # 0.5 x 0.5 + 0.5 x (0.4 + 0) / 2: CH4 counted as 0, and goes on doing so: 0.5 x 1 + 0.5 x (1/2 + 0) / 2.
        (0.35, 0.625, 1 / 3),
        # 0.5 x 0.5 + 0.5 x 0.4: CH4 was left out.
        (0.45, 0.75, 2 / 3),
    ],
)
def test_a_run_of_an_earlier_version_goes_on_being_judged_as_it_was(kept, joint, mean):
    history, logs = [of_an_earlier_version(kept)], logs_of([0, 1, 2, 2], [0, 1, 2, 1], ch4_weight=0.0)
    config = configured("data.gases=co2")
    EpochScores(told_outputs(config, OUTPUTS, history), history).on_epoch_end(0, logs)
    assert logs[JOINT] == pytest.approx(joint)
    assert logs["val_mean_iou"] == pytest.approx(mean)
    assert logs.keys() <= history[0].keys()
    assert monitor_of(config, history[0]) == JOINT


TOLD = {
    "data.gases=co2": {"state_accuracy", "val_co2_mask_gas_iou", "val_mean_iou", "val_gas_iou", JOINT},
    "training.loss.cls_weight=0": {"val_co2_mask_gas_iou", "ch4_mask_loss", "val_mean_iou", "val_gas_iou"},
    "training.loss.seg_weight=0": {"state_accuracy"},
}


@pytest.mark.parametrize("setting", TOLD)
def test_a_history_is_shown_without_what_was_not_learned(setting):
    row = dict.fromkeys(["epoch", "loss", "val_loss", *set().union(*TOLD.values())], 0.5)
    (shown,) = learned_columns([row], configured(setting))
    assert shown.keys() == {"epoch", "loss", "val_loss"} | TOLD[setting]


def test_epochs_tell_of_what_is_learned_and_of_what_the_run_told_before():
    config = configured("data.gases=ch4")
    assert told_outputs(config, OUTPUTS, []) == ("ch4_mask", "state")
    assert told_outputs(config, OUTPUTS, [{"val_loss": 1.0, "val_ch4_mask_gas_iou": 0.5}]) == ("ch4_mask", "state")
    assert told_outputs(config, OUTPUTS, [of_an_earlier_version(0.35)]) == OUTPUTS


def test_epochs_are_judged_by_what_is_learned():
    masks = configured("training.loss.cls_weight=0")
    assert monitor_of(masks) == "val_gas_iou"
    assert monitor_of(masks, ["val_mean_iou"]) == "val_mean_iou"
    assert monitor_of(configured("training.loss.seg_weight=0")) == "val_state_balanced_accuracy"
    assert monitor_of(configured()) == JOINT
    assert monitor_of(configured(), ["val_state_balanced_accuracy", "val_mean_iou"]) == "val_state_balanced_accuracy"
