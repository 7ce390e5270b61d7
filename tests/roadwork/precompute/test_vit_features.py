"""What the ViT's classifier sees, kept in the branch cache beside the probabilities."""

import json
import shutil

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.images.decoding import read_image, squash
from kerasfusion.roadwork.branches.vit import build_vit, read_checkpoint
from kerasfusion.roadwork.challenge.views import views_of
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.dry_run.precompute import estimate_precompute
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.job import precompute
from tests.material.hugging_face_vit import HIDDEN, MEAN, SIZE, STD, write_vit
from tests.material.transformers_vit import features_of

pytestmark = [pytest.mark.usefixtures("yolo_in_this_process"), pytest.mark.trains]

KEPT = "cache.vit_features=true"


def shards(folder):
    return {path.name: file_sha256(path) for path in folder.rglob("*.tfrecord")}


def test_every_views_features_are_those_of_transformers(featured, vit_folder, photos):
    records = branch_cache.read_cache(featured.cache.folder, ("train", "val"))
    for sample in [scan(photos, ("train",))[7], scan(photos, ("val",))[2]]:
        pixels, digest = read_image(sample.path)
        views = np.stack([squash(view, SIZE) for view in views_of(pixels, digest, sample.split, featured.views)])
        given = ((views / 255 - MEAN) / STD).astype(np.float32).transpose(0, 3, 1, 2)
        found = records[sample.sample_id].vit_features
        assert (found.dtype, found.shape) == (np.float16, (2, HIDDEN))
        # float16 keeps 11 bits.
        np.testing.assert_allclose(found, features_of(vit_folder, given), rtol=2**-11, atol=3e-5)


def test_the_probabilities_are_those_of_the_features(featured, vit_folder):
    branch = build_vit(read_checkpoint(str(vit_folder)))
    logits = branch.get_layer("vit_classifier").get_layer("vit_logits")
    records = list(branch_cache.read_cache(featured.cache.folder, ("val",)).values())
    features = np.concatenate([record.vit_features for record in records]).astype(np.float32)
    expected = keras.ops.softmax(features @ logits.kernel + logits.bias)
    np.testing.assert_allclose(np.concatenate([record.vit_probs for record in records]), expected, atol=3e-3)


def test_resumed_it_ends_in_the_same_bytes(featured, make_config, tmp_path):
    folder = shutil.copytree(featured.cache.folder, tmp_path / "cache")
    before = shards(folder)
    for name in sorted(before)[::2]:
        (folder / "shards" / name).unlink()
    # It is gone on with as it was begun, whether they are asked for again or not.
    precompute(make_config(tmp_path, "views.count=2"), ("train", "val"))
    assert shards(folder) == before
    assert json.loads((folder / "manifest.json").read_text())["vit"]["features"] == "float16"


def test_a_cache_without_features_is_what_it_was(tmp_path, cached):
    """The digest is that of the shard that versions without features wrote."""
    path = tmp_path / "test-00000.tfrecord"
    yolo, vit = np.float32([[0.25, 0.75], [0.5, 0.5]]), np.float32([[1, 0], [0.125, 0.875]])
    branch_cache.write_shard(path, [branch_cache.Record("test/roadwork/a.jpg", "0" * 64, "test", 1, yolo, vit)])
    assert file_sha256(path) == "2564a4827a358a6bcacfeb7974a51c7f3bfd9eb1f14ae3da4b3224a09a0fb139"
    assert branch_cache.read_shard(path)[0].vit_features is None
    assert "features" not in json.loads((cached.cache.folder / "manifest.json").read_text())["vit"]


def test_features_that_a_cache_lacks_are_refused(make_config, tmp_path, cached):
    folder = shutil.copytree(cached.cache.folder, tmp_path / "cache")
    before = shards(folder)
    with pytest.raises(RequestError, match=r"probabilities alone(.|\n)*--cache(.|\n)*cache\.vit_features=false"):
        precompute(make_config(tmp_path, KEPT))
    assert shards(folder) == before


def test_features_of_another_vit_are_refused(make_config, tmp_path, featured):
    shutil.copytree(featured.cache.folder, tmp_path / "cache")
    other = write_vit(tmp_path / "vit", seed=1)
    with pytest.raises(RequestError, match=r"vit\.sha256"):
        precompute(make_config(tmp_path, "views.count=2", KEPT, f"vit.weights={other}"))


def test_features_beyond_float16_are_refused(make_config, tmp_path, vit_folder):
    folder = shutil.copytree(vit_folder, tmp_path / "vit")
    tensors = load_file(folder / "model.safetensors")
    tensors["vit.layernorm.weight"] = np.full_like(tensors["vit.layernorm.weight"], 1e6)
    save_file(tensors, folder / "model.safetensors")
    config = make_config(tmp_path, KEPT, f"vit.weights={folder}")
    with pytest.raises(RequestError, match=r"beyond float16(.|\n)*cache\.vit_features: false"):
        precompute(config, ["val"])
    assert not list(config.cache.folder.rglob("*.tfrecord"))


def test_their_size_is_said_before(make_config, tmp_path):
    size = {}
    for kept in (False, True):
        config = make_config(tmp_path, f"cache.vit_features={kept}", "views.count=2")
        estimate = estimate_precompute(config, ("train", "val"))
        views = (24 + 12) * 2
        expected = {"kept": kept, "bytes_a_view": HIDDEN * 2, "bytes": views * HIDDEN * 2}
        assert estimate.facts["vit_features"] == expected
        size[kept] = estimate.disk[str(config.cache.folder)]
    # Beside them a photo's record grows by the key: its name, and three lengths of a few bytes.
    assert 0 < size[True] - size[False] - expected["bytes"] < 36 * 40
