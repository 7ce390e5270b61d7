"""Folds of the training photos: who stays together, what is decided by what, and what is refused."""

import csv
import random
import shutil
from collections import Counter

import pytest

from kerasfusion.address import Address
from kerasfusion.errors import RequestError
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, scan
from kerasfusion.roadwork.data.folds import assign_folds, find_folds
from kerasfusion.roadwork.data.split_job import split_dataset


def write_photos(root, counts, split="train"):
    """Files with photos' names: folds are found without decoding any."""
    for name, count in zip(CLASS_NAMES, counts, strict=True):
        folder = root / split / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / f"drive{number // 3}_{number}.jpg").write_text(f"{name} {number}")
    return root


def folds_of(root, count=3, seed=1):
    return find_folds(scan(root, ("train",)), root, count, seed)


@pytest.mark.parametrize(("count", "sizes"), [(3, (12, 7)), (5, (12, 7)), (5, (40, 5))])
def test_each_fold_has_its_share_of_each_class(tmp_path, count, sizes):
    folds = folds_of(write_photos(tmp_path, sizes), count)
    for name, size in zip(CLASS_NAMES, sizes, strict=True):
        held = Counter(fold for sample, fold in folds.of.items() if f"/{name}/" in sample)
        assert sorted(held) == list(range(1, count + 1))
        assert set(held.values()) <= {size // count, -(-size // count)}


def test_the_same_contents_are_in_the_same_folds_whatever_their_names_and_order(tmp_path):
    root = write_photos(tmp_path / "a", (12, 12))
    folds = folds_of(root)
    other = tmp_path / "b" / "train"
    for sample in scan(root):
        target = other / CLASS_NAMES[sample.label] / f"z{hash(sample.path.name) % 1000}_{sample.path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample.path, target)
    renamed = folds_of(other.parent)
    by_name = {name.split("/")[-1].split("_", 1)[1] + name.split("/")[1]: fold for name, fold in renamed.of.items()}
    assert by_name == {name.split("/")[-1] + name.split("/")[1]: fold for name, fold in folds.of.items()}
    samples = scan(root)
    random.Random(0).shuffle(samples)
    assert find_folds(samples, root, 3, 1).of == folds.of
    assert folds_of(root, seed=2).of != folds.of


def test_groups_of_both_classes_stay_whole_and_the_shares_near():
    labels = [number % 2 for number in range(301)]
    groups = [str(number // 3) for number in range(301)]
    folds = assign_folds(labels, groups, 3, 5)
    counts = Counter(zip(folds, labels, strict=True))
    for label in (0, 1):
        assert (
            max(counts[fold, label] for fold in (1, 2, 3)) - min(counts[fold, label] for fold in (1, 2, 3)) <= 3
        )  # a group's size
    assert all(len({folds[n] for n in range(301) if groups[n] == group}) == 1 for group in set(groups))


def test_copies_and_named_groups_stay_together(tmp_path):
    root = write_photos(tmp_path, (12, 12))
    shutil.copy(root / "train" / "roadwork" / "drive0_0.jpg", root / "train" / "roadwork" / "copy.jpg")
    (root / "groups.csv").write_text(
        "path,group\n" + "".join(f"train/{name}/drive2_{number}.jpg,two\n" for name in CLASS_NAMES for number in (6, 8))
    )
    folds = folds_of(root, 3).of
    assert folds["train/roadwork/copy.jpg"] == folds["train/roadwork/drive0_0.jpg"]
    assert len({folds[f"train/{name}/drive2_{number}.jpg"] for name in CLASS_NAMES for number in (6, 8)}) == 1


def test_the_groups_of_a_split_are_those_of_its_folds(tmp_path):
    source = write_photos(tmp_path / "src", (18, 18))
    out = tmp_path / "out"
    split_dataset(source, out, val=0.2, test=0.2, group_regex=r"^(drive\d+)_")
    with (out / "groups.csv").open(newline="") as file:
        told = {row["path"]: row["group"] for row in csv.DictReader(file)}
    assert set(told) == {sample.sample_id for sample in scan(out)}
    folds = folds_of(out).of
    drives = {name: name.split("/")[-1].split("_")[0] for name in folds}
    for drive in set(drives.values()):
        assert len({folds[name] for name in folds if drives[name] == drive}) == 1
    split_dataset(source, tmp_path / "again", val=0.2, test=0.2)
    assert not (tmp_path / "again" / "groups.csv").exists()
    split_dataset(out, tmp_path / "third", val=0.3, test=0.1, group_csv=out / "groups.csv")
    parts = {sample.path.name.split("_")[0]: sample.split for sample in scan(tmp_path / "third")}
    assert all(parts[s.path.name.split("_")[0]] == s.split for s in scan(tmp_path / "third"))


def test_photos_at_an_address_are_in_the_same_folds(tmp_path):
    source = write_photos(tmp_path / "src", (18, 18))
    split_dataset(source, tmp_path / "out", val=0.2, test=0.2, group_regex=r"^(drive\d+)_")
    address = Address(f"memory://{tmp_path.name}/out")
    for path in (tmp_path / "out").rglob("*.*"):
        (address / path.relative_to(tmp_path / "out").as_posix()).write_bytes(path.read_bytes())
    assert (address / "groups.csv").is_file()
    assert folds_of(address).of == folds_of(tmp_path / "out").of


@pytest.mark.parametrize(
    ("counts", "count", "said"),
    [
        ((12, 2), 3, r"no photo of roadwork: the training photos have 2 of it in 2 groups"),
        ((4, 12), 5, r"no photo of no_roadwork: the training photos have 4 of it in 4 groups"),
        ((0, 12), 3, r"fold 1 of 3 would hold no photo of no_roadwork"),
    ],
)
def test_fewer_photos_than_folds_are_refused(tmp_path, counts, count, said):
    with pytest.raises(RequestError, match=rf"{said}(.|\n)*fewer folds"):
        folds_of(write_photos(tmp_path, counts), count)


def test_a_fold_without_a_class_is_refused_also_where_groups_make_it_so(tmp_path):
    root = write_photos(tmp_path, (12, 12))
    rows = [f"train/roadwork/drive{number // 3}_{number}.jpg,{number % 2}" for number in range(12)]
    (root / "groups.csv").write_text("path,group\n" + "\n".join(rows) + "\n")
    with pytest.raises(RequestError, match="12 of it in 2 groups"):
        folds_of(root)


def test_a_groups_file_that_cannot_be_used_is_named(tmp_path):
    root = write_photos(tmp_path, (12, 12))
    for text, said in (("name,drive\n", "columns path,group"), ("path,group\na,1\na,2\n", "two groups")):
        (root / "groups.csv").write_text(text)
        with pytest.raises(RequestError, match=rf"{said}(.|\n)*|groups\.csv"):
            folds_of(root)
