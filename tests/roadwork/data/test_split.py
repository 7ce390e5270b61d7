import collections
import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.data import split_job
from kerasfusion.roadwork.data.split_groups import join_groups
from kerasfusion.roadwork.data.split_job import split_dataset


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())


def make_source(root: Path, per_class: int = 40) -> Path:
    for name in ("no_roadwork", "roadwork"):
        for i in range(per_class):
            write(root / name / f"video{i // 4}_{i:03d}.jpg", f"{name} {i}")
    return root


def tree(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def split_by_content(out: Path) -> dict[str, str]:
    return {path.read_text(): path.relative_to(out).parts[0] for path in out.rglob("*.*") if path.is_file()}


def test_every_photo_arrives_once_and_the_source_is_unchanged(tmp_path):
    source = make_source(tmp_path / "src")
    before = tree(source)
    summary = split_dataset(source, tmp_path / "new" / "out")
    assert tree(source) == before
    assert sorted(tree(tmp_path / "new" / "out").values()) == sorted(before.values())
    assert summary.counts == {
        "train": {"no_roadwork": 32, "roadwork": 32},
        "val": {"no_roadwork": 4, "roadwork": 4},
        "test": {"no_roadwork": 4, "roadwork": 4},
    }
    assert summary.groups == 80
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_the_split_depends_on_content_and_seed_not_on_names(tmp_path):
    source = make_source(tmp_path / "a")
    for i, path in enumerate(sorted(make_source(tmp_path / "b").rglob("*.jpg"), reverse=True)):
        path.rename(path.with_name(f"renamed{i:03d}.jpg"))
    for name, seed in (("a", 42), ("b", 42), ("a", 7)):
        split_dataset(tmp_path / name, tmp_path / f"out-{name}-{seed}", seed=seed)
    first = split_by_content(tmp_path / "out-a-42")
    assert split_by_content(tmp_path / "out-b-42") == first
    assert split_by_content(tmp_path / "out-a-7") != first
    assert source.is_dir()


def test_identical_files_stay_together_even_with_two_labels(tmp_path):
    source = make_source(tmp_path / "src")
    for i in range(10):
        for copy in range(3):
            write(source / ("roadwork" if copy else "no_roadwork") / f"copy{copy}_{i}.jpg", f"same {i}")
    split_dataset(source, tmp_path / "out")
    splits = collections.defaultdict(set)
    for path in (tmp_path / "out").rglob("copy*.jpg"):
        splits[path.read_text()].add(path.relative_to(tmp_path / "out").parts[0])
    assert len(splits) == 10
    assert all(len(where) == 1 for where in splits.values())


def test_a_group_regex_keeps_groups_whole_across_classes(tmp_path):
    source = make_source(tmp_path / "src")
    write(source / "roadwork" / "lonely.jpg", "lonely")
    summary = split_dataset(source, tmp_path / "out", group_regex=r"^(video\d+)_")
    splits = collections.defaultdict(set)
    for path in (tmp_path / "out").rglob("video*.jpg"):
        splits[path.name.split("_")[0]].add(path.relative_to(tmp_path / "out").parts[0])
    assert len(splits) == 10
    assert all(len(where) == 1 for where in splits.values())
    assert set.union(*splits.values()) == {"train", "val", "test"}
    assert summary.groups == 11
    assert summary.notes == ["1 file names do not fit the group regex and are groups of their own: lonely.jpg"]


def test_a_group_csv_keeps_groups_whole(tmp_path):
    source = make_source(tmp_path / "src")
    paths = sorted(tree(source))
    lines = ["path,group", *(f"{path},site{i % 8}" for i, path in enumerate(paths))]
    (tmp_path / "groups.csv").write_text("\n".join(lines))
    split_dataset(source, tmp_path / "out", group_csv=tmp_path / "groups.csv")
    where = split_by_content(tmp_path / "out")
    for site in range(8):
        assert len({where[(source / path).read_text()] for path in paths[site::8]}) == 1


def test_join_groups_follows_chains():
    # 1 and 2 share bytes, 2 and 3 share a key, 3 and 4 share bytes; 5 is alone.
    groups = join_groups(["x", "x", "y", "y", "z"], [None, "b", "b", "a", None])
    assert groups == ["key:a"] * 4 + ["sha256:z"]
    assert join_groups(["y", "x", "x", "y"], ["a", "b", None, "b"]) == ["key:a"] * 4


def test_split_folders_are_pooled_and_equal_names_lose_nothing(tmp_path):
    source = tmp_path / "src"
    for split in ("train", "validation", "test"):
        for i in range(12):
            write(source / split / "None" / f"{i}.jpg", f"{split} no {i}")
            write(source / split / "Roadwork" / f"{i}.JPG", f"{split} yes {i}")
    write(source / "train" / "Roadwork" / "more" / "0.jpg", "nested")
    write(source / "train" / "None" / "same.jpg", "twin")
    write(source / "test" / "None" / "same.jpg", "twin")
    write(source / "train" / "None" / "notes.txt", "not a photo")
    write(source / "train" / "None" / ".hidden.jpg", "hidden")
    summary = split_dataset(source, tmp_path / "out", val=0.25, test=0.25)
    arrived = sorted(path.read_text() for path in (tmp_path / "out").rglob("*.*") if path.is_file())
    expected = [
        f"{s} {label} {i}" for s in ("train", "validation", "test") for label in ("no", "yes") for i in range(12)
    ]
    assert arrived == sorted([*expected, "nested", "twin", "twin"])
    assert sum(sum(counts.values()) for counts in summary.counts.values()) == 75
    assert [note for note in summary.notes if "notes.txt" in note]


def test_hard_links_share_the_bytes(tmp_path):
    source = make_source(tmp_path / "src", per_class=5)
    split_dataset(source, tmp_path / "out", link=True)
    inodes = {path.stat().st_ino for path in source.rglob("*.jpg")}
    assert {path.stat().st_ino for path in (tmp_path / "out").rglob("*.jpg")} == inodes


def test_no_hard_links_here(tmp_path, monkeypatch):
    def refuse(*_args):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    source = make_source(tmp_path / "src", per_class=5)
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(KerasFusionError, match="leave out --link"):
        split_dataset(source, tmp_path / "out", link=True)
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_an_interrupted_split_leaves_nothing_and_can_be_repeated(tmp_path, monkeypatch):
    def interrupt(items, label, total=None, done=0):
        for count, item in enumerate(items):
            if label == "copy" and count == 3:
                raise KeyboardInterrupt
            yield item

    source = make_source(tmp_path / "src", per_class=5)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(split_job, "track", interrupt)
        split_dataset(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["src"]
    split_dataset(source, tmp_path / "out")
    assert len(tree(tmp_path / "out")) == 10


def test_what_a_killed_split_left_is_replaced_but_a_stranger_s_folder_is_not(tmp_path):
    source = make_source(tmp_path / "src", per_class=5)
    left = tmp_path / "out.partial"
    write(left / "train" / "roadwork" / "half.jpg", "half")
    with pytest.raises(RequestError, match="exists already"):
        split_dataset(source, tmp_path / "out")
    assert (left / "train" / "roadwork" / "half.jpg").is_file()
    (left / ".unfinished-split").touch()
    split_dataset(source, tmp_path / "out")
    assert not left.exists()
    assert len(tree(tmp_path / "out")) == 10


def test_a_full_disk_is_found_before_and_during_the_copy(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    source = make_source(tmp_path / "src", per_class=5)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(KerasFusionError, match="not enough disk space"):
        split_dataset(source, tmp_path / "out")
    monkeypatch.undo()
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(KerasFusionError, match="no space left"):
        split_dataset(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_an_empty_output_folder_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    split_dataset(make_source(tmp_path / "src", per_class=5), tmp_path / "out")
    assert len(tree(tmp_path / "out")) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": "src/out"}, "inside SRC"),
        ({"out": "src"}, "inside SRC"),
        ({"out": "full"}, "not empty"),
        ({"src": "nowhere"}, "does not exist"),
        ({"src": "empty"}, "no photo(.|\n)*what to do: name the folder that holds them"),
        ({"src": "strange"}, "unknown folder.*cats"),
        ({"val": 0.6, "test": 0.4}, "nothing to train on"),
        ({"val": -0.1}, "nothing to train on"),
        ({"group_regex": "(unclosed"}, "not a regular expression"),
        ({"group_regex": "video"}, "has no group"),
        ({"group_regex": "(film)"}, "fits no file name"),
        ({"group_regex": "(v)", "group_csv": "groups.csv"}, "both given"),
        ({"group_csv": "missing.csv"}, "cannot read the group CSV"),
        ({"group_csv": "groups.csv"}, "9 photos have no group"),
        ({"group_csv": "columns.csv"}, "columns path,group"),
    ],
)
def test_wrong_requests_change_nothing(tmp_path, change, message):
    make_source(tmp_path / "src", per_class=5)
    write(tmp_path / "full" / "file", "x")
    write(tmp_path / "strange" / "cats" / "1.jpg", "x")
    write(tmp_path / "groups.csv", "path,group\nroadwork/video0_000.jpg,a\n")
    write(tmp_path / "columns.csv", "file,group\nroadwork/video0_000.jpg,a\n")
    (tmp_path / "empty" / "roadwork").mkdir(parents=True)
    before = tree(tmp_path)
    request = {"src": "src", "out": "out"} | change
    paths = {key: tmp_path / request.pop(key) for key in ("src", "out", "group_csv") if key in request}
    with pytest.raises(RequestError, match=message):
        split_dataset(**paths, **request)
    assert tree(tmp_path) == before
    assert not (tmp_path / "out").exists()
