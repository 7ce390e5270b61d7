"""Held-out photos that YOLO has learned from are found by their bytes, whatever their names are now."""

import hashlib
import json

import pytest

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.job import precompute
from kerasfusion.roadwork.precompute.seen_by_yolo import refuse_held_out_photos, refuse_seen

ALL = ("train", "val", "test")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def lines_sha256(lines):
    return sha256("".join(f"{line}\n" for line in lines).encode())


@pytest.fixture
def config(tmp_path):
    """Six photos in train/, two in val/ and two in test/, and weights of which a test writes the record."""
    for split, count in (("train", 3), ("val", 1), ("test", 1)):
        for name in ("no_roadwork", "roadwork"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.jpg").write_text(f"{split} {name} {number}")
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "best.pt").write_bytes(b"weights")
    settings = [f"data.root={tmp_path / 'photos'}", f"yolo.weights={tmp_path / 'yolo' / 'best.pt'}"]
    return load_config(RoadworkConfig, settings=settings)


def write_record(config, ids, **more):
    train = {"splits": ["train"], "n": len(ids), "sample_ids_sha256": lines_sha256(sorted(ids))}
    known = {"weights_sha256": sha256(b"weights"), "model": "yolo11n-cls.yaml", "train": train, "val": train, **more}
    (config.yolo_weights.parent / "training.json").write_text(json.dumps(known))


def ids_of_train(config):
    return [sample.sample_id for sample in scan(config.data.root, ("train",))]


def contents(config, split):
    return sorted(sha256(sample.path.read_bytes()) for sample in scan(config.data.root, (split,)))


def test_a_photo_that_a_new_split_has_moved_out_of_train_is_refused(config, capsys):
    write_record(config, ids_of_train(config), train_sha256=contents(config, "train"))
    refuse_held_out_photos(config, scan(config.data.root), ALL)
    root = config.data.root
    (root / "train" / "roadwork" / "0.jpg").rename(root / "val" / "roadwork" / "moved.jpg")
    (root / "train" / "roadwork" / "1.jpg").rename(root / "test" / "no_roadwork" / "moved.jpg")
    said = r"YOLO has learned from 2 of 6 held-out photos: test/no_roadwork/moved\.jpg, val/roadwork/moved\.jpg"
    with pytest.raises(RequestError, match=rf"{said}(.|\n)*train-yolo under another --name"):
        refuse_held_out_photos(config, scan(root), ALL)
    with pytest.raises(RequestError, match=r"1 of 3 held-out photos: val/roadwork/moved\.jpg"):
        refuse_held_out_photos(config, scan(root), ("train", "val"))
    refuse_held_out_photos(config, scan(root), ("train",))
    assert capsys.readouterr().err == ""


def test_a_record_without_digests_is_held_against_the_names_of_train(config, capsys):
    write_record(config, ids_of_train(config))
    refuse_held_out_photos(config, scan(config.data.root), ALL)
    assert capsys.readouterr().err == ""
    (config.data.root / "train" / "roadwork" / "0.jpg").rename(config.data.root / "val" / "roadwork" / "moved.jpg")
    refuse_held_out_photos(config, scan(config.data.root), ALL)
    assert capsys.readouterr().err.startswith("warning: YOLO was trained on other photos than train/ holds now")


def test_weights_from_elsewhere_are_taken(config, capsys):
    refuse_held_out_photos(config, scan(config.data.root), ALL)
    write_record(config, ids_of_train(config), train_sha256=contents(config, "val"))
    config.yolo_weights.write_bytes(b"others")
    refuse_held_out_photos(config, scan(config.data.root), ALL)
    config.yolo_weights.unlink()  # precompute says so
    refuse_held_out_photos(config, scan(config.data.root), ALL)
    assert capsys.readouterr().err == ""


def test_a_photo_that_cannot_be_read_is_left_to_precompute():
    refuse_seen(["a", "b"], {"val/1.jpg": None, "test/1.jpg": "c"}, "photos")


@pytest.mark.trains
def test_precompute_refuses_such_photos_and_leaves_no_folder(make_config, photos, tmp_path):
    config = make_config(tmp_path)
    seen, other = scan(photos, ("train",))[0], tmp_path / "photos"
    for sample in scan(photos):
        target = other / sample.sample_id
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(sample.path)
    (other / seen.sample_id).rename(other / "test" / "roadwork" / "new-name.png")
    with pytest.raises(
        RequestError, match=r"YOLO has learned from 1 of 25 held-out photos: test/roadwork/new-name\.png"
    ):
        precompute(make_config(tmp_path, f"data.root={other}"))
    assert not config.cache.folder.exists()


@pytest.mark.trains
def test_the_manifest_keeps_what_yolo_learned_from(cached, photos):
    manifest = branch_cache.read_manifest(cached.cache.folder)
    learned = sorted(sha256(sample.path.read_bytes()) for sample in scan(photos, ("train",)))
    assert manifest["yolo"]["train_sha256"] == learned
