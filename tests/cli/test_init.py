"""kerasfusion init: what is written, and what is not overwritten."""

import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main


def invoke(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def below(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "config", "missing"),
    [
        ((), "configs/roadwork.yaml", "cache/roadwork/manifest.json"),
        (("--system", "fume"), "configs/fume/fume_fastscnn.yaml", "data/fume"),
    ],
)
def test_the_configuration_can_be_used_where_it_was_written(tmp_path, monkeypatch, words, config, missing):
    """What a fit misses first is at the place that the configuration names."""
    written = invoke("init", tmp_path / "new" / "work", *words)
    assert written.exit_code == 0, written.output
    assert f"next, in {tmp_path / 'new' / 'work'}: edit {config}, then kerasfusion doctor -c {config}" in written.output
    monkeypatch.chdir(tmp_path / "new" / "work")
    result = invoke("fit", "-c", config, "--dry-run")
    assert result.exit_code == 2
    assert missing in result.output


def test_both_systems_share_a_folder_and_nothing_is_written_twice(tmp_path):
    assert invoke("init", tmp_path).exit_code == 0
    first = below(tmp_path)
    assert invoke("init", tmp_path, "--system", "fume").exit_code == 0
    assert first.items() <= below(tmp_path).items()
    again = invoke("init", tmp_path)
    assert (again.exit_code, again.output.splitlines()[0]) == (0, "all of it is there already")


@pytest.mark.parametrize("name", ["configs/roadwork.yaml", "configs/REFERENCE.md", "configs/miner/service.yaml"])
def test_a_file_of_ones_own_is_not_overwritten(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("seed: 7\n")
    result = invoke("init", tmp_path)
    assert result.exit_code == 2
    assert f"error: {name}: there already, with other content" in result.output
    assert below(tmp_path) == {name: b"seed: 7\n"}


@pytest.mark.parametrize("name", ["configs", "configs/roadwork.yaml"])
def test_nor_is_what_has_the_name_of_a_file_or_a_folder(tmp_path, name):
    target = tmp_path / name
    if name == "configs":
        target.touch()
    else:
        target.parent.mkdir()
        target.symlink_to("gone.yaml")
    result = invoke("init", tmp_path)
    assert result.exit_code == 2, result.output
    assert [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()] in ([], [target])


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "taken").touch()
    result = invoke("init", tmp_path / "taken" / "deeper")
    assert (result.exit_code, "this is a file" in result.output) == (2, True)


@pytest.mark.parametrize("words", [["fit"], ["doctor"], ["ablate"], ["precompute"]])
def test_a_configuration_that_is_missing_is_answered_with_init(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    result = invoke(*words, "-c", "configs/roadwork.yaml")
    assert result.exit_code == 2
    assert "`kerasfusion init FOLDER` writes configurations to start from" in " ".join(result.output.split())
