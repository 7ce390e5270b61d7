"""A second run in a folder is refused at once, and nothing of the first is touched."""

import subprocess
import sys

import filelock
import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.one_writer import LOCK, only_writer
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.fit import job as fume_job
from kerasfusion.roadwork.config import RoadworkConfig, Yolo
from kerasfusion.roadwork.fit import job as fit_job
from kerasfusion.roadwork.yolo_training import job as yolo_job


def test_the_second_writer_is_refused_and_the_folder_is_free_afterwards(tmp_path):
    folder = tmp_path / "new" / "run"
    refused = pytest.raises(KerasFusionError, match="another run is writing this run folder")
    with only_writer(folder), refused as error, only_writer(folder):
        raise AssertionError("both write")
    assert error.value.where == folder
    with only_writer(folder):
        pass


def test_the_lock_of_a_killed_run_binds_nobody(tmp_path):
    held = f"import filelock, os; filelock.FileLock({str(tmp_path / LOCK)!r}).acquire(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", held], check=False).returncode == 9
    with only_writer(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KerasFusionError, match="cannot write"), only_writer(tmp_path / "file" / "run"):
        pass


def test_fit_of_roadwork_is_refused_before_it_touches_the_run(tmp_path, monkeypatch):
    config = RoadworkConfig()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fit_job.branch_cache, "read_manifest", lambda folder: {})
    monkeypatch.setattr(fit_job, "find_branches", lambda config, manifest: (None, "not here"))
    refused_while_locked(config.run_folder, lambda: fit_job.fit(config, restart=True))


def test_fit_of_fume_is_refused_before_it_touches_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = FumeConfig()
    refused_while_locked(config.run_folder, lambda: fume_job.fit(config, restart=True))


def test_train_yolo_is_refused_before_it_touches_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(yolo_job, "check_photos", lambda *given: None)
    monkeypatch.setattr(yolo_job.ultralytics_models, "starting_model", lambda name: None)
    monkeypatch.setattr(yolo_job, "describe_request", lambda *given: {})
    refused_while_locked(tmp_path / "yolo", lambda: yolo_job.train_yolo([], [], Yolo(), tmp_path, seed=0))


def refused_while_locked(folder, run):
    """Hold a folder's lock, run a command, and find it refused and the folder as it was."""
    kept = folder / "checkpoints" / "state.npz"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"of the first run")
    with filelock.FileLock(folder / LOCK), pytest.raises(KerasFusionError, match="another run is writing"):
        run()
    assert kept.read_bytes() == b"of the first run"
    assert sorted(path.name for path in folder.iterdir()) == [LOCK, "checkpoints"]
