import json
from pathlib import Path

import pytest

from kerasfusion.config import load_config
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.json_yaml import read_json, read_yaml
from kerasfusion.files.run_files import (
    own_settings,
    record_evaluation,
    record_latency,
    settings_side_by_side,
    system_of_run,
)
from kerasfusion.files.run_folder import describe_run
from kerasfusion.fume.config import FumeConfig
from kerasfusion.roadwork.config import RoadworkConfig


def test_records_of_several_splits_and_files_stand_side_by_side(tmp_path):
    record_evaluation(tmp_path, "val", {"model": "a"})
    record_evaluation(tmp_path, "test", {"model": "b"})
    record_evaluation(tmp_path, "val", {"model": "c"})
    assert read_json(tmp_path / "evaluated.json") == {"val": {"model": "c"}, "test": {"model": "b"}}
    (tmp_path / "config.yaml").write_text("system: roadwork\n")
    record_latency(tmp_path / "fusion.keras", {"runs": 1, "stages": {}})
    assert record_latency(tmp_path / "fusion.xml", {"runs": 2, "stages": {}}) == tmp_path / "latency.json"
    assert read_json(tmp_path / "latency.json") == {
        "fusion.keras": {"runs": 1, "stages": {}},
        "fusion.xml": {"runs": 2, "stages": {}},
    }


def test_a_measurement_of_a_file_outside_any_run_is_not_kept(tmp_path):
    assert record_latency(tmp_path / "fusion.keras", {"runs": 1, "stages": {}}) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "text"), [("a.json", '{"x": '), ("a.json", "[1]"), ("a.yaml", "x: [")])
def test_a_damaged_file_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(KerasFusionError, match=rf"damaged(.|\n)*{name}(.|\n)*what to do: delete it"):
        (read_json if name.endswith("json") else read_yaml)(tmp_path / name)


def test_a_missing_file_is_none(tmp_path):
    assert read_json(tmp_path / "metrics.json") is None


def test_the_system_is_what_the_run_says(tmp_path):
    assert system_of_run(tmp_path) == "roadwork"
    (tmp_path / "metrics.json").write_text(json.dumps({"test": {}, "network": {}}))
    assert system_of_run(tmp_path) == "fume"
    (tmp_path / "config.yaml").write_text("system: roadwork\n")
    assert system_of_run(tmp_path) == "roadwork"
    with pytest.raises(RequestError, match=rf"this is a file(.|\n)*a run folder(.|\n)*what to do: name {tmp_path}$"):
        system_of_run(tmp_path / "metrics.json")
    with pytest.raises(RequestError, match="does not exist"):
        system_of_run(tmp_path / "nowhere")


@pytest.mark.parametrize("schema", [RoadworkConfig, FumeConfig])
@pytest.mark.parametrize("name", ["first", "first-old", "2026", "1e3"])
def test_a_run_folder_that_was_renamed_is_the_one_that_its_commands_work_in(tmp_path, monkeypatch, schema, name):
    monkeypatch.chdir(tmp_path)
    name_key = "name" if schema is RoadworkConfig else "experiment.name"
    describe_run(Path("my runs/first"), load_config(schema, settings=["runs_folder=my runs", f"{name_key}=first"]))
    folder = Path("my runs/first").rename(Path("my runs", name))
    option, path, *rest = own_settings(folder)
    assert (option, path, rest[::2]) == ("-c", str(folder / "config.yaml"), [] if name == "first" else ["--set"] * 2)
    assert load_config(schema, Path(path), rest[1::2]).run_folder.resolve() == folder.resolve()


def test_a_fume_run_without_a_name_of_its_own_is_given_one_by_fumes_key(tmp_path):
    (tmp_path / "config.yaml").write_text("system: fume\n")
    assert own_settings(tmp_path)[-1] == f"experiment.name={tmp_path.name}"


def test_only_settings_that_differ_are_listed():
    first = {"seed": 1, "fit": {"epochs": 3, "weights": None}, "same": [1, 2]}
    second = {"seed": 2, "fit": {"epochs": 3, "weights": "imagenet"}, "same": [1, 2], "new": True}
    assert settings_side_by_side(first, second, "a", "b") == [
        {"setting": "seed", "a": "1", "b": "2"},
        {"setting": "fit.weights", "a": "null", "b": "imagenet"},
        {"setting": "new", "a": "not set", "b": "true"},
    ]
