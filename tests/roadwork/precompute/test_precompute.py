import dataclasses
import json
import shutil
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from kerasfusion.config import to_yaml
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.images.decoding import crop_centre, read_image, squash
from kerasfusion.roadwork.branches.vit import build_vit, read_checkpoint
from kerasfusion.roadwork.branches.yolo_classifier import YoloClassifier
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.dry_run.precompute import estimate_precompute
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.job import precompute
from tests.material.hugging_face_vit import SIZE, write_vit

pytestmark = [pytest.mark.usefixtures("yolo_in_this_process"), pytest.mark.trains]


def tree(folder):
    """Every file of a cache with its digest, without the lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


@pytest.fixture
def own_photos(photos, tmp_path):
    """A copy of the generated photos that a test may change."""
    return shutil.copytree(photos, tmp_path / "photos")


def test_every_photo_is_answered_as_its_branches_answer_it_alone(cached, photos, yolo_weights, vit_folder):
    records = branch_cache.read_cache(cached.cache.folder, ("train", "val", "test"))
    samples = scan(photos)
    assert list(records) == [
        sample.sample_id for sample in sorted(samples, key=lambda s: (s.split != "train", s.split != "val", s))
    ]
    yolo, vit = YoloClassifier(yolo_weights), build_vit(read_checkpoint(str(vit_folder)))
    for sample in samples[::7]:
        pixels, digest = read_image(sample.path)
        record = records[sample.sample_id]
        assert (record.label, record.split, record.image_sha256) == (sample.label, sample.split, digest)
        np.testing.assert_allclose(record.yolo_probs[0], yolo.predict(crop_centre(pixels, 32)[None])[0], atol=1e-5)
        np.testing.assert_allclose(
            record.vit_probs[0], np.asarray(vit(squash(pixels, SIZE)[None].astype("float32")))[0], atol=1e-5
        )


def test_a_second_run_changes_nothing_but_what_killed_ones_left(cached):
    before = tree(cached.cache.folder)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = [f"shards/.partial-{gone.pid}-test-00000.tfrecord", "shards/train-00000.partial"]
    for name in [*left, f".manifest.json.{gone.pid}.partial"]:
        (cached.cache.folder / name).write_bytes(b"half a shard")
    precompute(cached)
    assert tree(cached.cache.folder) == before


def test_splits_may_be_done_one_after_the_other(make_config, tmp_path, cached):
    config = make_config(tmp_path)
    precompute(config, ["val"])
    with pytest.raises(RequestError, match="precompute --split train"):
        branch_cache.read_cache(config.cache.folder, ("train",))
    precompute(config, ["train"])
    precompute(config, ["test"])
    shards = {name: digest for name, digest in tree(config.cache.folder).items() if name.startswith("shards")}
    assert shards == {name: digest for name, digest in tree(cached.cache.folder).items() if name.startswith("shards")}


def test_killed_and_resumed_ends_in_the_same_bytes(make_config, tmp_path, cached):
    config = make_config(tmp_path)
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    command = [sys.executable, "-m", "kerasfusion", "precompute", "--config", str(tmp_path / "config.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(config.cache.folder.glob("shards/*.tfrecord")):
        assert process.poll() is None
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert children
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "YOLO's process outlives a killed precompute"
    manifest = branch_cache.read_manifest(config.cache.folder)
    assert not all(done["complete"] for done in manifest["splits"].values()) or len(manifest["splits"]) < 3
    precompute(config)
    assert tree(config.cache.folder) == tree(cached.cache.folder)


def test_unreadable_photos_are_named_and_the_rest_is_kept(make_config, own_photos, tmp_path):
    config = make_config(tmp_path, f"data.root={own_photos}")
    broken = sorted((own_photos / "train" / "roadwork").iterdir())[1]
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    name = broken.relative_to(own_photos).as_posix()
    other = sorted((own_photos / "val" / "no_roadwork").iterdir())[0]
    other_whole = other.read_bytes()
    other.write_bytes(b"")
    with pytest.raises(KerasFusionError, match=f"2 unreadable(.|\n)*{name}(.|\n)*{other.name}"):
        precompute(config, ["train", "val"])  # every split is worked before it fails
    shards = sorted(path.name for path in config.cache.folder.glob("shards/*"))
    # Sorted by id, the broken ones are photo 13 of train/ and photo 0 of val/, in shards of 8.
    assert shards == ["train-00000.tfrecord", "train-00002.tfrecord", "val-00001.tfrecord"]
    other.write_bytes(other_whole)
    manifest = precompute(config, ["train"], skip_unreadable=True)
    assert [row["sample_id"] for row in manifest["splits"]["train"]["skipped"]] == [name]
    assert name not in branch_cache.read_cache(config.cache.folder, ("train",))
    with pytest.raises(KerasFusionError, match="1 unreadable"):
        precompute(config, ["train"])  # what was skipped before is not silently accepted later
    broken.write_bytes(whole)
    manifest = precompute(config, ["train"])
    assert manifest["splits"]["train"]["skipped"] == []
    assert name in branch_cache.read_cache(config.cache.folder, ("train",))


def no_branches(*arguments):
    raise AssertionError("nothing is to be loaded")


def test_a_cache_of_other_weights_is_refused_and_left_alone(make_config, tmp_path, cached, monkeypatch):
    monkeypatch.setattr("kerasfusion.roadwork.precompute.job.Branches", no_branches)
    folder = tmp_path / "cache"
    shutil.copytree(cached.cache.folder, folder)
    before = tree(folder)
    other = make_config(tmp_path, f"vit.weights={write_vit(tmp_path / 'vit', seed=1)}")
    with pytest.raises(RequestError, match=r"vit\.sha256"):
        precompute(other)
    assert tree(folder) == before


def test_a_cache_of_another_precision_is_refused(make_config, tmp_path, cached, monkeypatch):
    monkeypatch.setattr("kerasfusion.roadwork.precompute.job.Branches", no_branches)
    shutil.copytree(cached.cache.folder, tmp_path / "cache")
    with pytest.raises(RequestError, match=r"vit\.precision: was float32, is now bfloat16"):
        precompute(make_config(tmp_path, "cache.precision=bfloat16"))


def test_shards_without_a_manifest_are_refused_and_left_alone(make_config, tmp_path, cached, monkeypatch):
    """Their sample ids are those that are asked for; their answers are another ViT's."""
    monkeypatch.setattr("kerasfusion.roadwork.precompute.job.Branches", no_branches)
    monkeypatch.setattr("kerasfusion.roadwork.dry_run.precompute.Branches", no_branches)
    folder = shutil.copytree(cached.cache.folder, tmp_path / "cache")
    (folder / "manifest.json").unlink()
    before = tree(folder)
    other = make_config(tmp_path, f"vit.weights={write_vit(tmp_path / 'vit', seed=1)}")
    for asked in (precompute, estimate_precompute):
        with pytest.raises(RequestError, match=r"no manifest\.json(.|\n)*delete the folder .*shards"):
            asked(other)
    assert tree(folder) == before


@pytest.mark.parametrize("key", ["yolo.weights", "vit.weights"])
def test_a_refused_request_leaves_no_folder(make_config, tmp_path, cached, key):
    config = make_config(tmp_path, f"{key}={tmp_path / 'gone.pt'}")
    with pytest.raises(RequestError, match="gone"):
        precompute(config)
    assert not config.cache.folder.exists()
    shutil.copytree(cached.cache.folder, config.cache.folder)  # what is missing is also said where there is a cache
    with pytest.raises(RequestError, match="gone"):
        precompute(config)


def test_bfloat16_gives_float32_answers_close_to_float32s(make_config, tmp_path, cached):
    """In a process of its own: where AMX is broken, it must be known before TensorFlow is there."""
    config = make_config(tmp_path, "cache.precision=bfloat16")
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    code = f"""
from pathlib import Path
from kerasfusion.config import load_config
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.precompute.job import precompute
if __name__ == "__main__":
    precompute(load_config(RoadworkConfig, Path({str(tmp_path / "config.yaml")!r})), ["val"])
"""
    (tmp_path / "run.py").write_text(code)
    process = subprocess.run([sys.executable, tmp_path / "run.py"], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert branch_cache.read_manifest(config.cache.folder)["vit"]["precision"] == "bfloat16"
    found = branch_cache.read_cache(config.cache.folder, ("val",))
    exact = branch_cache.read_cache(cached.cache.folder, ("val",))
    found, exact = (np.concatenate([record.vit_probs for record in records.values()]) for records in (found, exact))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    # bfloat16 keeps 8 bits: a unit of its last place is 2^-8. Processors without AVX-512 also sum in it.
    assert 1e-6 < np.abs(found - exact).max() < 4 * 2**-8


def test_a_cache_begun_with_other_photos_is_refused(make_config, own_photos, tmp_path):
    config = make_config(tmp_path, f"data.root={own_photos}")
    precompute(config, ["val"])
    next((own_photos / "val" / "roadwork").iterdir()).unlink()
    with pytest.raises(RequestError, match="12 then, 11 now"):
        precompute(config, ["val"])


def test_a_damaged_shard_is_refused(make_config, tmp_path, cached):
    folder = shutil.copytree(cached.cache.folder, tmp_path / "cache")
    shard = branch_cache.shard_path(folder, "val", 0)
    data = shard.read_bytes()
    shard.write_bytes(data[: len(data) // 2])
    with pytest.raises(KerasFusionError, match="val-00000"):
        branch_cache.read_cache(folder, ("val",))
    with pytest.raises(KerasFusionError, match=r"damaged(.|\n)*val-00000"):
        precompute(make_config(tmp_path), ["val"])


def test_two_runs_keep_apart(cached):
    import filelock

    with filelock.FileLock(cached.cache.folder / ".lock"), pytest.raises(KerasFusionError, match="another run"):
        precompute(cached)


def test_the_manifest_tells_what_the_cache_was_made_of(cached, yolo_weights, vit_folder):
    manifest = json.loads((cached.cache.folder / "manifest.json").read_text())
    assert manifest["class_names"] == ["no_roadwork", "roadwork"]
    assert manifest["yolo"]["sha256"] == file_sha256(yolo_weights)
    assert manifest["yolo"]["trained_on"]["splits"] == ["train"]
    assert manifest["vit"]["sha256"] == file_sha256(vit_folder / "model.safetensors")
    assert manifest["vit"]["precision"] == "float32"
    assert manifest["sizes"] == {"image": SIZE, "yolo_image": 32}
    assert {split: done["samples"] for split, done in manifest["splits"].items()} == {
        "train": 24,
        "val": 12,
        "test": 12,
    }


@pytest.mark.parametrize("branch", ["vit", "yolo"])
def test_the_cache_never_holds_what_is_no_probability(make_config, vit_folder, tmp_path, branch, monkeypatch):
    """Finite weights may answer NaN too: these overflow."""
    config = make_config(tmp_path)
    if branch == "vit":
        folder = shutil.copytree(vit_folder, tmp_path / "vit")
        tensors = load_file(folder / "model.safetensors")
        tensors["classifier.weight"] = np.full_like(tensors["classifier.weight"], 3e38)
        save_file(tensors, folder / "model.safetensors")
        config = dataclasses.replace(config, vit=dataclasses.replace(config.vit, weights=str(folder)))
        said, where = "vit answers nan", str(folder)
    else:
        monkeypatch.setattr(YoloClassifier, "predict", lambda self, crops: np.full((len(crops), 2), 1.5, np.float32))
        said, where = "yolo answers 1.5", str(config.yolo_weights)
    with pytest.raises(RequestError, match=rf"broken: its output {said}") as caught:
        precompute(config, ["val"])
    assert where in str(caught.value)
    assert list(config.cache.folder.rglob("*.tfrecord")) == []
