"""Damaged files of our own: which one, which key, what to do; never a library's error."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.json_yaml import read_json, read_object, read_yaml
from kerasfusion.files.run_folder import claim_checkpoints
from kerasfusion.roadwork.detect import precision
from kerasfusion.roadwork.precompute.branch_cache import read_manifest
from kerasfusion.roadwork.yolo_training.checkpoints import Checkpoints
from kerasfusion.roadwork.yolo_training.request import find_finished
from kerasfusion.trainer import Checkpoint, read_checkpoint, write_checkpoint

NO_OBJECTS = [
    "",
    "{",
    '{"a": NaN}',
    '{"a": [-Infinity]}',
    '{"a": 1e999}',
    "[]",
    "null",
    "3",
    '"word"',
    "\ufeff{}",
    "[" * 100_000,
]

SPLIT = {"complete": True, "samples": 1, "listing_sha256": "a", "skipped": [], "shards": [{"file": "f", "sha256": "b"}]}
MANIFEST = {
    "format_version": 1,
    "sizes": {"image": 224, "yolo_image": 224},
    "yolo": {"sha256": "a", "trained_on": {"splits": ["train"], "n": 3}},
    "vit": {"sha256": "b"},
    "splits": {"train": SPLIT, "val": {"complete": False, "samples": 1, "listing_sha256": "a"}},
}


@pytest.mark.parametrize("text", NO_OBJECTS)
def test_what_is_no_object_is_damaged_and_named(tmp_path, text):
    path = tmp_path / "metrics.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KerasFusionError, match="the file is damaged") as error:
        read_json(path)
    assert error.value.where == path
    assert "delete it" in error.value.todo


def test_text_of_others_may_hold_half_a_character(tmp_path):
    (tmp_path / "labelme.json").write_text('{"label": "\\ud83d"}')
    assert read_json(tmp_path / "labelme.json") == {"label": "\ud83d"}


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(*given, **named):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "metrics.json").write_text("{}")
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(KerasFusionError, match="cannot be read: Permission denied"):
        read_json(tmp_path / "metrics.json")


@dataclass(frozen=True)
class Kept:
    number: float
    pair: tuple[int, int]


@pytest.mark.parametrize(("key", "value"), [("number", "3"), ("number", True), ("pair", [1, 2.0]), ("pair", [1])])
def test_an_object_is_read_strictly_and_a_list_may_be_its_tuple(tmp_path, key, value):
    path, whole = tmp_path / "kept.json", {"number": 3, "pair": [1, 2]}
    assert read_object(path, Kept) is None
    path.write_text(json.dumps(whole))
    assert read_object(path, Kept) == Kept(3.0, (1, 2))
    path.write_text(json.dumps(whole | {key: value}))
    with pytest.raises(KerasFusionError, match=rf"the file is damaged:\n  - {key}"):
        read_object(path, Kept)


@pytest.mark.parametrize("text", ["", "- 1", "2020-01-01: a", "1: a"])
def test_a_yaml_file_of_ours_has_keys_that_are_text(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(KerasFusionError, match="the file is damaged"):
        read_yaml(tmp_path / "config.yaml")


def without(tree, *keys):
    changed = json.loads(json.dumps(tree))
    inner = changed
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return changed


@pytest.mark.parametrize(
    ("manifest", "key"),
    [
        (without(MANIFEST, "splits"), "splits"),
        (without(MANIFEST, "sizes"), "sizes"),
        (without(MANIFEST, "format_version"), "format_version"),
        (without(MANIFEST, "splits", "train", "shards"), "shards"),
        (without(MANIFEST, "splits", "val", "complete"), "complete"),
        (without(MANIFEST, "yolo", "sha256"), "yolo.sha256"),
        (without(MANIFEST, "yolo", "trained_on"), "yolo.trained_on"),
        (without(MANIFEST, "yolo", "trained_on", "n"), "yolo.trained_on.n"),
        (MANIFEST | {"splits": []}, "splits"),
        (MANIFEST | {"splits": {"train": None}}, "splits.train"),
        (MANIFEST | {"vit": "b"}, "vit"),
        ([], "the whole"),
        (None, "the whole"),
    ],
)
def test_a_manifest_of_another_shape_is_refused_by_key_with_a_remedy_that_works(tmp_path, manifest, key):
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(KerasFusionError, match="the file is damaged") as error:
        read_manifest(tmp_path)
    assert key in error.value.what
    assert error.value.todo == f"delete the folder {tmp_path}, then kerasfusion precompute"
    (tmp_path / "manifest.json").unlink()  # the remedy: the folder is gone
    with pytest.raises(RequestError, match="no branch cache here"):
        read_manifest(tmp_path)


def test_a_whole_manifest_is_read_and_another_format_is_told(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    assert read_manifest(tmp_path) == MANIFEST
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST | {"format_version": 9}))
    with pytest.raises(RequestError, match="format 9"):
        read_manifest(tmp_path)


def damaged_checkpoints(whole: bytes):
    middle = len(whole) // 2
    yield b""
    yield whole[:20]
    yield whole[:-5]
    yield whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    yield b"no archive at all"


def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "state.npz"
    state = Checkpoint(2, False, [{"epoch": 1, "loss": 0.5}], {"wait": 0.0}, {"variable/00000": np.arange(4000.0)})
    write_checkpoint(path, state)
    assert read_checkpoint(path).epoch == 2
    for damaged in damaged_checkpoints(path.read_bytes()):
        path.write_bytes(damaged)
        with pytest.raises(KerasFusionError, match="damaged") as error:
            read_checkpoint(path)
        assert error.value.where == path
        assert "--restart" in error.value.todo


@pytest.mark.parametrize("facts", [b"[]", b"null", b"{}", b'{"epoch": "two"}', b"{"])
def test_a_checkpoint_with_other_facts_is_named(tmp_path, facts):
    np.savez(tmp_path / "state.npz", facts=np.frombuffer(facts, np.uint8))
    with pytest.raises(KerasFusionError, match="damaged"):
        read_checkpoint(tmp_path / "state.npz")


@pytest.mark.parametrize("lost", ["variable/00000", "best/00001"])
def test_a_checkpoint_that_lost_an_array_is_named(tmp_path, lost):
    path = tmp_path / "state.npz"
    arrays = {"variable/00000": np.zeros(2), "best/00000": np.ones(2), "best/00001": np.ones(3)}
    write_checkpoint(path, Checkpoint(1, False, [{"epoch": 1}], {}, arrays))
    assert list(read_checkpoint(path).arrays) == list(arrays)
    whole = path.read_bytes()
    # Both places of the name, as its member's header and the archive's directory have it: no CRC is of them.
    member = f"{lost}.npy".encode()
    assert whole.count(member) == 2
    path.write_bytes(whole.replace(member, b"x" + member[1:]))
    with pytest.raises(KerasFusionError, match=f"damaged: its arrays are not .*{lost}") as error:
        read_checkpoint(path)
    assert (error.value.where, error.value.todo) == (path, "begin this run anew with --restart")
    np.savez(path, facts=facts_of(whole, tmp_path), **{name: value for name, value in arrays.items() if name != lost})
    with pytest.raises(KerasFusionError, match=f"damaged: its arrays are not .*{lost}"):
        read_checkpoint(path)


def facts_of(checkpoint: bytes, folder):
    (folder / "whole.npz").write_bytes(checkpoint)
    with np.load(folder / "whole.npz") as file:
        return file["facts"]


def test_a_checkpoint_whose_training_brought_no_numbers_is_read(tmp_path):
    state = Checkpoint(1, False, [{"epoch": 1, "loss": float("nan"), "rate": float("-inf")}], {}, {"a": np.zeros(2)})
    write_checkpoint(tmp_path / "state.npz", state)
    np.testing.assert_equal(read_checkpoint(tmp_path / "state.npz").history, state.history)


def test_a_checkpoint_of_an_older_version_is_read(tmp_path):
    facts = b'{"epoch": 1, "finished": true, "history": [{"epoch": 1}], "early_stopping": {"best": Infinity}}'
    np.savez(tmp_path / "state.npz", facts=np.frombuffer(facts, np.uint8), **{"variable/00000": np.zeros(3)})
    assert read_checkpoint(tmp_path / "state.npz").early_stopping == {"best": float("inf")}


def test_an_archive_without_facts_and_a_bare_array_are_no_checkpoints(tmp_path):
    np.savez(tmp_path / "state.npz", other=np.zeros(3))
    with pytest.raises(KerasFusionError, match="damaged or is none"):
        read_checkpoint(tmp_path / "state.npz")
    with (tmp_path / "state.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(KerasFusionError, match="damaged or is none"):
        read_checkpoint(tmp_path / "state.npz")


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"f": 3}}', '{"a": {"f": {"size": "x"}}}'])
def test_timings_of_any_wrong_shape_are_forgotten(tmp_path, text):
    (tmp_path / "timings.json").write_text(text)
    assert precision._read(tmp_path / "timings.json") == {}


def test_timings_are_remembered(tmp_path):
    known = {"a cpu": {"f": {"size": 1, "modified_ns": 2, "p50_ms": None}}}
    (tmp_path / "timings.json").write_text(json.dumps(known))
    assert precision._read(tmp_path / "timings.json") == known


@pytest.mark.parametrize("text", ['{"weights_sha256": "a', "[]", '{"weights_sha256": NaN}'])
def test_a_damaged_record_of_a_training_names_it(tmp_path, text):
    (tmp_path / "best.pt").write_bytes(b"weights")
    (tmp_path / "training.json").write_text(text)
    with pytest.raises(KerasFusionError, match="damaged") as error:
        find_finished(tmp_path, {})
    assert error.value.where == tmp_path / "training.json"
    (tmp_path / "work" / "epoch-00001").mkdir(parents=True)
    (tmp_path / "work" / "epoch-00001" / "request.json").write_text(text)
    with pytest.raises(KerasFusionError, match="damaged"):
        Checkpoints(tmp_path / "work", {}).newest()


def test_damaged_settings_of_a_run_are_named(tmp_path):
    folder = claim_checkpoints(tmp_path, {"seed": 1})
    (folder / "state.npz").write_bytes(b"")
    (folder / "settings.json").write_text("[]")
    with pytest.raises(KerasFusionError, match="damaged") as error:
        claim_checkpoints(tmp_path, {"seed": 1})
    assert "--restart" in error.value.todo
