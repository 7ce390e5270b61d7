"""Photos that show the same picture in other bytes are found, and others are not taken for them."""

import io
import itertools
from collections import defaultdict

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageEnhance

from kerasfusion.cli.main import main
from kerasfusion.roadwork.data import check, near_copies
from kerasfusion.roadwork.data.check import check_dataset
from kerasfusion.roadwork.data.near_copies import BITS, NEAR, near_pairs
from kerasfusion.roadwork.data.split_groups import join_groups
from kerasfusion.roadwork.data.split_job import split_dataset
from kerasfusion.roadwork.scenes.street import draw_scene


def recompressed(image):
    written = io.BytesIO()
    image.save(written, "JPEG", quality=35)
    return Image.open(written)


def cropped(image):
    width, height = image.size
    return image.crop((width * 3 // 100, height * 2 // 100, width * 98 // 100, height * 97 // 100))


ALTERED = {
    "resized": lambda image: image.resize((image.width * 3 // 5, image.height * 3 // 5)),
    "recompressed": recompressed,
    "cropped": cropped,
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
}


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Twelve scenes a class, and of the first four of each a copy that was altered, a kind of change each."""
    root = tmp_path_factory.mktemp("street")
    for number in range(24):
        name = ("no_roadwork", "roadwork")[number % 2]
        (root / name).mkdir(exist_ok=True)
        scene = draw_scene(np.random.default_rng(number), bool(number % 2))
        scene.save(root / name / f"scene{number:02}.png")
        if number < 8:
            kind = list(ALTERED)[number // 2]
            ALTERED[kind](scene).save(root / name / f"scene{number:02}-{kind}.png")
    return root


def test_altered_copies_are_found_and_different_scenes_are_not(street, tmp_path):
    split_dataset(street, tmp_path / "all", val=0, test=0)
    found = check_dataset(tmp_path / "all")
    expected = {(f"scene{number:02}", f"scene{number:02}-{list(ALTERED)[number // 2]}") for number in range(8)}
    stems = [tuple(sorted(name.rpartition("/")[2].removesuffix(".png") for name in pair)) for pair in found.near_copies]
    assert set(stems) == expected
    assert len(stems) == 8
    assert any(line.startswith("8 pairs of nearly identical images within one split") for line in found.warnings)
    assert found.usable


def test_pairs_over_splits_and_labels_are_named(street, tmp_path):
    root = tmp_path / "set"
    for split, label in itertools.product(("train", "test"), ("no_roadwork", "roadwork")):
        (root / split / label).mkdir(parents=True)
    for path, target in (
        ("no_roadwork/scene00.png", "train/no_roadwork/a.png"),
        ("no_roadwork/scene00-resized.png", "test/no_roadwork/b.png"),
        ("roadwork/scene01.png", "train/roadwork/c.png"),
        ("roadwork/scene01-resized.png", "train/no_roadwork/d.png"),
        ("roadwork/scene09.png", "test/roadwork/e.png"),
    ):
        (root / target).write_bytes((street / path).read_bytes())
    warnings = check_dataset(root).warnings
    assert (
        "a pair of nearly identical images in several splits; data split --group-similar keeps them together: "
        "test/no_roadwork/b.png, train/no_roadwork/a.png" in warnings
    )
    assert (
        "a pair of nearly identical images with both labels: train/no_roadwork/d.png, train/roadwork/c.png" in warnings
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_group_similar_keeps_them_together(street, tmp_path, seed):
    done = split_dataset(street, tmp_path / "split", val=0.25, test=0.25, seed=seed, group_similar=True)
    assert done.notes[0] == "8 pairs of nearly identical photos: 32 groups became 24"
    splits = defaultdict(set)
    for path in (tmp_path / "split").rglob("*.png"):
        splits[path.name[:7]].add(path.parts[-3])
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == {"train", "val", "test"}


def test_photos_that_cannot_be_read_are_named_and_stay(street, tmp_path):
    source = tmp_path / "source"
    for name in ("no_roadwork", "roadwork"):
        (source / name).mkdir(parents=True)
        for path in sorted((street / name).iterdir())[:6]:
            (source / name / path.name).write_bytes(path.read_bytes())
    (source / "roadwork" / "broken.jpg").write_bytes(b"no photo")
    done = split_dataset(source, tmp_path / "out", val=0, test=0, group_similar=True)
    assert done.notes[1] == "1 photos that cannot be read were compared with none: broken.jpg"
    assert (tmp_path / "out" / "train" / "roadwork" / "broken.jpg").is_file()


def test_pairs_are_those_within_the_limit_however_many_are_compared_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    prints = rng.integers(0, 2, (40, BITS)).astype(bool)
    for number, flipped in enumerate((0, 1, NEAR, NEAR + 1)):
        prints[10 + number] = prints[20 + number]
        prints[10 + number, rng.permutation(BITS)[:flipped]] ^= True
    expected = sorted(
        (int((prints[a] != prints[b]).sum()), a, b)
        for a, b in itertools.combinations(range(40), 2)
        if (prints[a] != prints[b]).sum() <= NEAR
    )
    assert [distance for distance, *_ in expected] == [0, 1, NEAR]
    for block in (1, 7, 1024):
        monkeypatch.setattr(near_copies, "_BLOCK", block)
        assert near_pairs(prints) == [(a, b, distance) for distance, a, b in expected]
    assert near_pairs(prints[:0]) == []


def test_chains_of_alike_photos_become_one_group():
    digests = ["a", "b", "c", "d", "a"]
    found = join_groups(digests, [None, None, None, "user", None], [(0, 1), (1, 2)])
    assert found == ["sha256:a", "sha256:a", "sha256:a", "key:user", "sha256:a"]
    assert set(join_groups(digests, [None] * 3 + ["user", None], [(2, 3), (0, 2)])) == {"sha256:b", "key:user"}


def test_the_sheet_shows_the_pairs_and_is_not_written_where_there_are_none(street, tmp_path):
    split_dataset(street, tmp_path / "all", val=0, test=0)
    sheet = tmp_path / "sheet.png"
    done = CliRunner().invoke(main, ["data", "check", str(tmp_path / "all"), "--sheet", str(sheet)])
    assert f"8 pairs: {sheet}" in done.output
    with Image.open(sheet) as drawn:
        assert drawn.width > drawn.height / 2 > 200
    (tmp_path / "file").write_text("no folder")
    wrong = ["data", "check", str(tmp_path / "all"), "--sheet", str(tmp_path / "file" / "sheet.png")]
    done = CliRunner().invoke(main, wrong)
    assert done.exit_code == 2, done.output
    assert "total" not in done.output  # nothing was decoded for it
    for path in (tmp_path / "all").rglob("*-*.png"):
        path.unlink()
    done = CliRunner().invoke(main, ["data", "check", str(tmp_path / "all"), "--sheet", str(tmp_path / "none.png")])
    assert "no sheet was written: there are no nearly identical photos" in done.output
    assert not (tmp_path / "none.png").exists()


def test_without_imagehash_the_check_says_what_it_did_not_look_for(street, tmp_path, monkeypatch):
    split_dataset(street, tmp_path / "all", val=0, test=0)
    monkeypatch.setattr(check, "CAN_FINGERPRINT", False)
    found = check_dataset(tmp_path / "all")
    assert found.near_copies is None
    assert any("near copies were not looked for" in line for line in found.warnings)
