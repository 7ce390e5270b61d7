"""Held-out photos that YOLO has learned from are found by their bytes, whatever their names are now."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import hold_out, scan
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.job import precompute
from kerasfusion.roadwork.precompute.seen_by_yolo import refuse_held_out_photos, refuse_held_out_records, refuse_seen

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
    settings.append(f"cache.folder={tmp_path / 'cache'}")
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
    assert "warning" not in capsys.readouterr().err


def test_a_record_without_digests_is_held_against_the_names_of_train(config, capsys):
    write_record(config, ids_of_train(config))
    refuse_held_out_photos(config, scan(config.data.root), ALL)
    assert capsys.readouterr().err == ""
    (config.data.root / "train" / "roadwork" / "0.jpg").rename(config.data.root / "val" / "roadwork" / "moved.jpg")
    refuse_held_out_photos(config, scan(config.data.root), ALL)
    assert capsys.readouterr().err.startswith("warning: YOLO was trained on other photos than train/ holds now")


@pytest.fixture
def divided(config):
    """Two photos of each class in each of four drives, a fourth of which `fit` holds out: there is no val/."""
    root = config.data.root
    for split in ("train", "val", "test"):
        shutil.rmtree(root / split)
    rows = ["path,group"]
    for name in ("no_roadwork", "roadwork"):
        (root / "train" / name).mkdir(parents=True)
        for number in range(8):
            (root / "train" / name / f"{number}.jpg").write_text(f"{name} {number}")
            rows.append(f"train/{name}/{number}.jpg,drive {number // 2}")
    (root / "groups.csv").write_text("\n".join(rows))
    return replace(config, data=replace(config.data, validation_fraction=0.25))


def parts_of(config, groups):
    return hold_out(scan(config.data.root), 0.25, config.seed, groups)


def groups_of(config):
    return {sample.sample_id: f"key:drive {int(sample.path.stem) // 2}" for sample in scan(config.data.root)}


@pytest.mark.parametrize("on", ["local", "ray://head:10001"])
def test_a_yolo_that_held_photos_out_singly_is_refused_before_the_work(divided, on, capsys):
    """An earlier version knew of no groups: it has learned from photos that are held out with their drive now."""
    train = scan(divided.data.root)
    write_record(divided, [sample.sample_id for sample in parts_of(divided, {})[0]])
    said = r"learned from photos that the head would be fitted on(.|\n)*train-yolo under another --name(.|\n)*singly"
    with pytest.raises(RequestError, match=said):
        refuse_held_out_photos(divided, train, ALL, on)
    refuse_held_out_photos(divided, train, ("test",), on)
    joint = replace(divided, fusion=replace(divided.fusion, fit_on="train"))  # whose fit takes such a YOLO
    refuse_held_out_photos(joint, train, ALL, on)
    write_record(divided, [sample.sample_id for sample in parts_of(divided, groups_of(divided))[0]])
    refuse_held_out_photos(divided, train, ALL, on)
    assert "warning" not in capsys.readouterr().err


def test_what_fit_will_hold_out_of_train_is_looked_for_among_what_yolo_has_seen(divided):
    train = scan(divided.data.root)
    training = parts_of(divided, groups_of(divided))[0]
    digests = [sha256(sample.path.read_bytes()) for sample in training]
    write_record(divided, ids_of_train(divided), train_sha256=digests)
    refuse_held_out_photos(divided, train, ALL)
    (divided.data.root / "groups.csv").unlink()  # a set of before: each photo by itself
    seen = {sample.sample_id for sample in training} & {sample.sample_id for sample in parts_of(divided, {})[1]}
    assert seen
    with pytest.raises(RequestError, match=f"learned from {len(seen)} of 4 held-out photos: {min(seen)}"):
        refuse_held_out_photos(divided, train, ALL)


def test_reading_held_out_photos_shows_progress_and_a_cluster_leaves_them_to_its_machines(config, capsys):
    write_record(config, ids_of_train(config), train_sha256=contents(config, "val"))
    with pytest.raises(RequestError, match="learned from 2 of 4 held-out photos"):
        refuse_held_out_photos(config, scan(config.data.root), ALL)
    assert capsys.readouterr().err.startswith("check what YOLO has seen: 4/4, ")
    refuse_held_out_photos(config, scan(config.data.root), ALL, "ray://head:10001")
    assert capsys.readouterr().err == ""
    shard = branch_cache.shard_path(config.cache.folder, "val", 0)
    half = np.full((1, 2), 0.5, np.float32)
    branch_cache.write_shard(
        shard,
        [
            branch_cache.Record(sample.sample_id, sha256(sample.path.read_bytes()), "val", sample.label, half, half)
            for sample in scan(config.data.root, ("val",))
        ],
    )
    refuse_held_out_records(config, "val", [shard])
    with pytest.raises(RequestError, match="learned from 2 of 2 held-out photos"):
        refuse_held_out_records(config, "val", [shard], "ray://head:10001")


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
