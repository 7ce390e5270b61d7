"""The comparison's arithmetic, that both sides are measured alike, and that what is finished is not done again."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.append(str(TOOLS))  # last: test.py lies there, too

from compare_fume import sets, summary, trainings  # noqa: E402  they lie beside the tools
from compare_fume.asking import metrics_of  # noqa: E402
from compare_fume.summary import Reached, side_by_side, training_rows  # noqa: E402
from kerasfusion.fume.evaluate.tallies import values_of  # noqa: E402

SIZE = (64, 48)


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("compare_fume_script", TOOLS / "compare_fume.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gas_set(tmp_path_factory):
    return sets.generated_set("balanced", tmp_path_factory.mktemp("sets"), 9, SIZE, lambda line: None)


def reached(side, seed, score, seconds=10.0, name="balanced"):
    return Reached(name, side, seed, seconds, {"test": dict.fromkeys(summary.METRICS, score)})


def test_mean_spread_difference_and_verdict_by_hand():
    rows = side_by_side(
        [
            *(reached("ours", seed, score, 20.0) for seed, score in enumerate((0.5, 0.6, 0.7))),
            *(reached("torch", seed, score, 40.0) for seed, score in enumerate((0.3, 0.4, 0.5))),
        ]
    )
    macro_f1 = next(row for row in rows if row["metric"] == "macro_f1")
    assert [macro_f1[key] for key in ("set", "samples", "verdict")] == ["balanced", "test", "ahead"]
    values = [macro_f1[key] for key in ("ours", "ours_sd", "torch", "torch_sd", "difference")]
    assert values == pytest.approx([0.6, 0.1, 0.4, 0.1, 0.2])
    seconds = rows[-1]
    assert (seconds["metric"], seconds["ours"], seconds["torch"], seconds["verdict"]) == ("training_s", 20, 40, None)


@pytest.mark.parametrize(
    ("difference", "spreads", "said"),
    [
        (0.11, [0.05, 0.10], "ahead"),
        (0.10, [0.05, 0.10], "within the spread"),
        (-0.11, [0.10, 0.05], "behind"),
        (-0.04, [0.0, 0.05], "within the spread"),
        (0.0, [0.0, 0.0], "within the spread"),
    ],
)
def test_a_verdict_counts_the_larger_spread(difference, spreads, said):
    assert summary.verdict(difference, spreads) == said


def test_one_seed_has_no_spread_and_no_verdict_and_a_missing_side_no_difference():
    one = side_by_side([reached("ours", 0, 0.5), reached("torch", 0, 0.25)])[0]
    assert (one["difference"], one["ours_sd"], one["verdict"]) == (0.25, None, None)
    half = side_by_side([reached("ours", 0, 0.5), reached("ours", 1, 0.7)])[0]
    assert half["ours"] == pytest.approx(0.6)
    assert (half["torch"], half["difference"], half["verdict"]) == (None, None, None)
    undefined = side_by_side([reached("ours", 0, None), reached("torch", 0, 0.25)])[0]
    assert (undefined["ours"], undefined["torch"]) == (None, 0.25)


def test_sets_are_told_apart():
    scores = {"imbalanced": (0.9, 0.1), "balanced": (0.5, 0.5)}
    rows = side_by_side(
        [
            reached(side, seed, score, name=name)
            for name, pair in scores.items()
            for side, score in zip(("ours", "torch"), pair, strict=True)
            for seed in (0, 1)
        ]
    )
    found = {row["set"]: row["verdict"] for row in rows if row["metric"] == "accuracy"}
    assert found == {"imbalanced": "ahead", "balanced": "within the spread"}


def test_metrics_of_a_confusion_by_hand():
    state = np.array([[4, 0, 0], [2, 2, 0], [0, 0, 0]])
    co2 = np.array([[6, 0, 2], [0, 0, 0], [2, 0, 4]])  # IoU 6/10 and 4/8; no tube
    ch4 = np.array([[8, 0, 0], [0, 4, 0], [0, 4, 4]])  # 8/8, 4/8, 4/8
    found = metrics_of(values_of({"state": state, "co2_mask": co2, "ch4_mask": ch4}))
    expected = {
        "accuracy": 6 / 8,
        "balanced_accuracy": (1 + 0.5) / 2,
        "macro_f1": (0.8 + 2 / 3) / 2,
        "f1_transitional": 2 / 3,
        "miou": (0.55 + 2 / 3) / 2,
        "gas_iou": (0.5 + 0.5) / 2,
    }
    assert found == pytest.approx(expected)
    alone = metrics_of(values_of({"state": state, "co2_mask": co2}))
    assert (alone["miou"], alone["gas_iou"]) == pytest.approx((0.55, 0.5))


def test_a_generated_set_is_made_once_and_divided(gas_set):
    before = {path: path.stat().st_mtime_ns for path in gas_set.root.rglob("*") if path.is_file()}
    again = sets.generated_set("balanced", gas_set.root.parent, 9, SIZE, lambda line: pytest.fail(line))
    assert again == gas_set
    assert before == {path: path.stat().st_mtime_ns for path in gas_set.root.rglob("*") if path.is_file()}
    assert sets.given_set(gas_set.root).digest == gas_set.digest
    frames = len(list((gas_set.root / "frames").iterdir()))
    assert frames > 9 + 3 + 11  # originals of the three splits, some with both gases


def test_a_set_whose_drawing_was_stopped_is_drawn_anew(tmp_path, gas_set):
    left = tmp_path / gas_set.root.name / "frames" / "half.png"
    left.parent.mkdir(parents=True)
    left.touch()
    assert sets.generated_set("balanced", tmp_path, 9, SIZE, lambda line: None).digest == gas_set.digest
    assert not left.exists()


def test_what_is_finished_is_not_done_again(tmp_path, gas_set, monkeypatch):
    trained, asked = [], []

    def run(self, arguments, name):
        trained.append(name)

    def ask(model, root):
        asked.append(model.parent.name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return {"test": dict.fromkeys(summary.METRICS, 0.5)}

    monkeypatch.setattr(trainings.Trainings, "_run", run)
    monkeypatch.setattr(trainings.Trainings, "_model", lambda self, side, folder: folder / "fume.keras")
    monkeypatch.setattr(trainings, "ask", ask)

    def compare(seeds, epochs=2):
        budget = trainings.Budget(epochs, 4, SIZE, seeds)
        return trainings.Trainings(tmp_path, budget, lambda line: None).all_of([gas_set])

    with pytest.raises(KeyboardInterrupt):
        compare(1)
    assert [name.split("-")[1] for name in trained] == ["ours", "torch"]
    found = compare(1)
    assert (len(trained), len(asked)) == (2, 3)  # torch was trained, and is only asked
    assert [(each.side, each.seed) for each in found] == [("ours", 42), ("torch", 42)]
    assert all(each.views["test"]["macro_f1"] == 0.5 for each in found)
    compare(1)
    assert (len(trained), len(asked)) == (2, 3)
    compare(2)
    assert [name.split("-")[2] for name in trained[2:]] == ["seed43", "seed43"]
    compare(1, epochs=3)
    assert len(trained) == 6


def test_a_training_that_was_stopped_begins_anew(tmp_path, gas_set, monkeypatch):
    one = trainings.Trainings(tmp_path, trainings.Budget(2, 4, SIZE, 1), lambda line: None)
    left = tmp_path / "trainings" / one._name(gas_set, "torch", 42) / "best.pth"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    seen = {}
    monkeypatch.setattr(trainings.Trainings, "_run", lambda self, arguments, name: seen.update({name: left.exists()}))
    monkeypatch.setattr(trainings.Trainings, "_model", lambda self, side, folder: folder)
    monkeypatch.setattr(trainings, "ask", lambda model, root: {})
    one.all_of([gas_set])
    assert seen[left.parent.name] is False


def test_both_sides_are_given_the_same(tmp_path, gas_set, monkeypatch):
    given = {}
    monkeypatch.setattr(
        trainings.Trainings, "_run", lambda self, arguments, name: given.update({name.split("-")[1]: arguments})
    )
    monkeypatch.setattr(trainings.Trainings, "_model", lambda self, side, folder: folder)
    monkeypatch.setattr(trainings, "ask", lambda model, root: {})
    trainings.Trainings(tmp_path, trainings.Budget(7, 4, SIZE, 1), lambda line: None).all_of([gas_set])
    settings = dict(part.split("=", 1) for part in given["ours"] if "=" in part)
    task = json.loads(given["torch"][-1])
    assert settings["training.num_epochs"] == str(task["epochs"]) == "7"
    assert settings["training.batch_size"] == str(task["batch"]) == "4"
    assert json.loads(settings["data.image_size"]) == task["image_size"] == list(SIZE)
    assert settings["data.dataset_root"] == task["root"] == str(gas_set.root)
    assert settings["experiment.seed"] == str(task["seed"]) == "42"


def test_rows_of_the_trainings_name_set_side_and_seed():
    (row,) = training_rows([reached("ours", 42, 0.5)])
    assert row == {
        "set": "balanced",
        "side": "ours",
        "seed": 42,
        "training_s": 10.0,
        "samples": "test",
        **dict.fromkeys(summary.METRICS, 0.5),
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--size", "100x64"], "divisible by 8"),
        (["--size", "big"], "width and a height"),
        (["--seeds", "0"], "0"),
        (["--sets", "odd"], "imbalanced"),
    ],
)
def test_a_wrong_request_is_refused(tmp_path, script, wrong, said):
    result = CliRunner().invoke(script.main, [*wrong, "--work", str(tmp_path / "work")])
    assert result.exit_code == 2 and said in result.output
    assert not (tmp_path / "work").exists()


def test_a_folder_without_paired_samples_is_named(tmp_path, script):
    result = CliRunner().invoke(script.main, ["--data", str(tmp_path / "none"), "--work", str(tmp_path / "work")])
    assert result.exit_code == 2
    assert "paired_train_annotations.csv" in result.output and "data pair" in result.output


def test_torch_is_missed_before_anything_is_trained(tmp_path, script, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = CliRunner().invoke(script.main, ["--work", str(tmp_path / "work")])
    assert result.exit_code == 2
    assert "needs torch" in result.output and "yolo" in result.output
    assert [path.name for path in (tmp_path / "work").iterdir()] == [".lock"]
