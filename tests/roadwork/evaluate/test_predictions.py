import re

import numpy as np
import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.kept_answers import predictions_path
from kerasfusion.roadwork.evaluate.predictions import Predictions, read_predictions, write_predictions

ODD = 'test/roadwork/a, "b"\nc.jpg'


def test_answers_come_back_as_they_were(tmp_path):
    beside = [np.nextafter(np.float32(0.5), np.float32(to)) for to in (0, 1)]
    answers = {
        "fusion": np.array([*beside, np.nan], np.float32).astype(np.float64),
        "vit": np.array([1e-30, 1 / 3, np.nan], np.float32).astype(np.float64),
    }
    ids = ["test/no_roadwork/a.jpg", ODD, "test/roadwork/z.jpg"]
    kept = Predictions(ids, np.array([0, 1, 1]), answers, {ids[2]: "cut, short"}, {ids[0]: "aa", ODD: "bb"})
    path = predictions_path(tmp_path, "test")
    write_predictions(path, kept)
    found = read_predictions(path)
    assert found.sample_ids == ids
    assert found.labels.tolist() == [0, 1, 1]
    assert list(found.answers) == ["fusion", "vit"]
    for name, p in answers.items():
        np.testing.assert_array_equal(found.answers[name].astype(np.float32), p.astype(np.float32))
    assert (found.answers["fusion"] > 0.5).tolist() == [False, True, False]
    assert found.unreadable == {ids[2]: "cut, short"}
    assert found.digests == {ids[0]: "aa", ODD: "bb"}


def test_groups_come_back_where_there_are_any(tmp_path):
    path = predictions_path(tmp_path, "test")
    answers = {"fusion": np.array([0.1, 0.9])}
    for groups in (["key:drive, 1", "key:drive, 1"], None):
        write_predictions(path, Predictions(["a.jpg", "b.jpg"], np.array([0, 1]), answers, groups=groups))
        found = read_predictions(path)
        assert (found.groups, list(found.answers)) == (groups, ["fusion"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RequestError, match=r"no kept answers(.|\n)*predictions_val\.csv(.|\n)*kerasfusion evaluate"):
        read_predictions(predictions_path(tmp_path, "val"))


HEADER = b"sample_id,image_sha256,label,fusion,unreadable\n"


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"", "line 1 lacks the column sample_id, image_sha256, label, unreadable"),
        (HEADER, "no answers"),
        (HEADER + b"a.jpg,,1,0.5,\nb.jpg,,1,much,\n", "line 3: fusion is 'much', not a number"),
        (HEADER + b"a.jpg,,x,0.5,\n", "line 2: the label is 'x'"),
        (HEADER + b"a.jpg,,1,0.5,\nb.jpg,,1\n", "line 3 has more or fewer cells than the 5 columns"),
        (HEADER + b"a.jpg,,1,0.5,,,\n", "line 2 has more or fewer cells"),
        (HEADER.replace(b"label", b"class"), "line 1 lacks the column label"),
        (b"\xff\xfe\x00\x9c", "can't decode byte"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, data, wrong):
    path = predictions_path(tmp_path, "test")
    path.write_bytes(data)
    expected = rf"damaged: .*{re.escape(wrong)}(.|\n)*predictions_test\.csv(.|\n)*what to do: kerasfusion evaluate"
    with pytest.raises(KerasFusionError, match=expected):
        read_predictions(path)
