import csv
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image
from tensorflow.core.util.event_pb2 import Event

from kerasfusion.cli.main import main
from kerasfusion.errors import RequestError
from kerasfusion.fume.ablate import job
from kerasfusion.fume.ablate.configs import changes, list_files
from kerasfusion.fume.ablate.cost import costs_of, total_line
from kerasfusion.fume.ablate.panels import choose_samples
from kerasfusion.fume.ablate.plan import compared_samples, plan_runs
from kerasfusion.fume.data.masks import COLOURS
from tests.fume.ablate.ablation_material import configured, write_config, write_evaluation, write_run, write_training
from tests.fume.detect.answering_material import leave_out_costs, save_reader
from tests.fume.fit.training_material import write_set

pytestmark = pytest.mark.trains


CLASSIFIER = "ClassificationOnlyFastSCNN"


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("frames") / "data", {"train": 12, "val": 6, "test": 9})


@pytest.fixture(autouse=True)
def without_a_trial(monkeypatch):
    """What a dry run tries out is tested with the estimates."""
    made = SimpleNamespace(run_bytes=1_000_000)
    monkeypatch.setattr("kerasfusion.fume.dry_run.ablate._try", lambda run: made)
    monkeypatch.setattr("kerasfusion.fume.dry_run.ablate._step_macs", lambda config, known: 1)
    monkeypatch.setattr("kerasfusion.fume.dry_run.ablate._seconds", lambda *arguments: 60.0)


@pytest.fixture
def root(frames, tmp_path):
    return shutil.copytree(frames, tmp_path / "data")


def started(monkeypatch, does=lambda arguments: 0):
    """Takes the place of the processes: returns the list of what would have been started."""
    asked = []

    def start(arguments, quiet_stdout):
        asked.append(list(arguments))
        return does(arguments)

    monkeypatch.setattr(job, "start", start)
    return asked


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["ablate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def made_by(configs):
    """A stand-in for `fit` and `evaluate` that leaves what they leave."""
    by_name = {config.experiment.name: config for config in configs}

    def make(arguments):
        name = arguments[2 if arguments[0] == "fit" else 3].rpartition("/")[2].removesuffix(".yaml")
        (write_training if arguments[0] == "fit" else write_evaluation)(by_name[name])
        return 0

    return make


def test_table_and_figures_of_finished_runs(root, tmp_path, monkeypatch):
    started(monkeypatch, lambda arguments: pytest.fail(f"started {arguments}"))
    configs = [
        configured(root, "main"),
        configured(root, "masks-alone", "FUMEFastSCNN", "training.loss.cls_weight=0"),
        configured(root, "state-alone", "FUMEFastSCNN", "training.loss.seg_weight=0", "data.gases=co2"),
        configured(root, "classifier", CLASSIFIER),
        configured(root, "early", "EarlyFusionFastSCNN"),
        configured(root, "segmenter", "SegmentationOnlyFastSCNN"),
    ]
    for config in configs:
        write_run(config)
    files = [write_config(tmp_path, config) for config in configs]
    out = tmp_path / "out"
    shown = run(*files, "--out", out).output
    assert shown.count("finished, not run again") == 6

    with (out / "ablation.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert list(rows) == [config.experiment.name for config in configs]
    first = rows["main"]
    assert (first["parameters"], first["gmacs"], first["latency_ms"]) == ("1656236", "2.0", "12.34")
    assert (first["miou_co2"], first["iou_gas_ch4"], first["miou_mask"]) == ("0.5", "0.25", "-")
    assert (first["boundary_f_gas_ch4"], first["boundary_f_tube_co2"], first["boundary_f_gas_mask"]) == (
        "0.125",
        "-",
        "-",
    )
    low, high = (float(first[f"balanced_accuracy_ci95_{end}"]) for end in ("low", "high"))
    assert (low, high) == pytest.approx((0.55, 0.9))
    assert (first["joint"], first["f1_transitional"]) == ("0.625", "0.4")
    assert (first["best_epoch"], first["epochs"], first["differs"]) == ("3", "4", "-")
    assert rows["masks-alone"]["differs"] == "training.loss.cls_weight: 0.0"
    assert rows["state-alone"]["differs"] == "data.gases: co2, training.loss.seg_weight: 0.0"
    # What a run was not made to learn is not shown as if it had.
    states = ("accuracy", "balanced_accuracy", "balanced_accuracy_ci95_low", "macro_f1", "f1_transitional", "joint")
    assert {rows["masks-alone"][name] for name in states} == {"-"}
    assert rows["masks-alone"]["miou_co2"] == "0.5"
    masks = ("miou_co2", "miou_ch4", "miou_mask", "iou_gas_co2", "iou_gas_ch4", "iou_gas_mask", "joint")
    assert {rows[name][mask] for name in ("state-alone", "classifier") for mask in masks} == {"-"}
    assert rows["state-alone"]["balanced_accuracy"] == "0.75"
    assert (rows["early"]["miou_mask"], rows["early"]["miou_co2"]) == ("0.5", "-")
    assert (rows["segmenter"]["miou_mask"], rows["segmenter"]["miou_co2"]) == ("-", "0.5")

    lines = (out / "ablation.md").read_text().splitlines()
    assert lines[2].startswith("| main | FUMEFastSCNN | - | 1656236 | 2.0000 | pair |")
    assert {line.count("|") for line in lines[:8]} == {len(first)}  # the interval is one column here
    assert "[0.5500, 0.9000]" in lines[2]
    for name in ("training_curves", "confusion_matrices", "comparison"):
        assert np.asarray(Image.open(out / f"{name}.png")).std() > 10


def test_panels_show_the_saved_masks_of_the_runs_that_have_any(root, tmp_path):
    configs = [configured(root, "main"), configured(root, "classifier", CLASSIFIER)]
    configs.append(configured(root, "co2-alone", "FUMEFastSCNN", "data.gases=co2"))
    for config in configs:
        write_run(config)
    job.ablate(plan_runs(configs), tmp_path / "out", lambda line: None)
    picture = np.asarray(Image.open(tmp_path / "out" / "panels.png"))
    gas = (picture[: -3 * 16] == COLOURS[2]).all(-1)  # without the legend
    samples = choose_samples(compared_samples(configs[0]))
    assert [sample.class_id for sample in samples] == [0, 1, 2]
    assert all(sample.is_paired for sample in samples)
    # Left halves of 176 x 117 pixels, less what the edge of the true gas covers: 6 of main, 3 of co2-alone.
    counts = gas.sum(axis=0)
    main = np.flatnonzero(counts > 5 * 117)
    assert main.size == np.ptp(main) + 1 == 88
    assert counts[main].max() <= 6 * 117
    alone = np.flatnonzero(counts[main[-1] + 1 :] > 2 * 117)
    assert alone.size == np.ptp(alone) + 1 == 88
    assert counts[main[-1] + 1 :].max() <= 3 * 117


def test_only_what_is_missing_is_done(root, tmp_path, monkeypatch):
    configs = [configured(root, name, CLASSIFIER) for name in ("finished", "trained", "begun", "new")]
    finished, trained, begun, _ = configs
    write_run(finished)
    write_training(trained)
    write_evaluation(trained)  # by hand: of which data, nobody knows
    write_training(begun, finished=False, epochs=2)
    asked = started(monkeypatch, made_by(configs))
    out = tmp_path / "out"
    out.mkdir()
    (out / "panels.png").write_text("of an earlier ablation, with masks")
    job.ablate(plan_runs(configs), out, lambda line: None)
    assert not (out / "panels.png").exists()
    assert [(command[0], command[-3 if command[0] == "evaluate" else 2]) for command in asked] == [
        ("evaluate", "--split"),
        ("fit", str(out / "configs" / "begun.yaml")),
        ("evaluate", "--split"),
        ("fit", str(out / "configs" / "new.yaml")),
        ("evaluate", "--split"),
    ]
    assert asked[0] == [
        "evaluate",
        f"{trained.run_folder}/fume.keras",
        "-c",
        str(out / "configs" / "trained.yaml"),
        "--split",
        "test",
        "--save-masks",
    ]
    asked.clear()
    job.ablate(plan_runs(configs), out, lambda line: None)
    assert asked == []


def test_other_settings_or_data_are_refused_before_anything_runs(root, tmp_path, monkeypatch):
    asked = started(monkeypatch)
    one, two = configured(root, "one", CLASSIFIER), configured(root, "two", CLASSIFIER)
    write_run(two)
    files = [write_config(tmp_path, config) for config in (one, two)]
    message = run(*files, "--epochs", 9, "--set", "experiment.seed=1", code=2).output
    assert "training.num_epochs: was 4, is now 9" in message
    assert "seed: was 42, is now 1" in message
    assert f"{two.run_folder}" in message
    assert f"{one.run_folder}:" not in message
    shutil.copy(root / "frames" / "train1co2.png", root / "frames" / "train0co2.png")
    assert "are not those that the run was trained on" in run(*files, code=2).output
    assert asked == []


def test_a_failing_run_is_said_and_the_others_go_on(root, tmp_path, monkeypatch):
    configs = [configured(root, name, CLASSIFIER) for name in ("bad", "killed", "good")]
    make, codes = made_by(configs), {"bad": 1, "killed": -9}

    def does(arguments):
        return next((code for name, code in codes.items() if f"{name}.yaml" in arguments[2]), None) or make(arguments)

    started(monkeypatch, does)
    out = tmp_path / "out"
    shown = run(*(write_config(tmp_path, config) for config in configs), "--out", out, code=1)
    assert "bad failed: fit ended with exit code 1" in shown.stderr
    assert "killed failed: fit was ended by signal 9" in shown.stderr
    with (out / "ablation.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["good"]
    report = json.loads(
        run(*(tmp_path / f"{config.experiment.name}.yaml" for config in configs), "--json", "--out", out, code=1).stdout
    )
    assert set(report["failed"]) == {"bad", "killed"}
    assert report["runs"][0]["balanced_accuracy_ci95"] == pytest.approx([0.55, 0.9])


def test_without_any_finished_run_nothing_is_drawn(root, tmp_path, monkeypatch):
    started(monkeypatch, lambda arguments: 3)
    runs = plan_runs([configured(root, "one", CLASSIFIER)])
    result = job.ablate(runs, tmp_path / "out", lambda line: None)
    assert (result.rows, result.files) == ([], [])
    assert list(result.failed) == ["one"]


def test_bad_requests_are_all_named_at_once(root, tmp_path, monkeypatch):
    asked = started(monkeypatch)
    good = write_config(tmp_path, configured(root, "good", CLASSIFIER))
    twice = tmp_path / "again.yaml"
    shutil.copy(good, twice)
    assert "several configurations are called good" in run(good, twice, code=2).output
    bad, other = tmp_path / "bad.yaml", tmp_path / "roadwork.yaml"
    bad.write_text("system: fume\ntraining: {num_epohcs: 3}\n")
    other.write_text("system: roadwork\n")
    message = run(good, bad, other, code=2).output
    assert "num_epohcs: unknown key" in message
    assert "this configuration is of roadwork" in message
    assert "'Nobody' was given" in run(good, "--set", "model.name=Nobody", code=2).output
    assert "no configurations" in run(tmp_path / "gone", code=2).output
    with pytest.raises(RequestError, match="do not exist"):
        plan_runs([configured(tmp_path / "nowhere", "one")])
    assert asked == []


def test_a_folder_stands_for_its_files_with_the_usual_network_first(root, tmp_path):
    folder = tmp_path / "configs"
    usual = write_config(folder, configured(root, "usual"))
    baseline = write_config(folder, configured(root, "baseline", CLASSIFIER))
    ablated = write_config(folder / "more", configured(root, "ablated", "FUMEFastSCNN", "weighted_sampling=false"))
    assert list_files(folder) == [baseline, usual, ablated]
    flags = ["--dry-run", "--json", "--data", root, "--epochs", 4, "--set", "data.image_size=[96,64]"]
    flags += ["--set", f"data.frame_cache={root.parent}/cache", "--set", f"runs_folder={root.parent}/runs"]

    def names(*paths):
        return [row["name"] for row in json.loads(run(*paths, *flags).stdout)["runs"]]

    assert names(folder) == ["usual", "baseline", "ablated"]
    assert names(baseline, folder) == ["baseline", "usual", "ablated"]


def test_the_set_that_is_shipped_can_be_ablated(root):
    shown = json.loads(
        run("configs/fume", "--data", root, "--set", f"runs_folder={root.parent}/runs", "--dry-run", "--json").stdout
    )
    rows = {row["name"]: row for row in shown["runs"]}
    assert len(rows) == 18
    assert next(iter(rows)) == "fume-fastscnn"
    assert rows["fume-fastscnn"]["parameters"] == 1_656_236
    assert rows["fume-fastscnn-separate"]["parameters"] == 2_728_124


def test_differences_name_keys_and_values(root):
    one = configured(root, "one")
    other = configured(root, "two", "FUMEFastSCNN", "data.augmentation=null", "training.loss.cls_alpha=[1,8,1.2]")
    assert changes(one, one) == ""
    told = changes(one, other)
    assert "data.augmentation: null" in told
    assert "training.loss.cls_alpha: [1.0, 8.0, 1.2]" in told
    assert "name" not in told


def test_the_cost_is_told_by_the_epochs_of_earlier_runs_alone(root):
    begun, like, unlike = (
        configured(root, "begun", CLASSIFIER, "training.batch_size=4", "training.num_epochs=10"),
        configured(root, "like", CLASSIFIER, "training.batch_size=4", "training.num_epochs=8"),
        configured(root, "unlike", "MultiTaskFastSCNN", "training.batch_size=4"),
    )
    write_training(begun, finished=False)
    folder = begun.run_folder / "tensorboard" / "train"
    folder.mkdir(parents=True)
    # Epochs of 30 s, and a night between the third and the fourth.
    for epoch, seconds in ((1, 100), (2, 130), (3, 160), (4, 9000), (5, 9030)):
        event = Event(wall_time=seconds, step=epoch)
        event.summary.value.add(tag="epoch/loss", simple_value=1.0)
        with tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{epoch}")) as writer:
            writer.write(event.SerializeToString())
    rows = costs_of(plan_runs([begun, like, unlike]))
    # 12 samples, of which every fourth lacks one gas: 21 frames, 6 batches of 4.
    assert [row["steps_per_epoch"] for row in rows] == [6, 6, 6]
    assert [row["done"] for row in rows] == [4, 0, 0]
    assert rows[0]["minutes_left"] == pytest.approx(6 * 30 / 60)
    assert rows[1]["minutes_left"] == pytest.approx(8 * 30 / 60)
    assert rows[2]["minutes_left"] is None
    assert "about 7 min of training, without 1 that" in total_line(rows)
    assert "no earlier run here tells" in total_line(rows[2:])


def test_a_process_of_its_own_says_how_it_ended(tmp_path):
    assert job.start(["--version"], True) == 0
    assert job.start(["fit", "-c", str(tmp_path / "gone.yaml")], True) == 2


def test_an_evaluation_of_a_saved_network_becomes_a_row(root, tmp_path, monkeypatch):
    leave_out_costs(monkeypatch)
    config = configured(root, "real", "MultiTaskFastSCNN")

    def does(arguments):
        if arguments[0] == "evaluate":
            return CliRunner().invoke(main, arguments).exit_code
        write_training(config)
        save_reader(config.run_folder / "fume.keras", "MultiTaskFastSCNN", root)
        return 0

    started(monkeypatch, does)
    out, path = tmp_path / "out", write_config(tmp_path, config)
    (row,) = json.loads(run(path, "--out", out, "--json").stdout)["runs"]
    metrics = json.loads((config.run_folder / "metrics.json").read_text())["test"]
    assert row["balanced_accuracy"] == metrics["state"]["balanced_accuracy"]
    assert row["balanced_accuracy_ci95"] == metrics["state"]["balanced_accuracy_ci95"]
    assert row["miou_ch4"] == metrics["ch4_mask"]["miou"]
    assert row["iou_gas_co2"] == metrics["co2_mask"]["iou_gas"] > 0.5  # CH4 is darker than this network thinks
    assert row["boundary_f_gas_co2"] == metrics["co2_mask"]["boundary_f_gas"] > 0.5
    assert row["joint"] == metrics["joint"]["score"]
    assert np.asarray(Image.open(out / "panels.png")).std() > 10
    assert "finished, not run again" in run(path, "--out", out).output
