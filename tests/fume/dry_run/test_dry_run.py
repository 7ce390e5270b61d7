"""fit --dry-run and ablate --dry-run for fume: exact counts, nothing written, wrong requests refused."""

import json

import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.config import load_config, to_yaml
from kerasfusion.errors import RequestError
from kerasfusion.files.run_folder import claim_checkpoints
from kerasfusion.fume.ablate.cost import costs_of
from kerasfusion.fume.ablate.plan import plan_runs
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.dry_run import ablate
from kerasfusion.fume.dry_run import fit as estimate_module
from kerasfusion.fume.dry_run.fit import Trial, estimate_fit
from kerasfusion.fume.fit import train as train_module
from kerasfusion.fume.fit.train import settings_of
from kerasfusion.fume.fit.training_data import load_split
from kerasfusion.machine.step_clock import Pace
from kerasfusion.trainer import Checkpoint, write_checkpoint
from tests.fume.fit.training_material import HEIGHT, WIDTH, tiny_network, write_set

pytestmark = pytest.mark.trains


COUNTS = {"train": 40, "val": 12, "test": 9}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("frames") / "data", COUNTS)


@pytest.fixture
def make_config(root, tmp_path):
    def make(*settings, name="toy"):
        toy = {
            "experiment.name": name,
            "runs_folder": str(tmp_path / "runs"),
            "data.dataset_root": str(root),
            "data.image_size": [WIDTH, HEIGHT],
            "data.frame_cache": str(tmp_path / "cache"),
            "data.augmentation": None,
            "training.num_epochs": 5,
            "validation.batch_size": 5,
            "model.name": "MultiTaskFastSCNN",
        }
        return load_config(
            FumeConfig, settings=[f"{key}={json.dumps(value)}" for key, value in toy.items()] + list(settings)
        )

    return make


@pytest.fixture
def quick_to_trace(monkeypatch):
    monkeypatch.setattr(train_module, "build_network", tiny_network)


def stages_of(estimate):
    return {stage.stage: stage for stage in estimate.stages}


@pytest.mark.usefixtures("quick_to_trace")
def test_counts_are_exact_and_nothing_is_written(make_config, tmp_path, capsys):
    config = make_config()
    estimate = estimate_fit(config)
    assert "trial of MultiTaskFastSCNN: at most 25 steps of 8 samples, and 6 batches" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
    # A single-frame network sees each gas of a sample by itself: of 40 samples every fourth lacks one, of 12 three.
    assert estimate.facts["train"]["samples"] == estimate.facts["train"]["frames"] == 70
    stages = stages_of(estimate)
    assert stages["train"].count == 5 * 9  # batches of 8
    assert stages["validate"].count == 5 * 5  # 21 frames in batches of 5
    assert stages["keep the models"].count == 5
    assert stages["decode"].count == 70 + 21
    assert stages["train"].seconds > 0
    assert estimate.disk[str(config.data.frame_cache)] == 91 * 2 * WIDTH * HEIGHT
    told = json.loads(json.dumps(estimate.to_json()))
    assert told["measured_on"]["trial"].endswith("training steps on 70 of the samples")


@pytest.fixture
def trial(monkeypatch):
    """Stands in for the trial where its times do not matter."""
    pace = Pace(10, 2, 1, 0.5, 1, 0.25, steps=9)
    made = Trial(pace, around=4, decode=0.1, run_bytes=1000, parameters=10, trainable=9, trained_on=70)
    for module in (estimate_module, ablate):
        monkeypatch.setattr(module, "try_out", lambda *arguments: made)
    return made


def test_what_is_there_already_is_not_counted_again(make_config, trial):
    config = make_config()
    digests = [load_split(config, split).digest for split in ("train", "val")]
    claim_checkpoints(config.run_folder, settings_of(config, *digests))
    write_checkpoint(config.run_folder / "checkpoints" / "state.npz", Checkpoint(epoch=3))
    estimate = estimate_fit(config)
    assert stages_of(estimate)["train"].count == 2 * 9
    assert stages_of(estimate)["decode"].count == 0
    assert estimate.facts["done_before"] == {"epochs": 3, "splits_decoded": 2}
    assert stages_of(estimate_fit(config, restart=True))["train"].count == 5 * 9
    write_checkpoint(config.run_folder / "checkpoints" / "state.npz", Checkpoint(epoch=3, finished=True))
    assert stages_of(estimate_fit(config))["train"].seconds == 0
    with pytest.raises(RequestError, match=r"training.batch_size: was 8, is now 4"):
        estimate_fit(make_config("training.batch_size=4"))


def test_times_follow_from_the_trial(make_config, trial):
    stages = stages_of(estimate_fit(make_config()))
    assert stages["train"].seconds == pytest.approx(45 * 2 + 10)
    assert stages["validate"].seconds == pytest.approx(25 * 0.5 + 1)
    assert stages["keep the models"].seconds == pytest.approx(5 * 0.25 + 1)
    assert stages["decode"].seconds == pytest.approx(91 * 0.1)


def test_wrong_requests_are_refused_by_the_command(make_config, tmp_path, trial):
    path = tmp_path / "toy.yaml"
    path.write_text(to_yaml(make_config()))
    gone = CliRunner().invoke(main, ["fit", "-c", str(path), "--dry-run", "--data", str(tmp_path / "gone")])
    assert gone.exit_code == 2
    shown = CliRunner().invoke(main, ["fit", "-c", str(path), "--dry-run", "--json"])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["steps"] == {"epochs": 5, "steps_an_epoch": 9, "batch": 8}
    assert [each.name for each in tmp_path.iterdir()] == ["toy.yaml"]


def test_an_ablation_is_told_from_one_trial_and_multiplications(make_config, trial, monkeypatch, capsys):
    tried = []
    monkeypatch.setattr(ablate, "try_out", lambda config, *samples: tried.append(config) or trial)
    macs = {"MultiTaskFastSCNN": 300, "SegmentationOnlyFastSCNN": 100}
    monkeypatch.setattr(ablate, "_step_macs", lambda config, known: macs[config.model.name])
    monkeypatch.setattr("kerasfusion.fume.ablate.cost._parameters", lambda run: 10)
    monkeypatch.setattr(ablate, "process_seconds", lambda: 6.0)
    first, like, half = (
        make_config(name="first"),
        make_config("weighted_sampling=false", name="like"),
        make_config("model.name=SegmentationOnlyFastSCNN", name="half"),
    )
    runs = plan_runs([first, like, half])
    rows = costs_of(runs)
    told = ablate.complete_costs(runs, rows)
    assert [config.experiment.name for config in tried] == ["first"]
    assert told.run == "first"
    assert "count multiplications: 3/3" in capsys.readouterr().err
    assert [row["told_by"] for row in rows] == ["a trial", "a trial", "the trial, by MACs"]
    # start 6 + networks 4 + train 45 x 2 + 10 + validate 25 x 0.5 + 1 + keep 5 x 0.25 + 1 + compare 6 + 4 / 2
    assert rows[0]["minutes_left"] == pytest.approx((6 + 4 + 100 + 13.5 + 2.25 + 8) / 60)
    assert rows[1]["minutes_left"] == rows[0]["minutes_left"]
    assert rows[2]["minutes_left"] == pytest.approx((6 + 4 + (90 / 3 + 10) + (12.5 / 3 + 1) + 2.25 + 8) / 60)


def test_an_ablation_with_slow_steps_is_told_from_smaller_batches(make_config, trial, monkeypatch):
    tried = []
    monkeypatch.setattr(ablate, "try_out", lambda config, *samples: tried.append(config) or trial)
    a_sample = ablate.STEP_MACS / 2.5
    monkeypatch.setattr(ablate, "_step_macs", lambda config, known: a_sample * config.training.batch_size)
    monkeypatch.setattr("kerasfusion.fume.ablate.cost._parameters", lambda run: 10)
    monkeypatch.setattr(ablate, "process_seconds", lambda: 6.0)
    runs = plan_runs([make_config()])
    rows = costs_of(runs)
    told = ablate.complete_costs(runs, rows)
    # Of batches of 8 two samples fit; of 5 in validation that part is 1.25.
    assert [(each.training.batch_size, each.validation.batch_size) for each in tried] == [(2, 1)]
    assert told.run == "toy"
    assert rows[0]["told_by"] == "the trial, by MACs"
    # As above; a step, and a batch of validation, of four times as many samples.
    assert rows[0]["minutes_left"] == pytest.approx((6 + 4 + (45 * 2 * 4 + 10) + (12.5 * 4 + 1) + 2.25 + 8) / 60)
