"""What the cache holds of a split, as fit and what comes after take it."""

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.fit.training_data import load_split
from kerasfusion.roadwork.precompute import branch_cache

pytestmark = [pytest.mark.usefixtures("yolo_in_this_process"), pytest.mark.trains]


def test_a_split_of_which_no_photo_could_be_read_is_refused(make_config, cached, tmp_path):
    config = make_config(tmp_path, f"data.root={tmp_path / 'photos'}")
    broken = tmp_path / "photos" / "test" / "roadwork" / "a.jpg"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no photo")
    shard = branch_cache.shard_path(config.cache.folder, "test", 0)
    branch_cache.write_shard(shard, [])
    manifest = branch_cache.read_manifest(cached.cache.folder)
    manifest["splits"]["test"] |= {
        "skipped": [{"sample_id": "test/roadwork/a.jpg", "reason": "no image"}],
        "shards": [{"file": shard.name, "sha256": file_sha256(shard)}],
    }
    branch_cache.write_manifest(config.cache.folder, manifest)
    with pytest.raises(RequestError, match=r"no photo of test/(.|\n)*data check"):
        load_split(config, manifest, "test")
