"""A second run is refused at once, and nothing of the first is touched."""

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock
import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files import one_writer
from kerasfusion.files.json_yaml import read_json
from kerasfusion.files.one_writer import LOCK, only_writer, only_writer_of
from kerasfusion.files.run_files import record_evaluation
from kerasfusion.fume import demo as fume_demo
from kerasfusion.fume.ablate import job as ablate_job
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.pair_job import pair_dataset
from kerasfusion.fume.evaluate import job as fume_evaluate_job
from kerasfusion.fume.export import job as fume_export_job
from kerasfusion.fume.fit import job as fume_job
from kerasfusion.fume.plumes import dataset as plumes
from kerasfusion.roadwork.calibrate import job as calibrate_job
from kerasfusion.roadwork.challenge.job import write_challenges
from kerasfusion.roadwork.config import RoadworkConfig, Yolo
from kerasfusion.roadwork.data.importing.job import import_dataset
from kerasfusion.roadwork.data.split_job import split_dataset
from kerasfusion.roadwork.demo import job as demo_job
from kerasfusion.roadwork.evaluate import job as evaluate_job
from kerasfusion.roadwork.export import job as export_job
from kerasfusion.roadwork.fit import job as fit_job
from kerasfusion.roadwork.miner.hub.folder import Request as PackageRequest
from kerasfusion.roadwork.miner.hub.folder import make_folder
from kerasfusion.roadwork.miner.legacy import job as legacy_job
from kerasfusion.roadwork.miner.plugin import install
from kerasfusion.roadwork.miner.plugin.install_record import NAME
from kerasfusion.roadwork.miner.plugin.layout import find_layout
from kerasfusion.roadwork.scenes import street
from kerasfusion.roadwork.scenes.street import write_dataset
from kerasfusion.roadwork.yolo_training import job as yolo_job
from tests.fume.data import frames_material
from tests.roadwork.miner.miner_tree import LAYOUTS, contents, write_tree


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


def test_a_lock_file_that_has_lost_its_name_since_it_was_opened_is_none(tmp_path, monkeypatch):
    """As where the writer before ends between this one's opening of the file and its locking."""
    path, opened = tmp_path / "table.csv", []

    def open_and_lose(file, *given, **named):
        number = os_open(file, *given, **named)
        if Path(file) == tmp_path / ".table.csv.lock" and not opened:
            opened.append(number)
            with suppress(OSError):  # Windows deletes no open file
                Path(file).unlink()
        return number

    os_open = os.open
    monkeypatch.setattr(os, "open", open_and_lose)
    refused = pytest.raises(KerasFusionError, match="another run")
    with one_writer.turn_to_update(path), refused, only_writer_of(path):
        raise AssertionError("both write")
    assert opened


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KerasFusionError, match="cannot write"), only_writer(tmp_path / "file" / "run"):
        pass


def test_fit_of_roadwork_is_refused_before_it_touches_the_run(tmp_path, monkeypatch):
    config = RoadworkConfig()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fit_job, "find_branches", None)  # a YOLO that is still being trained is not looked at
    refused_while_locked(config.run_folder, lambda: fit_job.fit(config, restart=True))


def test_fit_of_fume_is_refused_before_it_touches_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = FumeConfig()
    refused_while_locked(config.run_folder, lambda: fume_job.fit(config, restart=True))


def test_train_yolo_is_refused_before_it_touches_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(yolo_job, "check_photos", lambda *given: None)
    monkeypatch.setattr(yolo_job.ultralytics_models, "starting_model", lambda name: None)
    monkeypatch.setattr(yolo_job, "plan_trainings", lambda *given: [])
    refused_while_locked(tmp_path, lambda: yolo_job.train_yolo([], [], Yolo(), tmp_path, seed=0))


def refused_while_locked(folder, run, *others):
    """Hold a folder's lock, run a command, and find it refused and the folder as it was."""
    kept = folder / "checkpoints" / "state.npz"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(b"of the first run")
    with filelock.FileLock(folder / LOCK), pytest.raises(KerasFusionError, match="another run is writing"):
        run()
    assert kept.read_bytes() == b"of the first run"
    assert sorted(path.name for path in folder.iterdir()) == [LOCK, "checkpoints", *others]


def test_the_lock_file_goes_with_the_lock_and_an_empty_folder_with_it(tmp_path):
    with only_writer(tmp_path / "new"):
        pass
    assert list(tmp_path.iterdir()) == []
    with only_writer(tmp_path / "new"):
        (tmp_path / "new" / "kept").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["kept"]


def test_files_of_one_run_are_held_together_and_others_by_their_names(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("")
    refused = pytest.raises(KerasFusionError, match="another run is writing")
    with only_writer_of(run / "fusion.xml", run / "fusion.keras", tmp_path / "a.xml"):
        with refused, only_writer(run):
            raise AssertionError("both write the run")
        with refused, only_writer_of(run / "other.keras"):
            raise AssertionError("both write the run")
        with refused, only_writer_of(tmp_path / "sub" / ".." / "a.xml"):
            raise AssertionError("both write a.xml")
        with only_writer_of(tmp_path / "b.xml", tmp_path / ("n" * 255)):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in run.iterdir()] == ["config.yaml"]


def test_what_a_killed_run_left_in_a_run_folder_goes_and_what_a_living_one_writes_stays(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "config.yaml").write_text("")
    left = [f".metrics.json.{gone.pid}.partial", f"checkpoints/.state.npz.{gone.pid}.partial"]
    left += [f".partial-{gone.pid}-fusion.keras"]
    living = [f"checkpoints/.state.npz.{os.getppid()}.partial", f".partial-{os.getppid()}-fusion.keras"]
    for name in [*left, *living, "checkpoints/state.npz"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    with only_writer(tmp_path):
        there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {LOCK, "config.yaml", "checkpoints/state.npz", *living}


def test_in_a_folder_that_is_no_runs_nothing_is_looked_for(tmp_path):
    (tmp_path / ".theirs.partial").write_text("of another program")
    with only_writer(tmp_path):
        pass
    assert (tmp_path / ".theirs.partial").is_file()


UPDATES = """
import sys
from pathlib import Path
from kerasfusion.files.run_files import record_evaluation, record_latency
folder, name = Path(sys.argv[1]), sys.argv[2]
for number in range(25):
    record_evaluation(folder, f"{name}{number}", {})
    record_latency(folder / f"{name}{number}.keras", {"stages": {}})
"""


def test_updates_of_several_processes_at_once_lose_none(tmp_path):
    (tmp_path / "config.yaml").write_text("")
    runs = [subprocess.Popen([sys.executable, "-c", UPDATES, str(tmp_path), name]) for name in "abc"]
    assert [run.wait() for run in runs] == [0, 0, 0]
    names = {f"{name}{number}" for name in "abc" for number in range(25)}
    assert read_json(tmp_path / "evaluated.json").keys() == names
    assert read_json(tmp_path / "latency.json").keys() == {f"{name}.keras" for name in names}
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "evaluated.json", "latency.json"}


def test_an_update_that_waits_too_long_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(one_writer, "PATIENCE_S", 0.1)
    path = tmp_path / "evaluated.json"
    with one_writer.turn_to_update(path), pytest.raises(KerasFusionError, match="another run is writing this file"):
        record_evaluation(tmp_path, "test", {})
    assert not path.exists()


@pytest.mark.parametrize("job", [evaluate_job, fume_evaluate_job], ids=["roadwork", "fume"])
def test_evaluate_is_refused_while_its_run_is_written(tmp_path, job):
    model, config = tmp_path / "fusion.keras", RoadworkConfig() if job is evaluate_job else FumeConfig()
    (tmp_path / "config.yaml").write_text("")
    refused_while_locked(tmp_path, lambda: job.run(job.Request(model=model, config=config)), "config.yaml")
    refused_while_locked(tmp_path / "out", lambda: job.run(job.Request(model, config, out=tmp_path / "out")))


def test_calibrate_and_its_undoing_are_refused_while_the_run_is_written(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("")
    out = tmp_path / "fusion-calibrated.keras"
    monkeypatch.setattr(calibrate_job, "refuse_model", lambda *given: out)
    asked = calibrate_job.Request(tmp_path / "fusion.keras", RoadworkConfig())
    for run in (lambda: calibrate_job.run(asked), lambda: calibrate_job.undo(asked.model)):
        refused_while_locked(tmp_path, run, "config.yaml")


@pytest.mark.parametrize("job", [export_job, fume_export_job], ids=["roadwork", "fume"])
@pytest.mark.parametrize("source", ["fusion.keras", "trained_parts.keras"])
def test_export_is_refused_while_the_run_is_written(tmp_path, monkeypatch, job, source):
    (tmp_path / "config.yaml").write_text("")
    said = {"model_sha256": ""} if source == "fusion.keras" else {}
    monkeypatch.setattr(export_job, "read_description", lambda path: said)
    request = job.Request(tmp_path / source, format="onnx")
    refused_while_locked(tmp_path, lambda: job.run(request), "config.yaml")


def test_export_to_elsewhere_holds_that_name_and_a_composed_one(tmp_path, monkeypatch):
    monkeypatch.setattr(export_job, "read_description", lambda path: {})
    asked = export_job.Request(tmp_path / "trained_parts.keras", format="onnx", out=tmp_path / "out" / "a.onnx")
    for held in (tmp_path / "fusion.keras", asked.out):
        with only_writer_of(held), pytest.raises(KerasFusionError, match="another run is writing") as error:
            export_job.run(asked)
        assert error.value.where == held


@pytest.mark.parametrize("job", [demo_job, fume_demo], ids=["roadwork", "fume"])
def test_a_second_demo_leaves_the_first_ones_folder_as_it_is(tmp_path, monkeypatch, job):
    folder = tmp_path / "demo"

    def second(*given):
        (folder / "scenes").mkdir()
        with pytest.raises(KerasFusionError, match="another run is writing this demo's folder"):
            job.run_demo(folder)
        assert (folder / "scenes").is_dir()

    monkeypatch.setattr(job, "_run", second)
    job.run_demo(folder)
    monkeypatch.setattr(job, "_run", lambda *given: [path.name for path in folder.iterdir()])
    assert sorted(job.run_demo(folder)) == [".kerasfusion-demo", LOCK]  # made anew


def test_a_demo_touches_nothing_of_others(tmp_path):
    (tmp_path / "file").write_text("theirs")
    with pytest.raises(RequestError, match="holds something else"):
        fume_demo.run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(RequestError, match="this is a file"):
        fume_demo.run_demo(tmp_path / "file")


def test_an_ablation_is_refused_while_another_writes_the_table(tmp_path):
    refused_while_locked(tmp_path / "configs", lambda: ablate_job.ablate([], tmp_path))


def test_split_and_import_are_refused_while_their_output_is_written(tmp_path):
    write_dataset(tmp_path / "scenes", {"train": 4}, seed=0)
    out = tmp_path / "out"
    for run in (split_dataset, lambda source, out: import_dataset(str(source), out)):
        with only_writer_of(out), pytest.raises(KerasFusionError, match="another run is writing") as error:
            run(tmp_path / "scenes", out)
        assert error.value.where == out
        assert {path.name for path in tmp_path.iterdir()} == {"scenes"}


HOTKEY = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
CREATED = {
    "scenes": lambda source, out: write_dataset(out, {"train": 2}),
    "plumes": lambda source, out: plumes.write_dataset(out, 3, size=(64, 64)),
    "challenges": write_challenges,
    "legacy": lambda source, out: legacy_job.import_legacy(None, out),
    "package": lambda source, out: make_folder(PackageRequest(Path("fusion.onnx"), out, "a", "1.0.0", HOTKEY)),
}
"""What each writes to a name that it is given."""


@pytest.mark.parametrize("job", CREATED)
def test_what_makes_a_new_file_or_folder_is_refused_while_another_makes_it(tmp_path, job):
    write_dataset(tmp_path / "source", {"train": 2}, seed=0)
    out = tmp_path / "out"
    with only_writer_of(out), pytest.raises(KerasFusionError, match="another run is writing") as error:
        CREATED[job](tmp_path / "source", out)
    assert error.value.where == out
    assert {path.name for path in tmp_path.iterdir()} == {"source"}


@pytest.mark.parametrize("write", [CREATED["scenes"], CREATED["plumes"]], ids=["scenes", "plumes"])
def test_a_folder_that_was_filled_while_its_lock_was_asked_for_is_left_as_it_is(tmp_path, monkeypatch, write):
    out = tmp_path / "out"

    @contextmanager
    def filled(*paths):
        (out / "theirs").mkdir(parents=True)
        yield

    for module in (street, plumes):
        monkeypatch.setattr(module, "only_writer_of", filled)
    with pytest.raises(RequestError, match="already in use"):
        write(None, out)
    assert [path.name for path in out.iterdir()] == ["theirs"]


def test_pairs_are_refused_while_their_folder_is_written(tmp_path):
    root = frames_material.write_dataset(tmp_path / "set", {"train": frames_material.make_frames(1)})
    refused_while_locked(tmp_path / "out", lambda: pair_dataset(root, tmp_path / "out"))
    pair_dataset(root, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["paired_train_annotations.csv"]


def test_a_miners_tree_takes_one_install_or_uninstall_at_a_time(tmp_path):
    layout = find_layout(write_tree(tmp_path / "tree", LAYOUTS[0]))
    before = contents(layout.root)
    request = install.InstallRequest(layout.root, None, service_url="http://127.0.0.1:1")
    for run in (lambda: install.install(request), lambda: install.uninstall(layout.root)):
        with only_writer_of(layout.detectors / NAME), pytest.raises(KerasFusionError, match="another run is writing"):
            run()
    assert contents(layout.root) == before
