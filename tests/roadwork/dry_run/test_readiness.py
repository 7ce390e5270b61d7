import os
from dataclasses import replace

import pytest

from kerasfusion.address import Address
from kerasfusion.machine.findings import BLOCKED, DONE, LATER, OK, READY, Finding
from kerasfusion.machine.packages import declared, installed_packages
from kerasfusion.roadwork.dry_run.readiness import list_steps
from tests.roadwork.report.material import answered, write_evaluation, write_training

pytestmark = pytest.mark.commands

WEIGHTS = [Finding(about, OK, "there") for about in ("ViT", "EfficientNetV2", "YOLO to start from")]


@pytest.fixture
def run(photos, tmp_path):
    """A run with a report, and its configuration."""
    folder = tmp_path / "run"
    config = write_training(folder, photos)
    write_evaluation(folder, photos, answered(photos))
    (folder / "report.html").touch()
    os.utime(folder / "metrics.json", (1000, 1000))
    return folder, config


def how_far(config):
    steps = list_steps(config, WEIGHTS, declared(), installed_packages(), ())
    return {step.step: step.ready for step in steps if step.step in ("fit", "evaluate", "report")}


def test_an_evaluation_holds_until_its_model_changes(run):
    folder, config = run
    assert how_far(config) == {"fit": DONE, "evaluate": DONE, "report": DONE}
    with (folder / "fusion.keras").open("ab") as file:
        file.write(b"fitted again")
    assert how_far(config) == {"fit": DONE, "evaluate": READY, "report": LATER}


def test_a_report_holds_until_the_metrics_change(run):
    folder, config = run
    os.utime(folder / "report.html", (999, 999))
    assert how_far(config) == {"fit": DONE, "evaluate": DONE, "report": READY}
    (folder / "metrics.json").write_text("[]")
    assert how_far(config) == {"fit": DONE, "evaluate": READY, "report": LATER}


def test_photos_and_cache_at_an_address_are_looked_for_there(run, photos, tmp_path):
    _, config = run
    root, cache = (Address(f"memory://{tmp_path.name}/{name}") for name in ("photos", "cache"))
    config = replace(config, data=replace(config.data, root=root), cache=replace(config.cache, folder=cache))

    def told():
        steps = {step.step: step for step in list_steps(config, WEIGHTS, declared(), installed_packages(), ())}
        return [steps[name].ready for name in ("data", "split", "precompute")], steps["data"].command

    ready, command = told()
    assert ready == [BLOCKED, LATER, LATER]
    assert command == f"kerasfusion data import SOURCE FOLDER, and send FOLDER to {root}"
    for path in photos.rglob("*.jpg"):
        (root / path.relative_to(photos).as_posix()).write_bytes(path.read_bytes())
    assert told()[0][:2] == [DONE, DONE]
