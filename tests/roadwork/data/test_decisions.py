"""`data split --labels`: who is meant by a row, what is done, and what is refused."""

import shutil

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, scan
from kerasfusion.roadwork.data.split_job import split_dataset


@pytest.fixture
def source(tmp_path):
    for label, name in enumerate(CLASS_NAMES):
        folder = tmp_path / "src" / name
        folder.mkdir(parents=True)
        for number in range(10):
            (folder / f"{number}.jpg").write_text(f"{label} {number}")
    shutil.copy(tmp_path / "src" / "roadwork" / "3.jpg", tmp_path / "src" / "roadwork" / "copy.jpg")
    return tmp_path / "src"


def split(source, text, out="out"):
    table = source.parent / "labels.csv"
    table.write_text(text)
    summary = split_dataset(source, source.parent / out, labels=table)
    return summary, {sample.path.read_text(): sample.label for sample in scan(source.parent / out)}


def digest_of(source, name):
    return file_sha256(source / name)


def test_photos_are_named_by_content_with_all_copies_or_by_path(source):
    summary, labels = split(
        source,
        f"image_sha256,path,decision\n{digest_of(source, 'roadwork/3.jpg')},,flip\n,roadwork/4.jpg,drop\n"
        f",no_roadwork/5.jpg,keep\n,no_roadwork/6.jpg,\n",
    )
    assert labels["1 3"] == 0
    assert "1 4" not in labels
    assert (labels["0 5"], labels["0 6"]) == (0, 0)
    assert sum(sum(counts.values()) for counts in summary.counts.values()) == 20
    assert "labels.csv: 2 labels flipped, 1 photos dropped, 1 kept" in summary.notes


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_table_that_a_spreadsheet_saved_with_another_separator_is_read(source, separator):
    rows = [["path", "suspicion", "decision"], ["roadwork/4.jpg", '"0,35"', "drop"]]
    text = "\ufeff" + "\n".join(separator.join(row) for row in rows)
    assert "1 4" not in split(source, text)[1]


@pytest.mark.parametrize("text", ["path,decision\nroadwork/4.jpg,drop,\n", "path;decision\nroadwork/4.jpg;drop;; \n"])
def test_empty_cells_beyond_the_columns_are_passed_over(source, text):
    assert "1 4" not in split(source, text)[1]


def test_of_copies_with_both_labels_those_with_the_label_of_the_row_are_meant(source):
    shutil.copy(source / "roadwork" / "3.jpg", source / "no_roadwork" / "copy.jpg")
    digest = digest_of(source, "roadwork/3.jpg")
    summary, labels = split(source, f"image_sha256,label,decision\n{digest},no_roadwork,flip\n")
    assert labels["1 3"] == 1
    assert "labels.csv: 1 labels flipped, 0 photos dropped, 0 kept" in summary.notes


def test_without_decisions_the_split_is_the_usual_one(source):
    _, labels = split(source, "path,decision\n")
    split_dataset(source, source.parent / "usual")
    assert labels == {sample.path.read_text(): sample.label for sample in scan(source.parent / "usual")}
    ids = [[sample.sample_id for sample in scan(source.parent / out)] for out in ("out", "usual")]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "path,decision\nroadwork/99.jpg,flip\nroadwork/98.jpg,drop\nroadwork/1.jpg,keep\n",
            r"2 photo\(s\) not in SRC",
        ),
        (
            "image_sha256,sample_id,decision\n" + "0" * 64 + ",train/roadwork/a.jpg,flip\n",
            r"not in SRC.*: train/roadwork/a",
        ),
        ("path,label,decision\nroadwork/1.jpg,no_roadwork,flip\n", r"otherwise now.*no_roadwork then, roadwork now"),
        ("path,decision\nroadwork/1.jpg,flip\nroadwork/1.jpg,keep\n", "in two ways: roadwork/1.jpg"),
        ("path,decision\nroadwork/1.jpg,turn\n", r"unknown decision 'turn'(.|\n)*line 2(.|\n)*keep, flip, drop"),
        ("path,label,decision\nroadwork/1.jpg,cat,keep\n", "unknown label 'cat'"),
        ("path,decision\n,keep\n", "about no photo"),
        ("path,decision\nroadwork/1.jpg,,flip\n", r"more cells than there are columns(.|\n)*line 2"),
        ("name,what\n1.jpg,keep\n", r"lacks columns(.|\n)*image_sha256 or path"),
    ],
)
def test_wrong_tables_are_refused_and_nothing_is_written(source, text, said):
    with pytest.raises(RequestError, match=said) as caught:
        split(source, text)
    assert "labels.csv" in str(caught.value)
    assert not (source.parent / "out").exists()


def test_a_table_that_is_not_there_is_named(source):
    with pytest.raises(RequestError, match=r"cannot read the CSV of decisions(.|\n)*gone\.csv"):
        split_dataset(source, source.parent / "out", labels=source.parent / "gone.csv")
