import json
import os
from pathlib import Path

import pytest
import yaml

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files import run_folder
from kerasfusion.files.run_folder import (
    claim_checkpoints,
    describe_run,
    forget_checkpoints,
    refuse_used,
    require_folder,
)
from kerasfusion.files.writing import own_partial
from kerasfusion.machine.device import select_device
from kerasfusion.roadwork.config import RoadworkConfig


def test_settings_and_environment_are_kept(tmp_path):
    describe_run(tmp_path, RoadworkConfig(name="one"))
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["name"] == "one"
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert set(environment) == {"command", "python", "platform", "packages"}
    assert environment["packages"]["keras"].startswith("3.")


def test_settings_bind_once_there_is_a_checkpoint(tmp_path):
    folder = claim_checkpoints(tmp_path, {"weights": "imagenet", "epochs": 3})
    own_partial(folder / "state.npz").touch()  # of a first epoch whose file was not finished
    claim_checkpoints(tmp_path, {"weights": None, "epochs": 3})  # nothing was trained under the others
    (folder / "state.npz").touch()
    claim_checkpoints(tmp_path, {"weights": None, "epochs": 3})
    with pytest.raises(RequestError, match=r"weights: was null, is now true\n(.|\n)*--restart"):
        claim_checkpoints(tmp_path, {"weights": True, "epochs": 3})
    claim_checkpoints(tmp_path, {"weights": None, "epochs": 3})


def test_forgotten_checkpoints_are_gone_and_bind_nobody(tmp_path):
    forget_checkpoints(tmp_path)  # there are none yet
    (claim_checkpoints(tmp_path, {"epochs": 1}) / "state.npz").touch()
    forget_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []
    claim_checkpoints(tmp_path, {"epochs": 2})


def test_what_a_deletion_that_was_cut_short_left_is_not_in_the_way_of_the_next(tmp_path):
    (claim_checkpoints(tmp_path, {"epochs": 1}) / "state.npz").touch()
    left = own_partial(tmp_path / "checkpoints")  # in a container the next process may have the same number
    left.mkdir()
    (left / "state.npz").touch()
    forget_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_that_another_program_holds_are_not_forgotten_in_silence(tmp_path, monkeypatch):
    (claim_checkpoints(tmp_path, {"epochs": 1}) / "state.npz").touch()

    def held(path, target):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "rename", held)
    with pytest.raises(KerasFusionError, match=r"cannot be deleted: Permission denied(.|\n)*checkpoints"):
        forget_checkpoints(tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["settings.json", "state.npz"]


def test_a_folder_that_cannot_be_is_refused_early(tmp_path):
    require_folder(tmp_path / "new" / "deeper")
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(RequestError, match="this is a file"):
            require_folder(path)
        with pytest.raises(RequestError, match="this is a file"):
            require_folder(tmp_path, path)


def test_a_folder_that_is_anothers_is_refused_with_what_to_do(tmp_path, monkeypatch):
    ask = os.access
    monkeypatch.setattr(
        run_folder.os, "access", lambda path, mode: ask(path, mode) and not (path == tmp_path and mode & os.W_OK)
    )
    with pytest.raises(RequestError) as refused:
        require_folder(tmp_path / "new" / "deeper")
    assert (refused.value.where, refused.value.todo) == (tmp_path, "name another one")


def test_only_an_empty_folder_is_generated_into_and_only_with_numbers_that_count(tmp_path):
    refuse_used(tmp_path, "scenes", {"seed": 0})
    refuse_used(tmp_path / "new", "scenes", {"seed": 0})
    (tmp_path / "mine.txt").write_text("mine")
    for used in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(RequestError, match="the folder for the generated scenes is already in use"):
            refuse_used(used, "scenes", {"seed": 0})
    with pytest.raises(RequestError, match="copies is -1"):
        refuse_used(tmp_path / "new", "scenes", {"seed": 0, "copies": -1})


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert select_device("auto") == "cpu"
    assert select_device("cpu") == "cpu"
    with pytest.raises(RequestError, match="sees no GPU"):
        select_device("gpu")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda devices, kind: None)
    assert [select_device(name) for name in ("auto", "gpu", "cpu")] == ["gpu", "gpu", "cpu"]
