"""`data challenge`: folders of challenges, their list, and what is refused."""

import csv
import hashlib
import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.data import challenge as command
from kerasfusion.cli.main import main
from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import read_image
from kerasfusion.roadwork.challenge.job import write_challenges
from kerasfusion.roadwork.challenge.kinds import LAYOUTS, LEVELS, MIX, draw_kind
from kerasfusion.roadwork.challenge.making import challenge_jpeg, stream_of
from kerasfusion.roadwork.data.dataset import scan
from kerasfusion.roadwork.data.split_job import split_dataset


def save(path, seed, shape=(30, 50)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """Six photos in split folders."""
    for i, place in enumerate(("train/roadwork/a.jpg", "train/roadwork/a.png", "train/roadwork/sub/b.jpg")):
        save(tmp_path / "src" / place, i)
    for i, place in enumerate(("train/no_roadwork/a.jpg", "val/roadwork/c.jpg", "val/no_roadwork/d.jpg")):
        save(tmp_path / "src" / place, 10 + i)
    return tmp_path / "src"


def listed(out):
    with (out / "challenges.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def files(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*") if path.is_file()}


def test_every_view_of_every_photo_is_a_file_in_the_photos_folder_and_in_the_list(photos, tmp_path):
    before = files(photos)
    summary = write_challenges(photos, tmp_path / "out", views=4)
    rows = listed(tmp_path / "out")
    assert files(photos) == before
    assert {row["path"] for row in rows} | {"challenges.csv"} == files(tmp_path / "out").keys()
    assert len(rows) == len(scan(tmp_path / "out")) == 24
    assert sorted({(row["photo"], row["view"]) for row in rows}) == sorted(
        (name, str(view)) for name in before for view in (1, 2, 3, 4)
    )
    for row in rows:
        assert row["path"].rpartition("/")[0] == row["photo"].rpartition("/")[0]
        kind = row["layout"] if row["layout"] == "plain" else f"{row['layout']}-{row['level']}"
        assert row["path"].endswith(f"_view{row['view']}_{kind}.jpg")
        assert row["group"] == hashlib.sha256(before[row["photo"]]).hexdigest()
    assert summary.photos == 6
    assert sum(row["roadwork"] for row in summary.counts) == 16
    assert sum(row["no_roadwork"] for row in summary.counts) == 8


def test_the_files_are_what_the_photo_and_the_number_give(photos, tmp_path):
    write_challenges(photos, tmp_path / "out", layout=MIX, level=MIX, views=2)
    for row in listed(tmp_path / "out"):
        pixels, digest = read_image(photos / row["photo"])
        stream = stream_of(digest, int(row["view"]))
        kind = draw_kind(MIX, MIX, stream)
        assert (kind.layout, str(kind.level)) == (row["layout"], row["level"])
        assert (tmp_path / "out" / row["path"]).read_bytes() == challenge_jpeg(pixels, kind, stream)


def test_neither_the_name_nor_the_folder_of_a_photo_changes_its_challenges(photos, tmp_path):
    write_challenges(photos, tmp_path / "one", layout="crop", level=3)
    (photos / "train/roadwork/a.jpg").rename(photos / "val/no_roadwork/z.jpg")
    write_challenges(photos, tmp_path / "two", layout="crop", level=3)
    moved = files(tmp_path / "two")["val/no_roadwork/z_view1_crop-3.jpg"]
    assert files(tmp_path / "one")["train/roadwork/a_view1_crop-3.jpg"] == moved


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sizes_by_layout(photos, tmp_path, layout):
    write_challenges(photos, tmp_path / "out", layout=layout)
    shapes = {read_image(path)[0].shape for path in (tmp_path / "out").rglob("*.jpg")}
    assert shapes == ({(30, 50, 3)} if layout == "plain" else {(224, 224, 3)})


def test_without_split_folders_there_are_none_after_it(tmp_path):
    long = "x" * 250
    for i, place in enumerate(("Roadwork/a.jpg", "None/a.jpg", "None/A.jpg", "None/a.jpeg", f"Roadwork/{long}.png")):
        save(tmp_path / "src" / place, i)
    summary = write_challenges(tmp_path / "src", tmp_path / "out", layout="letterbox", level=0)
    names = sorted(name for name in files(tmp_path / "out") if name != "challenges.csv")
    assert len({name.casefold() for name in names}) == len(names) == 5
    assert all(name.startswith(("roadwork/", "no_roadwork/")) for name in names)
    assert all(len(name.rpartition("/")[2].encode()) <= 255 for name in names)
    assert "roadwork/a_view1_letterbox-0.jpg" in names
    assert any("data split" in note for note in summary.notes)


def test_names_that_are_not_utf8_are_made_readable(tmp_path):
    save(tmp_path / "src" / "roadwork" / os.fsdecode(b"Stra\xdfe.jpg"), 1)
    assert write_challenges(tmp_path / "src", tmp_path / "out", layout="plain").photos == 1
    assert files(tmp_path / "out").keys() == {"challenges.csv", "roadwork/Stra%DFe_view1_plain.jpg"}


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(photos, tmp_path):
    out = tmp_path / "out"
    write_challenges(photos, out, views=3)
    whole = files(out)
    gone = sorted(name for name in whole if name.endswith(".jpg"))[::2]
    for name in gone:
        (out / name).unlink()
    (out / "train/roadwork/.left.jpg.999999.partial").write_bytes(b"half")
    untouched = {name: (out / name).stat().st_mtime_ns for name in whole.keys() - set(gone) - {"challenges.csv"}}
    summary = write_challenges(photos, out, views=3)
    assert files(out) == whole
    assert summary.kept == 18 - len(gone)
    assert untouched == {name: (out / name).stat().st_mtime_ns for name in untouched}


def test_more_views_and_more_photos_are_added(photos, tmp_path):
    write_challenges(photos, tmp_path / "out", views=1)
    save(photos / "val/roadwork/new.jpg", 77)
    write_challenges(photos, tmp_path / "out", views=3)
    write_challenges(photos, tmp_path / "fresh", views=3)
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


@pytest.mark.parametrize("change", ["views", "layout", "level", "photo", "removed"])
def test_a_folder_with_other_challenges_is_refused_and_left(photos, tmp_path, change):
    out = tmp_path / "out"
    write_challenges(photos, out, layout="crop", level=2, views=2)
    before = files(out)
    asked = {"layout": "crop", "level": 2, "views": 2} | {
        "views": {"views": 1},
        "layout": {"layout": "letterbox"},
        "level": {"level": 3},
    }.get(change, {})
    if change == "photo":
        save(photos / "val/roadwork/c.jpg", 99)
    if change == "removed":
        (photos / "val/roadwork/c.jpg").unlink()
    with pytest.raises(RequestError, match=r"OUT holds \d+ challenges of other photos, kinds or views"):
        write_challenges(photos, out, **asked)
    assert files(out) == before


def test_unreadable_photos_are_named_and_the_rest_is_made(photos, tmp_path):
    jpeg = (photos / "val/roadwork/c.jpg").read_bytes()
    (photos / "val/roadwork/c.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (photos / "train/roadwork/empty.jpg").touch()
    save(photos / "train/roadwork/strip.png", 5, (1, 3000))
    save(photos / "train/roadwork/tiny.png", 5, (1, 1))
    for _ in range(2):
        summary = write_challenges(photos, tmp_path / "out", layout="letterbox", views=2)
        assert summary.unreadable.keys() == {
            "val/roadwork/c.jpg",
            "train/roadwork/empty.jpg",
            "train/roadwork/strip.png",
        }
        assert "3 photo(s) cannot be read" in summary.problems[0]
        assert len(listed(tmp_path / "out")) == len(files(tmp_path / "out")) - 1 == 12
    save(photos / "val/roadwork/c.jpg", 6)
    assert write_challenges(photos, tmp_path / "out", layout="letterbox", views=2).photos == 7


def test_out_is_not_inside_src_nor_a_file_nor_a_folder_of_other_things(photos, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thing.txt").touch()
    (tmp_path / "file").touch()
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "challenges.csv").write_text("a,b\n1,2\n")
    for out, message in (
        (photos, "inside SRC"),
        (photos / "out", "inside SRC"),
        (tmp_path, "OUT holds something else"),
        (tmp_path / "other", "OUT holds something else"),
        (tmp_path / "file", "OUT is a file"),
        (tmp_path / "list", "not a list of challenges"),
    ):
        with pytest.raises(RequestError, match=message):
            write_challenges(photos, out)


def test_requests_that_cannot_be_met_are_refused_before_anything_is_written(photos, tmp_path):
    for choices, message in (
        ({"views": 0}, "0 views"),
        ({"layout": "square"}, "no layout 'square'"),
        ({"level": 4}, "no level 4"),
        ({"layout": "plain", "level": 1}, "undistorted"),
    ):
        with pytest.raises(RequestError, match=message):
            write_challenges(photos, tmp_path / "out", **choices)
    (tmp_path / "empty" / "roadwork").mkdir(parents=True)
    with pytest.raises(RequestError, match="no photo"):
        write_challenges(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_later_split_keeps_the_views_of_a_photo_together(tmp_path):
    for i in range(40):
        save(tmp_path / "src" / ("roadwork" if i % 2 else "no_roadwork") / f"{i}.jpg", i, (8, 8))
    write_challenges(tmp_path / "src", tmp_path / "mix", views=3)
    split_dataset(tmp_path / "mix", tmp_path / "split", val=0.2, test=0.2, group_csv=tmp_path / "mix/challenges.csv")
    places = {}
    for path in (tmp_path / "split").rglob("*.jpg"):
        photo = path.name.partition("_view")[0]
        places.setdefault(photo, set()).add(path.relative_to(tmp_path / "split").parts[0])
    assert len(places) == 40
    assert all(len(splits) == 1 for splits in places.values())


def test_the_command_counts_by_layout_and_level(photos, tmp_path):
    result = CliRunner().invoke(main, ["data", "challenge", str(photos), str(tmp_path / "out"), "--level", "2"])
    assert result.exit_code == 0, result.output
    assert "layout" in result.output and "6 challenges of 6 photos" in result.output

    (photos / "val/roadwork/c.jpg").write_bytes(b"no photo")
    arguments = ["--layout", "crop", "--level", "1", "--views", "2", "--json"]
    result = CliRunner().invoke(main, ["data", "challenge", str(photos), str(tmp_path / "crops"), *arguments])
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert said["counts"] == [{"layout": "crop", "level": 1, "no_roadwork": 4, "roadwork": 6}]
    assert list(said["unreadable"]) == ["val/roadwork/c.jpg"]


def test_the_command_knows_every_layout_and_level():
    options = {option.name: option for option in command.params}
    assert set(options["layout"].type.choices) == {*LAYOUTS, MIX}
    assert set(options["level"].type.choices) == {MIX, *map(str, LEVELS)}
