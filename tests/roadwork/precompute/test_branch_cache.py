"""What a shard of the branch cache must hold to be read, whichever version wrote it."""

import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.precompute.branch_cache import Record, read_shard, write_shard


def record(yolo, vit):
    return Record("test/roadwork/a.jpg", "0" * 64, "test", 1, np.float32([yolo]), np.float32([vit]))


@pytest.mark.parametrize("probs", [[np.nan, np.nan], [-172, 173], [0.5, np.inf], [1.5, -0.5]])
@pytest.mark.parametrize("branch", ["YOLO", "ViT"])
def test_a_shard_of_an_older_version_with_impossible_answers_is_refused(tmp_path, branch, probs):
    path, sound = tmp_path / "test-00000.tfrecord", [0.25, 0.75]
    bad = record(probs, sound) if branch == "YOLO" else record(sound, probs)
    write_shard(path, [record(sound, sound), bad])
    with pytest.raises(RequestError, match=f"no probability: {branch} on test/roadwork/a.jpg") as raised:
        read_shard(path)
    assert raised.value.where == path


def test_the_ends_of_0_to_1_are_probabilities(tmp_path):
    path = tmp_path / "test-00000.tfrecord"
    write_shard(path, [record([0, 1], [1, 0])])
    (found,) = read_shard(path)
    assert (found.yolo_probs.tolist(), found.vit_probs.tolist()) == ([[0, 1]], [[1, 0]])
