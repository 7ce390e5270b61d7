"""kerasfusion doctor: what stands in the way of which step."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.fume.data.samples import paired_path
from kerasfusion.machine.findings import (
    BLOCKED,
    DONE,
    LATER,
    MISSING,
    OK,
    OPTIONAL,
    READY,
    WARNING,
    Need,
    after,
    plan_step,
)
from kerasfusion.machine.hardware import HubCheck
from kerasfusion.roadwork.config import EfficientNetV2, RoadworkConfig
from kerasfusion.roadwork.dry_run.weights_at_hand import check_efficientnetv2, check_vit
from kerasfusion.trackers.login import check_tracker
from kerasfusion.trackers.settings import Tracking
from tests.fume.fit.training_material import write_set

pytestmark = pytest.mark.commands


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No network, nobody's home folder, no files of the source."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HF_HOME", "HF_HUB_CACHE", "KERAS_HOME", "WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "scenes"
    for split in ("train", "val", "test"):
        for name in ("roadwork", "no_roadwork"):
            (root / split / name).mkdir(parents=True)
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / split / name / "one.png")
    return root


def doctor(*arguments, code):
    result = CliRunner().invoke(main, ["doctor", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout


def steps_of(system, *arguments, code):
    shown = json.loads(doctor("--json", *arguments, code=code))
    assert shown["ready"] == (code == 0)
    return {step["step"]: step for step in shown["steps"][system]}


def test_a_step_is_as_ready_as_its_needs():
    made, broken = Need("a.txt is not there yet"), Need("no library", "pip install library")
    assert plan_step("work", True, [broken], "do it").ready == DONE
    assert plan_step("work", False, [None], "do it").command == "do it"
    assert plan_step("work", False, [made, None], "do it").ready == LATER
    blocked = plan_step("work", False, [made, broken], "do it")
    assert (blocked.ready, blocked.missing, blocked.command) == (BLOCKED, "no library", "pip install library")
    assert after(True, "a.txt") is None


def test_without_a_configuration_both_systems_are_told_and_nothing_is_refused():
    text = doctor(code=0)
    assert "roadwork: steps" in text
    assert "fume: steps" in text
    assert "kerasfusion data import SOURCE data/roadwork" in text


@pytest.mark.parametrize(
    ("system", "key"),
    [
        ("roadwork", "runs_folder"),
        ("roadwork", "cache.folder"),
        ("roadwork", "fit.pixel_cache"),
        ("fume", "runs_folder"),
        ("fume", "data.frame_cache"),
    ],
)
def test_a_folder_that_cannot_be_written_to_is_told(tmp_path, system, key):
    (tmp_path / "taken").touch()
    asked = ["--set", f"system={system}", "--set", f"{key}={tmp_path / 'taken' / 'deeper'}"]
    found = {
        row["about"]: row for row in json.loads(doctor("--json", *asked, code=1))["findings"][f"{system}: folders"]
    }
    assert [about for about, row in found.items() if row["status"] == MISSING] == [key]
    assert found[key]["found"] == f"this is a file: {tmp_path / 'taken'}"
    assert f"name another folder ({key})" in found[key]["todo"]


def test_missing_data_block_the_configured_system(tmp_path):
    steps = steps_of("roadwork", "--set", f"data.root={tmp_path / 'gone'}", code=1)
    assert steps["data"]["ready"] == BLOCKED
    assert steps["data"]["command"] == f"kerasfusion data import SOURCE {tmp_path / 'gone'}"
    assert steps["evaluate"]["ready"] == LATER


def test_what_is_left_of_roadwork_with_all_weights_at_hand(tmp_path, photos):
    (tmp_path / "vit").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "vit" / name).write_text("{}")
    settings = [f"data.root={photos}", f"vit.weights={tmp_path / 'vit'}"]
    settings += ["efficientnetv2.weights=null", "yolo.model=yolo11n-cls.yaml"]
    flags = [flag for setting in settings for flag in ("--set", setting)]
    steps = steps_of("roadwork", *flags, code=0)
    ready = {name: step["ready"] for name, step in steps.items()}
    assert ready | {"export": "", "serve": ""} == {
        "data": DONE,
        "split": DONE,
        "train-yolo": READY,
        "precompute": LATER,
        "fit": LATER,
        "evaluate": LATER,
        "report": LATER,
        "export": "",
        "serve": "",
    }
    assert {ready["export"], ready["serve"]} <= {LATER, OPTIONAL}
    (tmp_path / "runs" / "roadwork" / "yolo").mkdir(parents=True)
    (tmp_path / "runs" / "roadwork" / "yolo" / "best.pt").touch()
    steps = steps_of("roadwork", *flags, code=0)
    assert steps["train-yolo"]["ready"] == DONE
    assert steps["precompute"]["ready"] == READY


def test_weights_that_cannot_be_had_block_their_step(tmp_path, photos):
    steps = steps_of("roadwork", "--set", f"data.root={photos}", code=1)
    assert {name: step["ready"] for name, step in steps.items() if step["ready"] == BLOCKED} == dict.fromkeys(
        ("train-yolo", "precompute", "fit"), BLOCKED
    )
    text = doctor("--set", f"data.root={photos}", code=1)
    assert "MISSING ViT" in text
    assert "efficientnetv2-b0_notop.h5" in text
    assert "something must be mended first" in text


def test_no_test_photos_is_a_matter_of_the_split(tmp_path, photos):
    for path in (photos / "test").rglob("*.png"):
        path.unlink()
    steps = steps_of("roadwork", "--set", f"data.root={photos}", code=1)
    assert (steps["split"]["ready"], steps["split"]["missing"]) == (BLOCKED, "no photos in test/")
    assert steps["split"]["command"] == f"kerasfusion data split {photos} NEW_FOLDER"


def test_fume_goes_from_annotations_to_pairs_to_fit(tmp_path):
    root = tmp_path / "frames"
    flags = ["--set", "system=fume", "--set", f"data.dataset_root={root}"]
    data = steps_of("fume", *flags, code=1)["data"]
    assert data["ready"] == BLOCKED
    assert data["command"].endswith(f"kerasfusion data synth fume {root}")
    root.mkdir()
    (root / "train_annotations.csv").touch()
    steps = steps_of("fume", *flags, code=0)
    assert (steps["data"]["ready"], steps["pair"]["ready"], steps["fit"]["ready"]) == (DONE, READY, LATER)
    write_set(root / "paired", {"train": 3, "val": 3, "test": 3})
    flags = ["--set", "system=fume", "--set", f"data.dataset_root={root / 'paired'}"]
    steps = steps_of("fume", *flags, code=0)
    assert (steps["pair"]["ready"], steps["fit"]["ready"], steps["evaluate"]["ready"]) == (DONE, READY, LATER)
    next((root / "paired" / "frames").glob("train*")).unlink()
    steps = steps_of("fume", *flags, code=1)
    assert "file(s) do not exist" in steps["pair"]["missing"]
    assert paired_path(root / "paired", "train").is_file()


@pytest.mark.parametrize(("system", "file"), [("roadwork", "fusion.xml"), ("fume", "fume.xml")])
def test_an_export_that_is_there_is_done(tmp_path, system, file):
    name = {"roadwork": "name", "fume": "experiment.name"}[system]
    flags = ["--set", f"system={system}", "--set", f"{name}=one", "--set", f"runs_folder={tmp_path}"]
    assert steps_of(system, *flags, code=1)["export"]["ready"] in (LATER, OPTIONAL)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / file).touch()
    assert steps_of(system, *flags, code=1)["export"]["ready"] == DONE


def test_a_wrong_key_is_a_wrong_request():
    assert "unknown key" in CliRunner().invoke(main, ["doctor", "--set", "data.rot=x"]).output
    doctor("--set", "data.rot=x", code=2)


def test_the_vit_is_found_in_the_hubs_cache(tmp_path, monkeypatch):
    assert check_vit("hf://me/vit", online=False).status == MISSING
    assert check_vit("hf://me/vit", online=True).status == WARNING
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    cache = tmp_path / "hub" / "models--me--vit"
    digest = "ab" * 32
    (cache / "blobs").mkdir(parents=True)
    (cache / "blobs" / digest).write_bytes(b"weights")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("c0ffee")
    snapshot = cache / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").symlink_to(cache / "blobs" / digest)
    found = check_vit("hf://me/vit", online=False)
    assert found.status == OK
    assert f"sha256 {digest[:12]}" in found.found


def test_imagenet_weights_are_looked_for_where_keras_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    config = RoadworkConfig(efficientnetv2=EfficientNetV2(variant="b2"))
    found = check_efficientnetv2(config, online=False)
    assert found.status == MISSING
    assert "efficientnetv2-b2_notop.h5" in found.todo
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "efficientnetv2-b2_notop.h5").write_bytes(b"x")
    assert check_efficientnetv2(config, online=False).status == OK


def test_the_tracker_only_matters_where_it_is_asked_for(tmp_path, monkeypatch):
    assert check_tracker(Tracking()).status == OK
    assert check_tracker(Tracking(wandb=True)).status == MISSING
    assert check_tracker(Tracking(wandb=True, wandb_mode="offline")).status == OK
    monkeypatch.setenv("WANDB_MODE", "online")  # which is asked where the settings leave it open
    assert check_tracker(Tracking(wandb=True, wandb_mode="offline")).status == OK
    assert check_tracker(Tracking(wandb=True)).status == MISSING
    monkeypatch.delenv("WANDB_MODE")
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password of-nobody\n")
    (tmp_path / "netrc").chmod(0o600)
    found = check_tracker(Tracking(wandb=True))
    assert found.status == OK
    assert "of-nobody" not in found.found


def test_neither_tensorflow_nor_torch_is_loaded():
    program = (
        "import sys; from kerasfusion.cli.main import main\n"
        "try: main(['doctor'])\n"
        "except SystemExit: pass\n"
        "sys.exit(','.join({'tensorflow', 'keras', 'torch', 'wandb'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_hub_is_not_asked_when_it_is_switched_off(monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **options: pytest.fail("asked"))
    assert not HubCheck().is_reachable()
