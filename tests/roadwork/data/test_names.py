"""File names and tables as people have them."""

import os
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.data.check import check_dataset
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.data.importing.job import import_dataset
from kerasfusion.roadwork.data.split_groups import read_groups
from kerasfusion.roadwork.data.split_job import split_dataset
from kerasfusion.roadwork.data.target_names import free_names
from tests.roadwork.data.import_material import encode, tree

NOT_UTF8 = os.fsdecode(b"Stra\xdfe.jpg")


def make(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode(number))
    return root


def test_names_that_are_not_utf8_are_made_readable_in_the_copy_and_refused_elsewhere(tmp_path):
    source = make(tmp_path / "src", f"roadwork/{NOT_UTF8}", "no_roadwork/1.jpg")
    import_dataset(str(source), tmp_path / "in")
    assert set(tree(tmp_path / "in")) == {"train/roadwork/Stra%DFe.jpg", "train/no_roadwork/1.jpg"}
    split_dataset(source, tmp_path / "split", val=0, test=0)
    assert set(tree(tmp_path / "split")) == set(tree(tmp_path / "in"))
    make(tmp_path / "set", f"train/roadwork/{NOT_UTF8}")
    for read in (scan, check_dataset):
        with pytest.raises(RequestError, match=r"not UTF-8: train/roadwork/Stra%DFe.jpg(.*\n)*.*data import"):
            read(tmp_path / "set")


@pytest.mark.parametrize("length", [243, 247, 251])
def test_names_up_to_the_longest_are_imported_and_split(tmp_path, length):
    source = make(tmp_path / "src", f"roadwork/{'b' * length}.jpg", "no_roadwork/1.jpg")
    assert import_dataset(str(source), tmp_path / "in").written == 2
    twice = make(tmp_path / "two", f"train/roadwork/{'b' * length}.jpg")
    make(twice, "test/roadwork/a.jpg", f"test/roadwork/{'b' * length}.jpg", "test/no_roadwork/c.jpg")
    split_dataset(twice, tmp_path / "split", val=0, test=0)
    names = [Path(name).name for name in tree(tmp_path / "split")]
    assert len(names) == 4
    assert max(len(name) for name in names) <= 255


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_in_a_group_csv_match_in_either_spelling(tmp_path, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    source = make(
        tmp_path / "src",
        *(unicodedata.normalize(form, f"roadwork/Bäume {n}.jpg") for n in range(4)),
        "no_roadwork/1.jpg",
    )
    rows = [f"roadwork/Bäume {n}.jpg,g{n % 2}" for n in range(4)] + ["no_roadwork/1.jpg,g2"]
    table = tmp_path / "groups.csv"
    table.write_text(unicodedata.normalize(other, "\n".join(["path,group", *rows])), encoding="utf-8")
    assert split_dataset(source, tmp_path / "out", val=0, test=0, group_csv=table).groups == 3


@pytest.mark.parametrize("separator", [";", "\t"])
def test_tables_that_a_spreadsheet_saved_with_another_separator_are_read(tmp_path, separator):
    source = make(tmp_path / "src", "a.jpg", "b.jpg", "c.jpg")
    labels, groups = tmp_path / "src" / "metadata.csv", tmp_path / "groups.csv"
    labels.write_text("file_name,label\na.jpg,1\nb.jpg,0\nc.jpg,1\n".replace(",", separator))
    groups.write_text("path,group\na.jpg,x\nb.jpg,y\nc.jpg,x\n".replace(",", separator))
    assert split_dataset(source, tmp_path / "out", val=0, test=0, group_csv=groups).groups == 2
    assert read_groups(tmp_path) == {"a.jpg": "x", "b.jpg": "y", "c.jpg": "x"}
    assert set(tree(tmp_path / "out")) >= {"train/roadwork/a.jpg", "train/no_roadwork/b.jpg", "train/roadwork/c.jpg"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.jpg,g1\nroadwork/a.jpg,g1\nroadwork/a.jpg,g2", "roadwork/a.jpg has two groups: 'g1' and 'g2'"),
        ("roadwork/a.jpg,   ", "1 photos have no group in the CSV: roadwork/a.jpg"),
        ("roadwork/a.jpg,", "1 photos have no group in the CSV: roadwork/a.jpg"),
    ],
)
def test_group_csvs_that_do_not_say_one_group_for_each_photo(tmp_path, rows, message):
    source = make(tmp_path / "src", "roadwork/a.jpg")
    (tmp_path / "g.csv").write_text(f"path,group\n{rows}\n")
    with pytest.raises(RequestError, match=message):
        split_dataset(source, tmp_path / "out", group_csv=tmp_path / "g.csv")


def test_flat_photos_with_a_metadata_csv_are_imported_and_split(tmp_path):
    source = make(tmp_path / "src", "a.jpg", "b.png", "deep/c.jpg")
    (source / "metadata.csv").write_text("\ufefffile_name,label\r\na.jpg,Roadwork\r\nb.png,0\r\ndeep/c.jpg,None\r\n")
    import_dataset(str(source), tmp_path / "in")
    want = {"train/roadwork/a.jpg", "train/no_roadwork/b.png", "train/no_roadwork/deep/c.jpg"}
    assert set(tree(tmp_path / "in")) == want
    split_dataset(source, tmp_path / "split", val=0, test=0)
    assert set(tree(tmp_path / "split")) == want


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.jpg,1", "1 photos have no row in metadata.csv: b.jpg"),
        ("a.jpg,1\nb.jpg,0\n../c.jpg,1", r"1 names in metadata.csv have no photo in the folder: \.\./c.jpg"),
        ("a.jpg,1\nb.jpg,snow", r"unknown label 'snow'\n.*line 3"),
        ("a.jpg,1\na.jpg,0\nb.jpg,0", "a.jpg has two labels"),
    ],
)
def test_a_metadata_csv_that_does_not_fit_is_refused(tmp_path, rows, message):
    source = make(tmp_path / "src", "a.jpg", "b.jpg")
    make(tmp_path, "c.jpg")
    (source / "metadata.csv").write_text(f"file_name,label\n{rows}\n")
    with pytest.raises(RequestError, match=message):
        import_dataset(str(source), tmp_path / "out")


def test_loose_photos_and_other_suffixes_are_told(tmp_path):
    make(tmp_path / "loose", "1.jpg", "2.jpg")
    with pytest.raises(RequestError, match=r"2 photos lie beside the class folders"):
        import_dataset(str(tmp_path / "loose"), tmp_path / "out")
    make(tmp_path / "raw", "roadwork/1.dng", "roadwork/2.dng")
    with pytest.raises(RequestError, match=r"no photo in the folder \(other files: 2 .dng\)"):
        import_dataset(str(tmp_path / "raw"), tmp_path / "out")


def test_what_cannot_be_reached_ends_split_and_scan_with_exit_code_1(tmp_path):
    root = make(tmp_path / "set", "train/roadwork/1.jpg", "train/no_roadwork/2.jpg")
    (root / "train" / "roadwork" / "gone.jpg").symlink_to("/nowhere.jpg")
    for read in (scan, lambda path: split_dataset(path, tmp_path / "out")):
        with pytest.raises(KerasFusionError, match=r"gone.jpg: the link leads nowhere: /nowhere.jpg") as raised:
            read(root)
        assert raised.value.exit_code == 1


def test_a_pipe_in_cp1252_gets_escapes(tmp_path):
    root = make(tmp_path / "set", "train/roadwork/1.jpg", "train/no_roadwork/2.jpg", "工事中/1.jpg")
    result = CliRunner(charset="cp1252").invoke(main, ["data", "check", str(root)])
    assert r"\u5de5\u4e8b\u4e2d/" in result.stdout_bytes.decode("cp1252")


def test_names_that_are_made_of_photos_are_kept_unless_shared_or_too_long():
    digests = [letter * 64 for letter in "abcde"]
    accents = [unicodedata.normalize(form, "a/B\u00fc.jpg") for form in ("NFC", "NFD")]
    assert free_names(["a/x.jpg", "b/x.jpg", "a/X.JPG", *accents], digests) == [
        "a/x.jpg",
        "b/x.jpg",
        "a/X-cccccccc.JPG",
        accents[0],
        accents[1].replace(".jpg", "-eeeeeeee.jpg"),
    ]
    assert free_names(["x.jpg"] * 3, ["f" * 64] * 3) == ["x.jpg", "x-ffffffff.jpg", "x-ffffffff-2.jpg"]
    long = "a/drive1_" + "\u00fc" * 121
    for spare, whole in ((0, True), (2, True), (3, False), (30, False)):
        (name,) = free_names([f"{long}.jpg"], digests[:1], spare)
        assert (name == f"{long}.jpg") == whole
        assert len(Path(name).name.encode()) <= 255 - spare
        assert name.startswith("a/drive1_") and name.endswith(".jpg")
