"""Work that writes to a folder which cannot be is refused before it begins, and by its dry run too."""

import json
import os
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from kerasfusion.cli import ablate, calibrate, fume_results, models, quiet, report, results, training
from kerasfusion.cli.main import main
from kerasfusion.errors import RequestError
from kerasfusion.files.run_folder import demo_folder


@pytest.mark.parametrize(
    ("command", "system", "key"),
    [
        ("train-yolo", "roadwork", "runs_folder"),
        ("precompute", "roadwork", "cache.folder"),
        ("fit", "roadwork", "runs_folder"),
        ("fit", "roadwork", "fit.pixel_cache"),
        ("fit", "fume", "runs_folder"),
        ("fit", "fume", "data.frame_cache"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_a_folder_that_cannot_be_is_refused(tmp_path, monkeypatch, command, system, key, flags):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    settings = ["--set", f"system={system}", "--set", f"{key}=taken/deeper"]
    result = CliRunner().invoke(main, [command, *settings, *flags])
    assert result.exit_code == 2, result.output
    assert "this is a file" in result.output
    assert str(tmp_path / "taken") in result.output.replace("\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("setting", ["runs_folder=taken/deeper", "data.frame_cache=taken/deeper"])
def test_so_is_that_of_an_ablation(tmp_path, monkeypatch, setting):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    (tmp_path / "one.yaml").write_text("system: fume\n", encoding="utf-8")
    for flags in (["--set", setting], ["--out", "taken"]):
        result = CliRunner().invoke(main, ["ablate", "one.yaml", "--dry-run", *flags])
        assert (result.exit_code, "this is a file" in result.output) == (2, True), result.output


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A folder with runs of both systems, below which nothing can be written, and work that may not begin."""
    monkeypatch.chdir(tmp_path)
    for system, name in (("roadwork", "fusion"), ("fume", "fume")):
        run = tmp_path / "locked" / system
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(f"system: {system}\n", encoding="utf-8")
        about = {"system": system, "model_sha256": "0" * 64, "precision": "float32", "config": {}}
        with zipfile.ZipFile(run / f"{name}.keras", "w") as archive:
            archive.writestr("kerasfusion.json", json.dumps(about))
    ask = os.access

    def access(path, mode, **options):
        is_locked = "locked" in Path(path).absolute().relative_to(tmp_path).parts if is_below(path) else False
        return ask(path, mode, **options) and not (is_locked and mode & os.W_OK)

    def is_below(path):
        return Path(path).absolute().is_relative_to(tmp_path)

    def refuse(*_):
        raise AssertionError("the work has begun")

    monkeypatch.setattr(os, "access", access)
    for module in (ablate, calibrate, fume_results, models, quiet, report, results, training):
        if hasattr(module, "import_tensorflow"):
            monkeypatch.setattr(module, "import_tensorflow", refuse)
    return tmp_path / "locked"


ROADWORK, FUME, NEW = "locked/roadwork/fusion.keras", "locked/fume/fume.keras", "locked/new"


@pytest.mark.parametrize(
    "command",
    [
        f"evaluate {ROADWORK}",
        f"evaluate {FUME}",
        f"evaluate {ROADWORK} --out {NEW}",
        f"evaluate --default-only --out {NEW}",
        f"predict {FUME} --co2 . --out {NEW}",
        f"calibrate {ROADWORK}",
        f"calibrate {ROADWORK} --out {NEW}/a.keras",
        f"calibrate {ROADWORK} --undo",
        f"export {ROADWORK} --format onnx",
        f"export {FUME} --format onnx",
        f"export locked/fume --format onnx --out {NEW}/a.onnx",
        "report locked/roadwork",
        "report locked/fume",
        f"report locked/fume --out {NEW}/a.html",
        f"data import . {NEW}",
        f"data split photos {NEW}",
        f"miner package {ROADWORK} --out {NEW} --name a --version 1.0.0 --submitted-by a",
    ],
)
def test_a_folder_that_is_read_only_is_noticed_before_the_work(locked, command):
    before = sorted(locked.rglob("*"))
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 2, result.output
    assert "this folder cannot be written to" in result.output
    where = next(line for line in result.output.splitlines() if "where: " in line).partition("where: ")[2]
    assert Path(where).absolute().is_relative_to(locked)
    assert sorted(locked.rglob("*")) == before


def test_so_is_that_of_a_demo(locked):
    with pytest.raises(RequestError, match="this folder cannot be written to"), demo_folder(locked / "new"):
        pass
    assert not (locked / "new").exists()
