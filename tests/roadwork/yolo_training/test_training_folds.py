"""`train-yolo --folds`: which classifiers are trained on what, in which order, and how it goes on. Ultralytics' own
training is replaced: what it does with one set of photos is tested beside this."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.errors import RequestError
from kerasfusion.roadwork.config import Yolo
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.data.folds import find_folds
from kerasfusion.roadwork.dry_run import train_yolo as dry_run
from kerasfusion.roadwork.yolo_training import job
from kerasfusion.roadwork.yolo_training.epochs import Epoch

pytestmark = pytest.mark.trains

SETTINGS = Yolo(model="yolo11n-cls.yaml", image_size=32, epochs=2, batch=8, folds=3)


@pytest.fixture
def trained(monkeypatch):
    """The photos of each training that was begun; an epoch leaves what ultralytics would leave."""
    seen = []

    def tree(train, val, folder, *others):
        seen.append({sample.sample_id for sample in train})

    def train(model, tree, session, arguments, log, on_epoch):
        for number in (2,) if arguments.get("resume") else (1, 2):
            for name in ("best.pt", "last.pt"):
                (session / "weights" / name).write_text(f"weights of {sorted(seen[-1])[0]} and {len(seen[-1])} photos")
            (session / "results.csv").write_text("epoch\n1\n")
            on_epoch(Epoch(number, 2, loss=1, val_loss=1, top1=1, best=True, seconds=1))
        return 1.0

    monkeypatch.setattr(job, "write_training_tree", tree)
    monkeypatch.setattr(job, "train_epochs", train)
    monkeypatch.setattr(job.ultralytics_models, "load_classifier", lambda path: None)
    monkeypatch.setattr(job.ultralytics_models, "starting_model", lambda model: None)
    return seen


def run(photos, folder, count=3, seed=5, report=lambda line: None, settings=SETTINGS):
    train, val = scan(photos, ("train",)), scan(photos, ("val",))
    folds = find_folds(train, photos, count, seed) if count else None
    return job.train_yolo(train, val, settings, folder, seed=seed, folds=folds, report=report)


def test_a_classifier_without_each_fold_and_one_of_all(photos, tmp_path, trained):
    lines = []
    result = run(photos, tmp_path, report=lines.append)
    everything = {sample.sample_id for sample in scan(photos, ("train",))}
    assert [len(seen) for seen in trained] == [16, 16, 16, 24]
    left_out = [everything - seen for seen in trained[:3]]
    assert set.union(*left_out) == everything
    assert sum(map(len, left_out)) == 24
    assert result.weights == tmp_path / "yolo" / "best.pt"
    assert result.record["train"]["n"] == 24
    assert "fold" not in result.record
    for number in (1, 2, 3):
        folder = tmp_path / "yolo" / f"fold_{number}"
        left = sorted(path.name for path in folder.iterdir())
        assert left == [
            "best.pt",
            "training.json",
            "yolo_history.csv",
        ]  # and ultralytics' log, which is not written here
        record = json.loads((folder / "training.json").read_text())
        assert (record["train"]["n"], record["fold"]["number"], record["fold"]["of"]) == (16, number, 3)
        assert record["fold"]["left_out"]["n"] == 8
    assert lines[lines.index("fold 2 of 3: without 8 of 24 training photos") + 1].startswith("preparing 16 training")
    assert "the classifier of all 24 training photos" in lines


def test_it_goes_on_between_and_within_folds(photos, tmp_path, trained):
    def stop(line):
        stop.seen += line.startswith("epoch 1/")
        if stop.seen == 2:
            raise KeyboardInterrupt

    stop.seen = 0
    with pytest.raises(KeyboardInterrupt):
        run(photos, tmp_path, report=stop)
    assert (tmp_path / "yolo" / "fold_1" / "best.pt").is_file()
    assert not (tmp_path / "yolo" / "fold_2" / "best.pt").exists()
    trained.clear()
    lines = []
    run(photos, tmp_path, report=lines.append)
    assert [len(seen) for seen in trained] == [16, 16, 24]
    assert lines[lines.index("fold 2 of 3: without 8 of 24 training photos") + 1] == "continuing after epoch 1 of 2"
    assert not list((tmp_path / "yolo").rglob("work"))
    trained.clear()
    run(photos, tmp_path, report=lines.append)
    assert not trained
    assert "already trained" in lines[-1]


def test_folds_are_added_to_a_training_without_and_others_are_refused_before_any_is_begun(photos, tmp_path, trained):
    run(photos, tmp_path, count=0)
    before = (tmp_path / "yolo" / "best.pt").read_bytes()
    run(photos, tmp_path)
    assert [len(seen) for seen in trained] == [24, 16, 16, 16]
    assert (tmp_path / "yolo" / "best.pt").read_bytes() == before
    trained.clear()
    for other in ({"count": 5}, {"settings": replace(SETTINGS, epochs=9)}, {"seed": 6}):
        with pytest.raises(RequestError, match=r"asked for in another way:\n(.|\n)*fold_1"):
            run(photos, tmp_path, **other)
    run(photos, tmp_path, count=0)
    assert not trained


def test_a_dry_run_counts_every_classifier(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(dry_run.ultralytics_models, "starting_model", lambda *given, **how: None)
    trial = dry_run.Trial(0.1, 0.1, 1.0, 2.0, 0.5, 0.25, 3.0, 10, 20, 1000, 5, 7, 8)
    monkeypatch.setattr(dry_run, "_try_out", lambda *given: trial)
    train, val = scan(photos, ("train",)), scan(photos, ("val",))
    folds = find_folds(train, photos, 3, 5)
    estimate = dry_run.estimate_yolo(train, val, SETTINGS, tmp_path / "run", seed=5, folds=folds)
    stages = {stage.stage: stage for stage in estimate.stages}
    # 16 photos in two batches of 8 for each fold, and 24 in three.
    assert stages["train"].count == 2 * (2 + 2 + 2 + 3)
    assert stages["make small copies"].count == 3 * (16 + 12) + 24 + 12
    assert stages["validate"].count == 4 * 3 * 12
    assert stages["set up"].count == stages["choose the best epoch"].count == 4
    assert estimate.facts["classifiers"] == {"without_a_fold": 3, "of_all_photos": 1}
    assert estimate.disk == {str(tmp_path / "run" / "yolo"): 24 * 10 + 12 * 20 + 7 * 1000}
    assert not any(tmp_path.iterdir())


def test_the_command_says_of_what_there_are_too_few(photos, tmp_path):
    arguments = ["--data", photos, "--set", f"runs_folder={tmp_path}", "--set", "yolo.model=yolo11n-cls.yaml"]
    found = CliRunner().invoke(main, [*map(str, ["train-yolo", *arguments, "--folds", 4])])
    assert (found.exit_code, "yolo.folds" in found.output) == (2, True)
    (tmp_path / "few").mkdir()
    for sample in scan(photos):
        if sample.split == "val" or sample.path.stem.endswith(("0", "1")):
            target = tmp_path / "few" / sample.sample_id
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(sample.path.read_bytes())
    arguments[1] = tmp_path / "few"
    found = CliRunner().invoke(main, [*map(str, ["train-yolo", *arguments, "--folds", 5])])
    assert found.exit_code == 2
    assert "fold" in found.output and "would hold no photo of" in found.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few"]
