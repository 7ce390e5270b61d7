import csv
import dataclasses
import hashlib
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.images.decoding import ImageError
from kerasfusion.roadwork.branches.yolo_classifier import YoloClassifier
from kerasfusion.roadwork.config import Views, Yolo, YoloAugmentation
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, scan
from kerasfusion.roadwork.yolo_training.augmentation import ignored_lines, split_augmentation
from kerasfusion.roadwork.yolo_training.checkpoints import Checkpoints
from kerasfusion.roadwork.yolo_training.epochs import Epoch
from kerasfusion.roadwork.yolo_training.fresh_views import FreshViews
from kerasfusion.roadwork.yolo_training.job import _finish, train_yolo

pytestmark = pytest.mark.trains


SETTINGS = Yolo(model="yolo11n-cls.yaml", image_size=32, epochs=3, batch=8)


def write_photos(root, split, count):
    """Dark photos without roadwork, bright ones with; the first of each class is a JPEG that ultralytics re-saves."""
    rng = np.random.default_rng(count)
    for label, name in enumerate(CLASS_NAMES):
        folder = root / split / name
        folder.mkdir(parents=True)
        for i in range(count):
            pixels = (rng.integers(0, 70, (40 + i, 60, 3)) + 150 * label).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG")
            # Bytes after the end marker, as some cameras leave them.
            (folder / f"{i}.jpg").write_bytes(buffer.getvalue() + b"\0\0" * (i == 0))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, "train", 6)
    write_photos(folder, "val", 2)
    return folder


def state(folder):
    return {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")}


def run(root, run_folder, settings=SETTINGS, seed=5, report=lambda line: None, **options):
    train, val = scan(root, ("train",)), scan(root, ("val",))
    return train_yolo(train, val, settings, run_folder, seed=seed, report=report, **options)


def read_history(training):
    with training.history.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    """One training: its folder, what it returned, the lines it reported, and the photos' state before."""
    folder, lines, before = tmp_path_factory.mktemp("run"), [], state(root)
    training = run(root, folder, report=lines.append)
    return folder, training, lines, before


def test_what_a_training_leaves(finished):
    folder, training, _, _ = finished
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == {f"yolo/{name}" for name in ("best.pt", "training.json", "ultralytics.log", "yolo_history.csv")}
    assert [row["epoch"] for row in read_history(training)] == ["1", "2", "3"]
    assert YoloClassifier(training.weights).predict(np.zeros((1, 32, 32, 3), np.uint8)).shape == (1, 2)


def test_the_photos_are_left_as_they_were(root, finished):
    assert state(root) == finished[3]


def test_a_photo_without_its_end_marker_is_named_and_left_as_it_was(tmp_path):
    root = tmp_path / "photos"
    write_photos(root, "train", 2)
    write_photos(root, "val", 2)
    photo = root / "train" / "roadwork" / "1.jpg"
    photo.write_bytes(photo.read_bytes()[:-2])
    before = state(root)
    with pytest.raises(ImageError, match=r"train/roadwork/1\.jpg"):
        run(root, tmp_path / "run")
    assert state(root) == before
    assert not (tmp_path / "run" / "yolo" / "work").exists()


def test_the_record_says_what_was_trained_on_what(finished, root):
    _, training, _, _ = finished
    record = json.loads((training.weights.parent / "training.json").read_text())
    assert record == training.record
    ids = sorted(f"train/{name}/{i}.jpg" for name in CLASS_NAMES for i in range(6))
    assert record["train"] == {
        "splits": ["train"],
        "n": 12,
        "sample_ids_sha256": hashlib.sha256("".join(f"{name}\n" for name in ids).encode()).hexdigest(),
    }
    photos = [path.read_bytes() for path in (root / "train").rglob("*.jpg")]
    assert record["train_sha256"] == sorted(hashlib.sha256(photo).hexdigest() for photo in photos)
    assert record["val"]["n"] == 4
    assert record["weights_sha256"] == hashlib.sha256(training.weights.read_bytes()).hexdigest()
    assert (record["model"], record["epochs"], record["seed"]) == ("yolo11n-cls.yaml", 3, 5)
    best = max(float(row["metrics/accuracy_top1"]) for row in read_history(training))
    assert record["val_top1"] == pytest.approx(best)


def test_the_settings_reach_ultralytics(finished):
    log = (finished[0] / "yolo" / "ultralytics.log").read_text(encoding="utf-8")
    for setting in ("hsv_h=0.05", "auto_augment=None", "batch=8", "imgsz=32", "amp=False", "plots=False", "seed=5"):
        assert f" {setting}," in log
    assert "\x1b" not in log


def test_one_line_an_epoch_and_one_for_each_reason_why_settings_have_no_effect(finished):
    lines = finished[2]
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in epochs] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    without = [line.partition(": ")[0] for line in lines if "no effect" in line]
    assert without == ["yolo.augmentation.degrees, translate, shear, perspective, mixup have no effect"]
    assert len(lines) == len(epochs) + len(without) + 1


def test_ultralytics_prints_nothing_by_itself(root, tmp_path, capfd):
    run(root, tmp_path, dataclasses.replace(SETTINGS, epochs=1))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_finished_training_is_not_repeated(root, finished):
    folder, training, _, _ = finished
    before, lines = state(folder), []
    assert run(root, folder, report=lines.append) == training
    assert state(folder) == before
    assert "already trained" in lines[0]


def test_one_from_when_mosaic_was_on_by_default_is_not_repeated_either(root, finished):
    then = dataclasses.replace(SETTINGS, augmentation=YoloAugmentation(mosaic=1.0))
    assert run(root, finished[0], then) == finished[1]


def test_pictures_of_a_training_that_was_killed_at_its_very_end_go(root, finished):
    folder = finished[0]
    tree = folder / "yolo" / "work" / "tree"
    tree.mkdir(parents=True)
    (tree / "a.png").write_bytes(b"one of thousands")
    run(root, folder)
    assert not (folder / "yolo" / "work").exists()


def test_another_request_does_not_overwrite_it(root, finished):
    before, begun = state(finished[0]), []
    with pytest.raises(RequestError, match=r"epochs: was 3, is now 4\n  - seed: was 5, is now 6"):
        run(root, finished[0], dataclasses.replace(SETTINGS, epochs=4), seed=6, begin=lambda: begun.append(1))
    assert state(finished[0]) == before
    assert not begun


def test_weights_of_someone_else_are_not_overwritten(root, tmp_path):
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "best.pt").write_bytes(b"theirs")
    with pytest.raises(RequestError, match="would be overwritten"):
        run(root, tmp_path)
    assert (tmp_path / "yolo" / "best.pt").read_bytes() == b"theirs"


def test_a_stopped_training_goes_on_also_in_a_folder_that_was_moved(root, tmp_path):
    def stop_after_two(line):
        if line.startswith("epoch 2/"):
            raise KeyboardInterrupt

    first, folder = tmp_path / "first", tmp_path / "moved"
    with pytest.raises(KeyboardInterrupt):
        run(root, first, report=stop_after_two)
    left = {path.relative_to(first / "yolo").as_posix() for path in (first / "yolo").glob("*/*")}
    assert left == {"work/epoch-00002"}
    first.rename(folder)

    with pytest.raises(RequestError, match="seed: was 5, is now 6"):
        run(root, folder, seed=6)

    lines = []
    training = run(root, folder, report=lines.append)
    assert "continuing after epoch 2 of 3" in lines
    assert [line.split(":")[0] for line in lines if line.startswith("epoch")] == ["epoch 3/3"]
    assert [row["epoch"] for row in read_history(training)] == ["1", "2", "3"]
    assert not (folder / "yolo" / "work").exists()
    assert not first.exists()
    assert training.record["epochs"] == 3


@pytest.fixture
def looked_at(monkeypatch):
    """(epoch, photo) of every training picture."""
    places, make = [], FreshViews.__getitem__
    monkeypatch.setattr(FreshViews, "__getitem__", lambda self, place: places.append(place) or make(self, place))
    return places


def test_a_training_on_views_sees_each_photo_once_an_epoch_also_when_it_was_stopped(root, tmp_path, looked_at):
    def stop_after_one(line):
        if line.startswith("epoch 1/"):
            raise KeyboardInterrupt

    views, lines = Views("mix", 3), []
    with pytest.raises(KeyboardInterrupt):
        run(root, tmp_path, views=views, report=stop_after_one)
    assert sorted(looked_at) == [(0, number) for number in range(12)]
    looked_at.clear()
    for other in (Views("crop", 3), Views("mix", 4), Views("mix", 1)):
        with pytest.raises(RequestError, match=r"views(\.count|\.layout)?: was"):
            run(root, tmp_path, views=other)
    training = run(root, tmp_path, views=views, report=lines.append)
    assert sorted(looked_at) == [(epoch, number) for epoch in (1, 2) for number in range(12)]
    assert not [line for line in lines if "no effect" in line]
    assert "preparing 12 training and 12 validation pictures" in lines
    assert training.record["views"]["count"] == 3
    assert training.record["augmentation"]["degrees"] == 25.0


@pytest.mark.parametrize("count", [0, 1])
def test_a_training_from_before_there_were_views_is_the_same_as_one_on_photos_alone(root, finished, tmp_path, count):
    before = json.loads((finished[0] / "yolo" / "training.json").read_text(encoding="utf-8"))
    shutil.copytree(finished[0] / "yolo", tmp_path / "yolo")
    assert before.pop("views") is None
    (tmp_path / "yolo" / "training.json").write_text(json.dumps(before), encoding="utf-8")
    lines = []
    assert run(root, tmp_path, views=Views(count=count), report=lines.append).record == before
    assert "already trained" in lines[0]
    with pytest.raises(RequestError, match="views: was null, is now"):
        run(root, tmp_path, views=Views(count=2))


def test_a_failure_inside_ultralytics_points_to_its_log(root, tmp_path):
    # 12 photos in batches of 11: a last batch of one photo is refused at this size, by ultralytics or by torch.
    with pytest.raises(KerasFusionError, match=r"value per channel[^$]*ultralytics\.log[^$]*a batch held") as caught:
        run(root, tmp_path, dataclasses.replace(SETTINGS, batch=11))
    assert caught.value.exit_code == 1
    assert not (tmp_path / "yolo" / "work").exists()


def test_the_same_seed_gives_the_same_weights(root, finished, tmp_path):
    again = run(root, tmp_path)
    gray = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        YoloClassifier(again.weights).predict(gray), YoloClassifier(finished[1].weights).predict(gray)
    )
    losses = [[row["train/loss"] for row in read_history(training)] for training in (again, finished[1])]
    assert losses[0] == losses[1]


def test_training_from_given_weights(root, finished, tmp_path):
    model = str(finished[1].weights)
    training = run(root, tmp_path, dataclasses.replace(SETTINGS, model=model, epochs=1))
    assert training.record["model_sha256"] == finished[1].record["weights_sha256"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_missing_class_or_split_is_refused(root, tmp_path, split):
    samples = {"train": scan(root, ("train",)), "val": scan(root, ("val",))}
    samples[split] = [sample for sample in samples[split] if sample.label == 0]
    with pytest.raises(RequestError, match=f"no {split} photos of roadwork"):
        train_yolo(samples["train"], samples["val"], SETTINGS, tmp_path, seed=1)
    samples[split] = []
    with pytest.raises(RequestError, match=f"no {split} photos of no_roadwork and roadwork"):
        train_yolo(samples["train"], samples["val"], SETTINGS, tmp_path, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_an_image_size_that_ultralytics_would_change(root, tmp_path):
    with pytest.raises(RequestError, match="multiple of 32"):
        run(root, tmp_path, dataclasses.replace(SETTINGS, image_size=100))


def test_settings_that_are_off_are_not_reported():
    asked = {"hsv_h": 0.05, "degrees": 0.0, "shear": 5.0, "mosaic": 1.0, "auto_augment": None}
    applied, ignored = split_augmentation(asked)
    assert applied == {"hsv_h": 0.05, "auto_augment": None}
    assert ignored == {
        "shear": "used only where photos have views (views.count of 2 or more)",
        "mosaic": "ultralytics does not use it for classification",
    }
    applied, ignored = split_augmentation(asked, with_views=True)
    assert applied == {"hsv_h": 0.05, "degrees": 0.0, "shear": 5.0, "auto_augment": None}
    assert list(ignored) == ["mosaic"]


def test_auto_augment_takes_the_place_of_the_colour_jitter():
    applied, ignored = split_augmentation({"hsv_h": 0.05, "hsv_s": 0.0, "auto_augment": "randaugment"})
    assert applied["auto_augment"] == "randaugment"
    assert list(ignored) == ["hsv_h"]
    assert "randaugment" in ignored["hsv_h"]


def test_what_has_no_effect_is_told_in_a_line_a_reason():
    ignored = {"degrees": "no views", "mosaic": "not for this", "shear": "no views"}
    assert ignored_lines(ignored) == [
        "yolo.augmentation.degrees, shear have no effect: no views",
        "yolo.augmentation.mosaic has no effect: not for this",
    ]


def test_a_half_written_checkpoint_is_not_used(tmp_path):
    def save(number):
        (checkpoints.session / "weights" / "last.pt").write_text(f"weights {number}")
        (checkpoints.session / "results.csv").write_text(f"rows {number}")
        checkpoints.save(Epoch(number, 9, loss=1, val_loss=1, top1=1, best=True, seconds=1))

    checkpoints = Checkpoints(tmp_path, {"seed": 1})
    assert not checkpoints.restore()
    save(1)
    save(2)
    # As a kill in the middle of the third leaves it, with the session's own files cut short.
    (tmp_path / "new-00003" / "weights").mkdir(parents=True)
    (checkpoints.session / "weights" / "last.pt").write_text("")

    again = Checkpoints(tmp_path, {"seed": 1})
    assert again.restore()
    assert again.epoch == 2
    assert (again.session / "weights" / "last.pt").read_text() == "weights 2"
    assert (again.session / "results.csv").read_text() == "rows 2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-00002", "session"]


def test_a_training_whose_weights_could_not_be_moved_keeps_its_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path / "work", {"seed": 1})
    checkpoints.restore()
    (checkpoints.session / "weights" / "best.pt").write_text("weights")
    (checkpoints.session / "results.csv").write_text("rows")
    checkpoints.save(Epoch(1, 2, loss=1, val_loss=1, top1=1, best=True, seconds=1))
    (tmp_path / "best.pt").mkdir()  # nothing can be renamed to it
    with pytest.raises(OSError):
        _finish(tmp_path, checkpoints.session, {})
    (tmp_path / "best.pt").rmdir()
    assert (tmp_path / "training.json").exists()
    checkpoints.clean()
    again = Checkpoints(tmp_path / "work", {"seed": 1})
    assert again.restore() and again.epoch == 1
    assert (again.session / "weights" / "best.pt").read_text() == "weights"


def test_a_checkpoint_from_before_there_were_views_is_of_photos_alone(tmp_path):
    before = Checkpoints(tmp_path, {"seed": 1})
    before.restore()
    (before.session / "results.csv").write_text("rows")
    before.save(Epoch(1, 9, loss=1, val_loss=1, top1=1, best=True, seconds=1))
    assert Checkpoints(tmp_path, {"seed": 1, "views": None}).restore()
    with pytest.raises(RequestError, match="views: was null, is now"):
        Checkpoints(tmp_path, {"seed": 1, "views": {"count": 4}}).restore()
