import json
from dataclasses import replace

import pytest

from kerasfusion.config import load_config
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.yolo_training.curve import read_curve, tell_curve
from tests.material import event_file_reading, wandb_files

pytestmark = pytest.mark.trains


CURVE = (
    "epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss,lr/pg0\n"
    "1,2.1,0.75,0.5,1,0.5,0.001\n"
    "2,4.4,0.25,0.875,1,0.125,0.002\n"
)


@pytest.fixture
def config(tmp_path):
    settings = [f"runs_folder={tmp_path}", "name=toy", "tracking.wandb=true", "tracking.wandb_mode=offline"]
    return load_config(RoadworkConfig, settings=settings)


@pytest.fixture
def history(config):
    path = config.run_folder / "yolo" / "yolo_history.csv"
    path.parent.mkdir(parents=True)
    path.write_text(CURVE)
    return path


def test_the_curve_is_told_to_each_tracker_once(config, history):
    tell_curve(config, history)
    events = config.run_folder / "tensorboard" / "yolo"
    accuracies = [("epoch/accuracy", 1, 0.5), ("epoch/accuracy", 2, 0.875)]
    losses = [("epoch/loss", 1, 0.5), ("epoch/loss", 2, 0.125)]
    assert event_file_reading.told(events / "validation") == accuracies + losses
    assert event_file_reading.told(events / "train") == [("epoch/loss", 1, 0.75), ("epoch/loss", 2, 0.25)]
    _, second = wandb_files.told(config.run_folder)
    shown = {name: second[name] for name in ("epoch", "loss", "val_loss", "val_accuracy")}
    assert shown == {"epoch": 2, "loss": 0.25, "val_loss": 0.125, "val_accuracy": 0.875}
    files = sorted(path.name for path in (events / "train").iterdir())
    tell_curve(config, history)  # nothing new
    assert sorted(path.name for path in (events / "train").iterdir()) == files
    history.write_text(CURVE.splitlines()[0] + "\n1,2,0.5,0.75,1,0.25,0.1\n")
    # Trained again, shorter.
    tell_curve(replace(config, tracking=replace(config.tracking, tensorboard=False)), history)
    assert [step["loss"] for step in wandb_files.told(config.run_folder)] == [0.5]


def test_nothing_asked_for_writes_nothing(tmp_path, history):
    config = load_config(RoadworkConfig, settings=[f"runs_folder={tmp_path}", "name=toy", "tracking.tensorboard=false"])
    tell_curve(config, history)
    assert {path.name for path in config.run_folder.iterdir()} == {"yolo"}


def test_event_files_that_cannot_be_written_are_an_error(config, history):
    (config.run_folder / "tensorboard").write_text("in the way")
    with pytest.raises(KerasFusionError, match="the event files were not written"):
        tell_curve(config, history)
    assert not history.with_name("told.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"curve": NaN}', '{"curve": 3}'])
def test_a_damaged_memory_of_what_was_told_is_forgotten(config, history, monkeypatch, text):
    config = replace(config, tracking=replace(config.tracking, tensorboard=False, wandb=False))
    record = history.with_name("told.json")
    record.write_text(text)
    tell_curve(config, history)
    assert json.loads(record.read_text())["curve"] == file_sha256(history)


@pytest.mark.parametrize(
    ("curve", "why"),
    [
        ("epoch,train/loss\n1,2\n", "line 1 lacks the column val/loss, metrics/accuracy_top1"),
        (CURVE.replace("0.25", "x"), "line 3: train/loss is 'x', not a number"),
        (CURVE.replace("0.25", ""), "line 3: train/loss is '', not a number"),
        (CURVE[:-12], "line 3 has not a cell a column"),
        ("", "line 1 lacks the column epoch"),
    ],
)
def test_a_damaged_curve_is_named_and_without_it_the_training_stays(config, history, curve, why):
    history.write_text(curve)
    with pytest.raises(KerasFusionError, match="the training history is damaged") as error:
        tell_curve(config, history)
    assert why in error.value.what
    assert error.value.where == history
    assert error.value.todo.startswith("delete it (the weights stay good")
    history.unlink()  # the remedy
    tell_curve(config, history)
    assert {path.name for path in config.run_folder.iterdir()} == {"yolo"}


def test_columns_with_spaces_are_read(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("epoch, train/loss, metrics/accuracy_top1, val/loss\n3, 1.5, 1, 2\n")
    assert read_curve(path) == [{"epoch": 3, "loss": 1.5, "val_accuracy": 1.0, "val_loss": 2.0}]
