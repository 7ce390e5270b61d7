"""--dry-run of train-yolo, precompute and fit: exact counts, nothing written, wrong requests refused."""

import json
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.config import to_yaml
from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import MAX_PIXELS
from kerasfusion.machine.step_clock import Pace
from kerasfusion.roadwork.branches.vit import read_checkpoint
from kerasfusion.roadwork.config import Views
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.dry_run import precompute as precompute_module
from kerasfusion.roadwork.dry_run import train_yolo as yolo_module
from kerasfusion.roadwork.dry_run.fit import estimate_fit
from kerasfusion.roadwork.dry_run.head_trial import HEAD_EPOCHS
from kerasfusion.roadwork.dry_run.precompute import estimate_precompute
from kerasfusion.roadwork.dry_run.train_yolo import estimate_yolo
from kerasfusion.roadwork.precompute.branch_cache import shard_path, write_manifest
from kerasfusion.roadwork.precompute.job import precompute
from kerasfusion.roadwork.precompute.manifest import find_manifest
from kerasfusion.roadwork.yolo_training.pictures import write_training_tree
from kerasfusion.trainer import Checkpoint, write_checkpoint

pytestmark = pytest.mark.usefixtures("yolo_in_this_process")


def files_below(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def stages_of(estimate):
    return {stage.stage: stage for stage in estimate.stages}


def test_precompute_counts_photos_that_are_not_in_the_cache(make_config, tmp_path):
    config = make_config(tmp_path)
    estimate = estimate_precompute(config)
    assert not any(tmp_path.iterdir())
    assert stages_of(estimate)["ask both"].count == 48
    assert estimate.facts["train"]["photos"] == 24
    assert estimate.facts["train"]["roadwork"] == 12
    assert estimate.facts["test"]["in_the_cache"] == 0
    assert all(stage.seconds > 0 for stage in estimate.stages)
    assert estimate.memory > 10**8
    checkpoint = read_checkpoint(config.vit.weights, config.vit.class_names)
    write_manifest(config.cache.folder, find_manifest(config, checkpoint, 32, None))  # as a run that was killed left it
    done = shard_path(config.cache.folder, "train", 1)
    done.parent.mkdir(parents=True)
    done.touch()
    estimate = estimate_precompute(config, ("train",))
    assert stages_of(estimate)["ask both"].count == 24 - config.cache.shard_size
    assert estimate.facts["train"]["in_the_cache"] == 8


def test_the_pace_of_photos_leaves_out_the_first_ones():
    batch, tail = 16, 0.01
    stamps = [0.0]
    for number in range(16 * 8):  # the first three batches take longer: read ahead, and the graph
        stamps.append(stamps[-1] + (0.1 if number < 48 else tail))
    photo, first = precompute_module._pace(stamps, batch)
    assert photo == pytest.approx(tail)
    assert first == pytest.approx(48 * (0.1 - tail))
    assert precompute_module._pace([0.0, 1.0, 3.0], batch) == (pytest.approx(1.5), 0.0)


def test_precompute_of_missing_photos_is_refused(make_config, tmp_path):
    config = make_config(tmp_path, f"data.root={tmp_path / 'gone'}")
    with pytest.raises(RequestError, match="does not exist"):
        estimate_precompute(config)


def test_precompute_of_a_split_without_photos_is_refused(make_config, photos, tmp_path):
    shutil.copytree(photos / "train", tmp_path / "photos" / "train")
    config = make_config(tmp_path, f"data.root={tmp_path / 'photos'}")
    for work in (precompute, estimate_precompute):
        with pytest.raises(RequestError, match=r"no photos in val/, test/(.|\n)*photos"):
            work(config, ("val", "test"))
    assert not config.cache.folder.exists()


def test_train_yolo_counts_steps_and_leaves_nothing(photos, tmp_path, make_config):
    settings = replace(
        make_config(tmp_path).yolo, model="yolo11n-cls.yaml", image_size=32, epochs=7, batch=10, workers=0
    )
    train, val = scan(photos, ("train",)), scan(photos, ("val",))
    estimate = estimate_yolo(train, val, settings, tmp_path / "runs" / "toy", seed=0)
    assert not any(tmp_path.iterdir())
    stages = stages_of(estimate)
    assert stages["train"].count == 7 * 3
    assert stages["validate"].count == 8 * 12  # each epoch, and the best one at the end
    assert stages["make small copies"].count == 36
    assert estimate.facts["network"]["parameters"] == 1_533_666
    assert stages["train"].seconds_each > 0


def test_train_yolo_on_views_validates_every_view(photos, tmp_path, make_config):
    settings = replace(
        make_config(tmp_path).yolo, model="yolo11n-cls.yaml", image_size=32, epochs=7, batch=10, workers=0
    )
    train, val = scan(photos, ("train",)), scan(photos, ("val",))
    views, run_folder = Views("mix", 3), tmp_path / "runs" / "toy"
    estimate = estimate_yolo(train, val, settings, run_folder, seed=0, views=views)
    assert not any(tmp_path.iterdir())
    stages = stages_of(estimate)
    assert stages["train"].count == 7 * 3  # each photo once an epoch, whatever view
    assert stages["validate"].count == 8 * 12 * 3
    assert stages["make small copies"].count == 36
    assert estimate.facts["views"] == {"a_photo": 3, "layout": "mix"}
    write_training_tree(train, val, tmp_path / "tree", 32, views, MAX_PIXELS, print)
    written = sum(path.stat().st_size for path in (tmp_path / "tree").rglob("*.*"))
    weights = (estimate.disk[str(run_folder / "yolo")] - written) / 4
    assert 2_000_000 < weights < 4_000_000  # of a state of 1.5 million numbers in 16 bits


def test_a_pretrained_file_that_is_not_here_is_not_downloaded(photos, tmp_path, make_config, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = replace(make_config(tmp_path).yolo, model="yolo11n-cls.pt", image_size=32, batch=10, workers=0)
    monkeypatch.setattr(yolo_module.ultralytics_models, "download_published", lambda path: pytest.fail("downloaded"))
    asked = []
    monkeypatch.setattr(yolo_module.ultralytics_models, "_open_classifier", asked.append)
    yolo_module.ultralytics_models.starting_model(settings.model, download=False)
    assert asked == ["yolo11n-cls.yaml"]
    with pytest.raises(RequestError, match="publishes no classifier"):
        yolo_module.ultralytics_models.starting_model("nobody-cls.pt", download=False)


def test_train_yolo_without_a_class_is_refused(photos, tmp_path, make_config):
    train = [sample for sample in scan(photos, ("train",)) if sample.label]
    with pytest.raises(RequestError, match="no train photos of no_roadwork"):
        estimate_yolo(train, train, make_config(tmp_path).yolo, tmp_path, seed=0)


@pytest.fixture(scope="module")
def plain(cached, tmp_path_factory):
    """Features worked out once: quick. Pixels of its own: other tests keep features in the shared ones."""
    pixels = tmp_path_factory.mktemp("estimated") / "pixels"
    return replace(cached, fit=replace(cached.fit, augmentation="none", pixel_cache=pixels), name="estimated")


def test_fit_counts_steps_and_leaves_nothing(plain):
    folder = plain.runs_folder.parent
    before = files_below(folder)
    estimate = estimate_fit(plain)
    assert files_below(folder) == before
    stages = stages_of(estimate)
    assert stages["train"].count == 3 * 3  # 24 photos in batches of 8
    assert stages["validate"].count == 3
    assert stages["features"].count == 36
    assert stages["fit the head"].count == plain.fusion.epochs
    assert stages["compose and compare in a clean process"].seconds > 0
    assert estimate.facts["train"]["photos"] == 24
    assert estimate.facts["network"]["trained"] == 1280 * 2 + 2 + 3 * 2 + 2
    assert HEAD_EPOCHS[0] < HEAD_EPOCHS[1]
    assert plain.run_folder not in folder.iterdir()


def test_finished_epochs_are_not_counted_again(plain, monkeypatch):
    from kerasfusion.roadwork.dry_run import fit_trial

    checkpoint = plain.run_folder / "checkpoints" / "efficientnetv2.npz"
    write_checkpoint(checkpoint, Checkpoint(epoch=2))
    assert fit_trial.check(plain, restart=False).epochs == 1
    assert fit_trial.check(plain, restart=True).epochs == 3
    write_checkpoint(checkpoint, Checkpoint(epoch=2, finished=True))
    assert fit_trial.check(plain, restart=False).epochs == 0


def test_what_the_one_file_lacks_is_named_with_its_place(plain, tmp_path):
    from kerasfusion.roadwork.dry_run import fit as module
    from kerasfusion.roadwork.dry_run import fit_trial

    gone = replace(
        plain,
        vit=replace(plain.vit, weights=str(tmp_path / "no-vit")),
        yolo=replace(plain.yolo, weights=tmp_path / "best.pt"),
    )
    request = fit_trial.check(gone, restart=True)
    kept = {"pixels": [True, True], "features": [True, True]}
    facts = module._facts(request, kept)
    assert str(tmp_path / "no-vit") in facts["composed"]
    assert f"the YOLO weights are not at {tmp_path / 'best.pt'}" in facts["composed"]
    assert facts["done_before"] == {"epochs": 0, "splits_with_pixels": 2, "splits_with_features": 2}


def test_features_that_are_kept_take_no_time(plain):
    from kerasfusion.roadwork.dry_run import fit as module
    from kerasfusion.roadwork.dry_run import fit_trial

    request = fit_trial.check(plain, restart=True)
    trial = fit_trial.Trial(0.1, 0.1, 9.0, Pace(1, 0.1, 1, 0.1, 1, 0.1, 1), 8, (0.0, 0.0), 0.0, 1)
    for there, seconds in (([True, True], 0.0), ([True, False], 9 + 12 * 0.1), ([False, False], 18 + 36 * 0.1)):
        stages = module._stages(request, trial, {"pixels": [True, True], "features": there}, 1.0)
        features = next(stage for stage in stages if stage.stage == "features")
        assert features.seconds == pytest.approx(seconds)


def test_the_commands_refuse_wrong_requests_and_lone_json(plain, tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(to_yaml(plain))

    def run(*arguments):
        return CliRunner().invoke(main, [*map(str, arguments), "-c", str(path)])

    lone = run("fit", "--json")
    assert (lone.exit_code, "--dry-run" in lone.output) == (2, True)
    missing = run("fit", "--dry-run", "--cache", tmp_path / "gone")
    assert (missing.exit_code, "there is no branch cache" in missing.output) == (2, True)
    shown = run("precompute", "--dry-run", "--json", "--cache", tmp_path / "gone", "--split", "test")
    assert json.loads(shown.stdout)["test"]["photos"] == 12
    assert not (tmp_path / "gone").exists()
