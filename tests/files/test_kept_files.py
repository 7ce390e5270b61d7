"""What a run keeps of itself, damaged in every shape that JSON allows: each reader names file and key."""

import json

import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.json_yaml import AGAIN, write_json
from kerasfusion.files.kept_answers import predictions_path, refuse_other_answers
from kerasfusion.files.run_files import (
    METRICS,
    keep_metrics,
    read_environment,
    read_evaluated,
    read_latency,
    read_metrics,
    record_evaluation,
    record_latency,
)
from kerasfusion.fume.ablate.plan import _changed
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.evaluate import job as fume_evaluate_job
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.importing.record import ImportRecord, load_record
from kerasfusion.roadwork.dry_run.readiness import _is_evaluated
from kerasfusion.roadwork.evaluate import job as evaluate_job
from kerasfusion.roadwork.miner.hub.evidence import find_evidence
from kerasfusion.roadwork.miner.hub.folder import MARK, _refuse_foreign_files
from kerasfusion.roadwork.yolo_training.record import read_record

EVALUATED = [
    ({"test": []}, "test"),
    ({"test": None}, "test"),
    ({"test": {"model": 3}}, "test.model"),
    ({"test": {"model_sha256": []}}, "test.model_sha256"),
    ({"test": {"answers_sha256": 1}}, "test.answers_sha256"),
    ([], "the whole"),
]


def damaged(read, path, content, key, todo=AGAIN):
    """Write JSON to a file, and find that reading it names file, key and remedy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(KerasFusionError, match="the file is damaged") as error:
        read()
    assert error.value.where == path
    assert f"- {key}: " in error.value.what
    assert error.value.todo == todo


@pytest.mark.parametrize(("content", "key"), EVALUATED)
def test_evaluated_json_of_another_shape(tmp_path, content, key):
    path, answers = tmp_path / "evaluated.json", predictions_path(tmp_path, "test")
    model = tmp_path / "fusion.keras"
    (tmp_path / "config.yaml").write_text("")
    (tmp_path / METRICS).write_text('{"test": {"fusion": {"n": 3}}}')
    answers.write_text("")
    roadwork = evaluate_job.Request(model, RoadworkConfig())
    fume = fume_evaluate_job.Request(model, FumeConfig())
    for read in (
        lambda: read_evaluated(tmp_path),
        lambda: record_evaluation(tmp_path, "val", {}),
        lambda: refuse_other_answers(answers, ""),
        lambda: find_evidence(model, None),
        lambda: evaluate_job.run(roadwork),  # before any photo is looked for
        lambda: fume_evaluate_job.run(fume),
    ):
        damaged(read, path, content, key)
    assert not _is_evaluated(tmp_path)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"test": []}, "test"),
        ({"test": {"fusion": 3}}, "test.fusion"),
        ({"network": None}, "network"),
        (3, "the whole"),
    ],
)
def test_metrics_json_of_another_shape(tmp_path, content, key):
    path, model = tmp_path / METRICS, tmp_path / "fusion.keras"
    (tmp_path / "config.yaml").write_text("")
    for read in (
        lambda: read_metrics(path),
        lambda: keep_metrics(tmp_path, dict),
        lambda: find_evidence(model, path),
        lambda: evaluate_job.run(evaluate_job.Request(model, RoadworkConfig())),
        lambda: fume_evaluate_job.run(fume_evaluate_job.Request(model, FumeConfig())),
    ):
        damaged(read, path, content, key)


@pytest.mark.parametrize("content", [{"fusion.keras": []}, {"fusion.keras": {"stages": {"total": {"p50_ms": "3"}}}}])
def test_latency_json_of_another_shape(tmp_path, content):
    (tmp_path / "config.yaml").write_text("")
    key = "fusion.keras.stages.total.p50_ms" if content["fusion.keras"] else "fusion.keras"
    damaged(lambda: read_latency(tmp_path), tmp_path / "latency.json", content, key)
    damaged(lambda: record_latency(tmp_path / "a.keras", {}), tmp_path / "latency.json", content, key)


def test_environment_json_and_a_yolo_record_of_another_shape(tmp_path):
    environment = tmp_path / "environment.json"
    damaged(lambda: read_environment(tmp_path), environment, {"packages": ["keras"]}, "packages")
    damaged(lambda: read_environment(tmp_path), environment, {"command": 3}, "command")
    whole = {"weights_sha256": "a", "model": "m", "train": {"splits": [], "n": 1}, "val": {"splits": [], "n": 1}}
    (tmp_path / "training.json").write_text(json.dumps(whole))
    assert read_record(tmp_path) == whole
    for content, key in ((whole | {"train": []}, "train"), (whole | {"val": {"n": 1}}, "val.splits"), ({}, "model")):
        damaged(lambda: read_record(tmp_path, "again"), tmp_path / "training.json", content, key, "again")


@pytest.mark.parametrize(
    ("content", "key"),
    [({"seed": 1}, "data"), ({"data": {"train": "a"}}, "data.val"), ({"data": {"train": "a", "val": 3}}, "data.val")],
)
def test_settings_of_an_ablations_run_of_another_shape(tmp_path, monkeypatch, content, key):
    monkeypatch.chdir(tmp_path)
    config = FumeConfig()
    folder = config.run_folder / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "state.npz").touch()
    todo = f"delete the folder {folder} and run the study again: this run begins anew"
    damaged(lambda: _changed(config, None), folder / "settings.json", content, key, todo)


def test_settings_that_are_no_settings_of_ours_are_other_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = FumeConfig().run_folder / "checkpoints" / "settings.json"
    path.parent.mkdir(parents=True)
    (path.parent / "state.npz").touch()
    path.write_text(json.dumps({"unknown": 1, "model": 3, "data": {"train": "a", "val": "b"}}))
    assert _changed(FumeConfig(), None) == ["model: was 3, is now null", "unknown: was 1, is now null"]


@pytest.mark.parametrize(
    ("content", "key"),
    [({"source": 3}, "source"), ({"complete": "train"}, "complete"), ({"complete": ["all"]}, "complete.0")],
)
def test_an_import_record_of_another_shape(tmp_path, content, key):
    ImportRecord(tmp_path, "hf:a/b", "hub:a/b@1", {"train"}).save()
    assert load_record(tmp_path).complete == {"train"}
    whole = json.loads((tmp_path / "import.json").read_text())
    todo = f"delete the folder {tmp_path} and import again, or choose another OUT"
    damaged(lambda: load_record(tmp_path), tmp_path / "import.json", whole | content, key, todo)
    damaged(lambda: load_record(tmp_path), tmp_path / "import.json", [], "the whole", todo)


def test_a_folder_of_an_older_import_is_no_damage(tmp_path):
    (tmp_path / "import.json").write_text('{"format": 1}')
    with pytest.raises(RequestError, match="holds no import that could be continued"):
        load_record(tmp_path)


def test_the_mark_of_a_hub_folder_of_another_shape(tmp_path):
    todo = f"delete the folder {tmp_path}, then run the same command again"
    for content, key in (({"files": 3, "models": {}, "texts": {}}, "files"), ({"files": []}, "texts")):
        damaged(lambda: _refuse_foreign_files(tmp_path), tmp_path / MARK, content, key, todo)


def test_what_a_killed_call_left_in_a_hub_folder_is_its_own(tmp_path):
    write_json(tmp_path / MARK, {"files": ["a.onnx"], "models": {}, "texts": {}})
    for name in (f".partial-17-{MARK}", ".partial-17-a.onnx", ".a.onnx.17.partial"):
        (tmp_path / name).touch()
    assert _refuse_foreign_files(tmp_path) == ["a.onnx"]
    (tmp_path / ".partial-17-b.onnx").touch()
    with pytest.raises(RequestError, match=r"holds other things: \.partial-17-b\.onnx"):
        _refuse_foreign_files(tmp_path)
