from pathlib import Path

import pytest

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.data.dataset import Sample, class_order, hold_out, scan


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_photos_are_listed_by_sample_id_whatever_the_file_system_says(tmp_path):
    touch(tmp_path, "train/roadwork/b.JPG", "train/no_roadwork/deep/a.png", "test/roadwork/ä.webp")
    touch(
        tmp_path, "train/roadwork/.hidden.jpg", "train/roadwork/notes.txt", "train/.cache/x.jpg", "other/roadwork/c.jpg"
    )
    samples = scan(tmp_path)
    assert [(s.sample_id, s.split, s.label) for s in samples] == [
        ("test/roadwork/ä.webp", "test", 1),
        ("train/no_roadwork/deep/a.png", "train", 0),
        ("train/roadwork/b.JPG", "train", 1),
    ]
    assert [s.sample_id for s in scan(tmp_path, ("test",))] == ["test/roadwork/ä.webp"]


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(RequestError, match="does not exist"):
        scan(tmp_path / "gone")
    with pytest.raises(RequestError, match="no photos in train/, val/, test/"):
        scan(tmp_path)
    touch(tmp_path, "train/Roadwork/a.jpg")
    with pytest.raises(RequestError, match=r"unknown class folder\(s\): Roadwork"):
        scan(tmp_path)


def sample(split, number, label):
    name = f"{split}/x/{number}.jpg"
    return Sample(name, Path(name), split, label)


def test_val_is_what_is_held_out_where_there_is_one():
    samples = [sample("train", 1, 0), sample("val", 2, 1), sample("train", 3, 1)]
    training, held_out = hold_out(samples, 0.5, seed=1, groups={})
    assert [s.split for s in training] == ["train", "train"]
    assert held_out == [samples[1]]


def test_else_a_stratified_part_of_train_is_held_out_the_same_for_the_same_seed():
    samples = [sample("train", number, number % 4 == 0) for number in range(80)]
    training, held_out = hold_out(samples, 0.25, seed=1, groups={})
    assert (len(training), len(held_out)) == (60, 20)
    assert sum(s.label for s in held_out) == 5
    assert hold_out(list(reversed(samples)), 0.25, seed=1, groups={})[1] == list(reversed(held_out))
    assert hold_out(samples, 0.25, seed=2, groups={})[1] != held_out
    assert hold_out(samples, 0, seed=1, groups={}) == (samples, [])


def test_copies_and_photos_of_one_drive_are_held_out_together():
    samples = [sample("train", number, number % 2) for number in range(60)]
    drives = {each.sample_id: f"key:drive{number // 6}" for number, each in enumerate(samples)}
    training, held_out = hold_out(samples, 0.2, 1, drives)
    of_training, of_held_out = ({drives[each.sample_id] for each in part} for part in (training, held_out))
    assert (len(of_training), len(of_held_out), len(held_out)) == (8, 2, 12)
    assert not of_training & of_held_out


def test_a_photo_by_itself_is_held_out_as_before_there_were_groups():
    samples = [sample("train", number, number % 4 == 0) for number in range(80)]
    alone = {each.sample_id: f"sha256:{number:064x}" for number, each in enumerate(samples)}
    assert hold_out(samples, 0.25, 1, alone) == hold_out(samples, 0.25, 1, {})


def in_groups(group_of):
    """A hundred photos, every second one of roadwork, and the groups of those that `group_of` names one for."""
    samples = [sample("train", number, number % 2) for number in range(100)]
    named = {each.sample_id: group_of(number) for number, each in enumerate(samples)}
    return samples, {name: group for name, group in named.items() if group}


@pytest.mark.parametrize(
    ("group_of", "counted"),
    [
        (lambda number: "a", "1 of no_roadwork, 1 of roadwork"),
        (lambda number: "ab"[number % 2], "1 of no_roadwork, 1 of roadwork"),
        (lambda number: "a" if number % 2 else None, "50 of no_roadwork, 1 of roadwork"),
    ],
)
def test_groups_that_leave_a_part_without_a_class_are_refused(group_of, counted):
    samples, groups = in_groups(group_of)
    with pytest.raises(RequestError, match=rf"validation_fraction: 0\.15(.|\n)*{counted}\n(.|\n)*in groups\.csv"):
        hold_out(samples, 0.15, 1, groups)
    assert hold_out(samples, 0, 1, groups) == (samples, [])


def test_a_part_far_from_its_share_is_told_with_the_number_of_groups(capsys):
    samples, groups = in_groups(lambda number: "abc"[number % 3])
    training, held_out = hold_out(samples, 0.15, 1, groups)
    assert (len(training), len(held_out)) == (67, 33)
    said = capsys.readouterr().err
    assert said.startswith("warning: 33% of train/ is held out, and data.validation_fraction asks for 15%: ")
    assert "groups.csv names one): 3 of no_roadwork, 3 of roadwork" in said
    assert len(hold_out(*(samples, 0.15, 1), in_groups(lambda number: f"{number // 10}")[1])[1]) in (10, 20)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("no_roadwork", "roadwork"), (0, 1)),
        (("None", "Roadwork"), (0, 1)),
        (("road work", "nothing"), (1, 0)),
        (("ROAD_WORKS", "None"), (1, 0)),
    ],
)
def test_roadwork_is_found_by_name(names, order):
    assert class_order(names, "model") == order


@pytest.mark.parametrize("names", [("a", "b"), ("roadwork", "Roadwork"), ("roadwork",), ("a", "b", "roadwork")])
def test_unclear_class_names_are_refused(names):
    with pytest.raises(RequestError, match="one of them named roadwork"):
        class_order(names, "model")
