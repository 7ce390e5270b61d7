"""Photos and branch cache behind an address: the same cache to the byte, each photo read once, each shard sent once."""

import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasfusion.address import Address
from kerasfusion.config import load_config, to_yaml
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import scan, scan_at_home
from kerasfusion.roadwork.fit.training_data import load_photos, load_split
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.job import precompute
from tests.material.hugging_face_vit import write_vit
from tests.material.s3_server import BUCKET, fetch, s3_server, send, system
from tests.roadwork.precompute.test_precompute import no_branches, tree

pytestmark = [pytest.mark.usefixtures("yolo_in_this_process"), pytest.mark.commands]


@pytest.fixture(scope="module")
def asked():
    """What the server of this file was asked."""
    with s3_server() as asked:
        yield asked


@pytest.fixture(scope="module")
def sent(asked, photos):
    """The address of the generated photos."""
    return send(photos, "photos")


@pytest.fixture(scope="module")
def there(asked, sent, make_config, tmp_path_factory):
    """The toy configuration with photos and a finished cache at an address, and what it took."""
    folder = tmp_path_factory.mktemp("there")
    config = make_config(folder, f"data.root={sent}", f"cache.folder=s3://{BUCKET}/cache")
    asked.requests.clear()
    with pytest.MonkeyPatch.context() as patch:
        from tests.conftest import YoloInThisProcess

        patch.setattr("kerasfusion.roadwork.precompute.answering.YoloProcess", YoloInThisProcess)
        precompute(config)
    return config, list(asked.requests)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home folder of one test."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))


def test_the_photos_are_listed_as_those_of_a_folder(sent, photos):
    here, away = scan(photos), scan(Address(sent))
    assert [(s.sample_id, s.split, s.label) for s in away] == [(s.sample_id, s.split, s.label) for s in here]
    assert [s.path.url for s in away] == [f"{sent}/{s.sample_id}" for s in here]
    assert [s.path.size for s in away] == [s.path.stat().st_size for s in here]


def test_what_no_listing_takes_is_left_out(asked):
    root = Address(f"s3://{BUCKET}/odd")
    for name in (
        "train/roadwork/a.jpg",
        "train/roadwork/deep/b.PNG",
        "train/roadwork/notes.txt",
        "train/roadwork/.hidden/c.jpg",
        "train/roadwork/Thumbs.db",
        "train/.DS_Store/d.jpg",
        "train/roadwork//a.jpg",
        "train/no_roadwork/e f #1.jpg",
        "others/roadwork/g.jpg",
    ):
        Address(f"{root}/{name}").write_bytes(b"1")
    assert [sample.sample_id for sample in scan(root)] == [
        "train/no_roadwork/e f #1.jpg",
        "train/roadwork/a.jpg",
        "train/roadwork/deep/b.PNG",
    ]
    (root / "val/cones/a.jpg").write_bytes(b"1")
    with pytest.raises(RequestError, match=r"unknown class folder\(s\): cones"):
        scan(root)
    with pytest.raises(RequestError, match="no photos in train/, val/, test/"):
        scan(Address(f"s3://{BUCKET}/nothing"))
    with pytest.raises(RequestError, match="there is no bucket elsewhere"):
        scan(Address("s3://elsewhere/photos"))


def test_the_cache_is_the_local_one_to_the_byte(there, cached, tmp_path):
    assert tree(fetch("cache", tmp_path / "brought")) == tree(cached.cache.folder)


def test_each_photo_is_read_once_and_each_shard_sent_once(there, photos):
    _, requests = there
    read = [path for method, path in requests if method == "GET" and path.endswith(".jpg")]
    assert sorted(read) == sorted(f"/{BUCKET}/photos/{sample.sample_id}" for sample in scan(photos))
    sent = [path for method, path in requests if method == "PUT" and "shards" in path]
    assert len(sent) == len(set(sent)) == 3 + 2 + 2  # 24, 12 and 12 photos in shards of 8
    assert not [path for method, path in requests if method in ("DELETE", "POST")]


def test_a_second_run_makes_and_reads_nothing_again(there, asked, cached, tmp_path):
    config, _ = there
    asked.requests.clear()
    precompute(config)
    assert not asked.counts("PUT", "shards") and not asked.counts("GET", ".jpg")
    assert tree(fetch("cache", tmp_path / "brought")) == tree(cached.cache.folder)


def test_a_photo_that_yolo_has_learned_from_is_found_once_it_was_read(sent, photos, make_config, tmp_path, monkeypatch):
    seen = scan(photos, ("test",))[3]
    record = {"train": None, "train_sha256": [file_sha256(seen.path)]}
    for name in ("seen_by_yolo", "manifest"):
        monkeypatch.setattr(f"kerasfusion.roadwork.precompute.{name}.yolo_record", lambda weights: record)
    config = make_config(tmp_path, f"data.root={sent}")
    with pytest.raises(RequestError, match=f"learned from 1 of 12 held-out photos: {seen.sample_id}"):
        precompute(config)
    manifest = branch_cache.read_manifest(config.cache.folder)
    assert [manifest["splits"][split]["complete"] for split in ("train", "val", "test")] == [True, True, False]


def test_killed_and_resumed_makes_nothing_twice(asked, sent, make_config, tmp_path, cached):
    config = make_config(tmp_path, f"data.root={sent}", f"cache.folder=s3://{BUCKET}/killed")
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    command = [sys.executable, "-m", "kerasfusion", "precompute", "--config", str(tmp_path / "config.yaml")]
    asked.requests.clear()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not asked.counts("PUT", "killed/shards"):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert 1 <= len(asked.counts("PUT", "killed/shards")) < 7
    precompute(config)
    made = asked.counts("PUT", "killed/shards")
    assert len(made) == 7 and set(made.values()) == {1}
    assert tree(fetch("killed", tmp_path / "brought")) == tree(cached.cache.folder)


def test_training_brings_photos_and_cache_home_once(there, asked, cached):
    config, _ = there
    manifest = branch_cache.read_manifest(config.cache.folder)
    assert manifest == branch_cache.read_manifest(cached.cache.folder)
    expected = *load_photos(cached, manifest), load_split(cached, manifest, "test")
    asked.requests.clear()
    found = *load_photos(config, manifest), load_split(config, manifest, "test")
    for here, away in zip(expected, found, strict=True):
        assert here.digests == away.digests
        assert [sample.sample_id for sample in here.samples] == [sample.sample_id for sample in away.samples]
        assert [s.path.read_bytes() for s in here.samples] == [s.path.read_bytes() for s in away.samples]
        for name in ("labels", "yolo_probs", "vit_probs"):
            np.testing.assert_array_equal(getattr(here, name), getattr(away, name))
    assert set(asked.counts("GET", ".jpg").values()) == set(asked.counts("GET", "tfrecord").values()) == {1}
    asked.requests.clear()
    load_photos(config, manifest)
    assert not asked.counts("GET", ".jpg") and not asked.counts("GET", "tfrecord")


def test_a_copy_of_a_shard_that_was_damaged_is_brought_again(there, cached, tmp_path):
    config, _ = there
    before = branch_cache.read_cache(config.cache.folder, ["val"])
    shards = sorted((tmp_path / "home").rglob("*.tfrecord"))
    assert len(shards) == 2
    data = bytearray(shards[0].read_bytes())
    data[40] ^= 1
    shards[0].write_bytes(data)
    assert branch_cache.read_cache(config.cache.folder, ["val"]).keys() == before.keys()


def test_a_shard_that_another_has_changed_is_refused(there, asked):
    folder = Address(f"s3://{BUCKET}/changed")
    system().copy(f"{BUCKET}/cache", f"{BUCKET}/changed", recursive=True)
    (folder / "shards/val-00001.tfrecord").write_bytes((folder / "shards/val-00000.tfrecord").read_bytes())
    with pytest.raises(KerasFusionError, match="not the one that precompute wrote") as error:
        branch_cache.read_cache(folder, ["val"])
    assert error.value.where == folder / "shards/val-00001.tfrecord"
    system().rm(f"{BUCKET}/changed/shards/test-00000.tfrecord")
    with pytest.raises(KerasFusionError, match="a file is gone") as error:
        branch_cache.read_cache(folder, ["test"])
    assert error.value.where == folder / "shards/test-00000.tfrecord"


def test_a_cache_of_other_weights_is_refused_and_left_alone(there, asked, make_config, tmp_path, monkeypatch):
    config, _ = there
    monkeypatch.setattr("kerasfusion.roadwork.precompute.job.Branches", no_branches)
    weights = write_vit(tmp_path / "vit", seed=1)
    settings = (f"data.root={config.data.root}", f"cache.folder={config.cache.folder}", f"vit.weights={weights}")
    asked.requests.clear()
    with pytest.raises(RequestError, match=r"vit\.sha256") as error:
        precompute(make_config(tmp_path, *settings))
    assert error.value.where == config.cache.folder and not asked.counts("PUT")


def test_shards_without_a_manifest_are_refused(there, asked, make_config, tmp_path, monkeypatch):
    config, _ = there
    monkeypatch.setattr("kerasfusion.roadwork.precompute.job.Branches", no_branches)
    system().copy(f"{BUCKET}/cache/shards", f"{BUCKET}/alone/shards", recursive=True)
    asked.requests.clear()
    with pytest.raises(RequestError, match=r"no manifest\.json") as error:
        precompute(make_config(tmp_path, f"data.root={config.data.root}", f"cache.folder=s3://{BUCKET}/alone"))
    assert error.value.where == Address(f"s3://{BUCKET}/alone/shards") and not asked.counts("PUT")


def test_a_network_that_fails_is_no_unreadable_photo(sent, make_config, tmp_path, monkeypatch, asked):
    config = make_config(tmp_path, f"data.root={sent}", f"cache.folder=s3://{BUCKET}/fails")
    read = Address.read_bytes

    def fail_once(address):
        if address.url.endswith(".jpg") and "val" in address.url:
            raise KerasFusionError("it does not answer as it should")
        return read(address)

    monkeypatch.setattr(Address, "read_bytes", fail_once)
    with pytest.raises(KerasFusionError, match="does not answer"):
        precompute(config, skip_unreadable=True)
    done = branch_cache.read_manifest(config.cache.folder)["splits"]
    assert done["train"]["complete"] and not done["val"]["complete"]


def test_a_photo_that_is_broken_or_gone_is_named_as_on_a_disk(photos, make_config, tmp_path, asked, monkeypatch):
    folder = shutil.copytree(photos / "val", tmp_path / "set" / "val").parent
    names = [sample.sample_id for sample in scan(folder, ("val",))]
    (folder / names[1]).write_bytes(b"no photo")
    root = Address(send(folder, "broken"))
    config = make_config(tmp_path, f"data.root={root}", f"cache.folder=s3://{BUCKET}/broken-cache")
    listed = scan(root)
    system().rm(f"{BUCKET}/broken/{names[10]}")
    monkeypatch.setattr("kerasfusion.roadwork.precompute.job.scan", lambda *_: listed)
    with pytest.raises(KerasFusionError, match=rf"2 unreadable(.|\n)*{names[1]}(.|\n)*{names[10]}: cannot read"):
        precompute(config, ["val"])
    assert not asked.counts("PUT", "broken-cache/shards")
    manifest = precompute(config, ["val"], skip_unreadable=True)
    assert [row["sample_id"] for row in manifest["splits"]["val"]["skipped"]] == [names[1], names[10]]
    assert len(branch_cache.read_cache(config.cache.folder, ["val"])) == 10


def test_a_photo_that_has_changed_since_is_refused(there, asked, make_config, tmp_path, photos):
    config, _ = there
    system().copy(f"{BUCKET}/photos", f"{BUCKET}/newer", recursive=True)
    other = make_config(tmp_path, f"data.root=s3://{BUCKET}/newer", f"cache.folder={config.cache.folder}")
    manifest = branch_cache.read_manifest(other.cache.folder)
    load_photos(other, manifest)
    first, second = scan(photos, ("train",))[:2]
    (other.data.root / first.sample_id).write_bytes(second.path.read_bytes())
    with pytest.raises(RequestError, match=rf"1 photo\(s\) changed since precompute: {first.sample_id}"):
        load_photos(other, manifest)


def test_a_configuration_keeps_the_address(there):
    config, _ = there
    assert f"root: s3://{BUCKET}/photos" in to_yaml(config)
    again = load_config(
        RoadworkConfig, settings=[f"data.root={config.data.root}", f"cache.folder={config.cache.folder}"]
    )
    assert (again.data, again.cache.folder) == (config.data, config.cache.folder)


def test_photos_of_a_folder_stay_where_they_are(photos):
    assert scan_at_home(photos) == scan(photos)
    assert [sample.path for sample in scan_at_home(photos)] == [sample.path for sample in scan(photos)]
