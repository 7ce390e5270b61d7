import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import COMMANDS, main
from kerasfusion.config import to_yaml
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.data.dataset import scan

pytestmark = pytest.mark.commands


def run(*arguments, code=0, **options):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], **options)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def config_file(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "toy.yaml"
    path.write_text(to_yaml(fitted))
    return path


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from kerasfusion.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'ultralytics', 'numpy', 'pydantic', 'datasets'} & set(sys.modules)\n"
        "sys.exit(','.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name in done.stdout


def test_a_wrong_key_is_named_and_exits_with_2(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("fit: {epohcs: 3}\n")
    result = run("fit", "--config", path, code=2)
    assert "fit.epohcs: unknown key; did you mean epochs?" in result.output
    assert "Traceback" not in result.output
    assert run("fit", "--set", "fit.epochs=0", code=2)
    assert run("fit", "--no-such-flag", code=2)


def test_a_missing_dataset_is_said_without_a_traceback(tmp_path):
    result = run("precompute", "--data", tmp_path / "gone", "--cache", tmp_path / "cache", code=2)
    assert "the dataset folder does not exist" in result.output
    assert "what to do" in result.output


def test_an_interruption_says_that_nothing_is_lost(monkeypatch, tmp_path):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasfusion.roadwork.data.check.check_dataset", interrupted)
    assert "interrupted" in run("data", "check", tmp_path, code=1).output


def test_an_unexpected_error_is_one_line_unless_debug(monkeypatch, tmp_path):
    def failing(*args, **kwargs):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("kerasfusion.roadwork.data.check.check_dataset", failing)
    result = run("data", "check", tmp_path, code=1)
    assert "ZeroDivisionError: of all things" in result.output
    assert "--debug" in result.output
    assert isinstance(run("--debug", "data", "check", tmp_path, code=1).exception, ZeroDivisionError)


def test_data_commands_from_scenes_to_a_checked_split(tmp_path):
    run("data", "synth", "roadwork", tmp_path / "scenes", "--train", 24, "--val", 0, "--test", 0)
    run("data", "import", tmp_path / "scenes", tmp_path / "imported")
    split = json.loads(run("data", "split", tmp_path / "imported", tmp_path / "split", "--val", 0.25, "--json").stdout)
    assert split["counts"]["val"] == {"no_roadwork": 3, "roadwork": 3}
    assert "warning" in run("data", "check", tmp_path / "split").output
    next((tmp_path / "split" / "train" / "roadwork").iterdir()).write_bytes(b"cut")
    assert "problem: " in run("data", "check", tmp_path / "split", code=1).output


def test_train_yolo_and_precompute_are_continued_where_they_are_done(config_file, tmp_path, photos):
    flags = ["--model", "yolo11n-cls.yaml", "--image-size", 32, "--epochs", 1, "--set", f"runs_folder={tmp_path}"]
    views = ["--set", "views.layout=letterbox", "--set", "views.count=2"]
    flags += ["--set", "yolo.augmentation.mosaic=1"]
    estimate = run("train-yolo", "-c", config_file, *flags, *views, "--name", "other", "--dry-run")
    assert "a photo 2, layout letterbox" in estimate.output
    result = run("train-yolo", "-c", config_file, *flags, *views, "--name", "other")
    folder = tmp_path / "other" / "yolo"
    assert (folder / "best.pt").is_file()
    asked = json.loads((folder / "training.json").read_text(encoding="utf-8"))["views"]
    assert (asked["layout"], asked["count"]) == ("letterbox", 2)
    assert "yolo.augmentation.mosaic has no effect" in result.output
    assert "already trained" in run("train-yolo", "-c", config_file, *flags, *views, "--name", "other").output
    assert "train: 24 photos" in run("precompute", "-c", config_file).output


def test_fit_export_and_info(config_file, model, tmp_path):
    assert f"model: {model}" in run("fit", "-c", config_file).output
    out = tmp_path / "again.keras"
    run("export", model.parent, "--out", out)
    again, first = (json.loads(run("info", path).output) for path in (out, model))
    assert again.pop("file_sha256") == file_sha256(out) and first.pop("file_sha256") == file_sha256(model)
    assert again == first
    assert "must end in .keras" in run("export", model.parent, "--out", tmp_path / "again.h5", code=2).output


def test_evaluate_predict_and_benchmark(config_file, model, photos, tmp_path, monkeypatch):
    # Figures take most of an evaluation's time, and are looked at where evaluations are tested.
    monkeypatch.setattr("kerasfusion.roadwork.evaluate.job.draw_figures", lambda result, folder: None)
    flags = ["--no-default", "--out", tmp_path / "out", "--json"]
    report = json.loads(run("evaluate", model, "-c", config_file, *flags).stdout)
    assert report == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert report["test"]["fusion"]["n"] == 12
    assert "vit" not in report["test"]
    assert run("evaluate", "-c", config_file, code=2)
    photo = scan(photos, ("test",))[0].path
    line = json.loads(run("predict", model, "-", "--json", input=photo.read_bytes()).stdout)
    assert set(line["branches"]) == {"vit", "yolo", "efficientnetv2"}
    broken = tmp_path / "broken.jpg"
    broken.write_text("text")
    shown = run("predict", model, photo, broken, code=1).stdout
    assert "unreadable: not an image in a known format" in shown
    assert len({re.match(r"\S+ +", line).end() for line in shown.splitlines()}) == 1  # columns
    assert "not an image" in run("benchmark", model, "--image", broken, code=2).output
    timing = json.loads(run("benchmark", model, "--runs", 2, "--warmup", 1, "--tta", "--json").stdout)
    assert timing["runs"] == 2
    assert "does not exist" in run("predict", model.with_name("gone.keras"), photo, code=2).output
    assert "--default-only" in run("evaluate", model, "-c", config_file, "--vit", "other", code=2).output


def test_a_wrong_request_is_refused_before_tensorflow_is_loaded(model, tmp_path, monkeypatch):
    def loaded():
        raise AssertionError("TensorFlow was loaded")

    for name in ("models", "quiet", "training"):
        monkeypatch.setattr(f"kerasfusion.cli.{name}.import_tensorflow", loaded)
    (tmp_path / "file").touch()
    assert "does not exist" in run("export", tmp_path / "nope", code=2).output
    assert (
        "litert has no bfloat16" in run("export", model, "--format", "litert", "--precision", "bfloat16", code=2).output
    )
    assert "this is a file" in run("export", model, "--out", tmp_path / "file" / "x.keras", code=2).output
    assert "this is a file" in run("evaluate", model, "--out", tmp_path / "file", code=2).output
    for command in ("fit", "precompute"):
        assert "did you mean epochs" in run(command, "--set", "fit.epoch=3", code=2).output
