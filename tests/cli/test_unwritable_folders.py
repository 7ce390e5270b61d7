"""Work that writes to a folder which cannot be is refused before it begins, and by its dry run too."""

import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main


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
