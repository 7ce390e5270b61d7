import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.data.check import check_dataset


def encode(seed: int, size: tuple[int, int] = (24, 16), kind: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def make_set(root: Path, counts: dict[str, tuple[int, int]]) -> Path:
    seed = 0
    for split, per_class in counts.items():
        for name, count in zip(("no_roadwork", "roadwork"), per_class, strict=True):
            for i in range(count):
                put(root, f"{split}/{name}/{i:03d}.jpg", encode(seed))
                seed += 1
    return root


def put(root: Path, name: str, data: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)


def test_a_sound_set_has_no_problems_and_no_warnings(tmp_path):
    root = make_set(tmp_path, {"train": (12, 10), "val": (10, 10), "test": (10, 10)})
    put(root, "train/roadwork/wide.png", encode(900, (64, 8), "PNG"))
    put(root, "train/roadwork/tall.jpg", encode(901, (10, 90)))
    check = check_dataset(root)
    assert check.usable
    assert (check.problems, check.warnings) == ([], [])
    assert check.counts == {
        "train": {"no_roadwork": 12, "roadwork": 12},
        "val": {"no_roadwork": 10, "roadwork": 10},
        "test": {"no_roadwork": 10, "roadwork": 10},
    }
    assert check.sizes["width"] == {"min": 10, "median": 24.0, "max": 64}
    assert check.sizes["height"] == {"min": 8, "median": 16.0, "max": 90}
    sizes = sorted(path.stat().st_size for path in root.rglob("*.*g"))
    assert check.sizes["bytes"] == {"min": sizes[0], "median": (sizes[31] + sizes[32]) / 2, "max": sizes[-1]}


def test_unreadable_images_are_named_with_the_reason(tmp_path):
    root = make_set(tmp_path, {"train": (10, 10), "val": (10, 10), "test": (10, 10)})
    whole = encode(900, (200, 200))
    put(root, "train/roadwork/cut.jpg", whole[: len(whole) // 2])
    put(root, "train/roadwork/empty.png", b"")
    put(root, "val/no_roadwork/text.jpg", b"this is a text")
    put(root, "val/no_roadwork/large.jpg", encode(901, (300, 200)))
    check = check_dataset(root, max_pixels=200 * 200)
    assert not check.usable
    assert list(check.unreadable) == [
        "train/roadwork/cut.jpg",
        "train/roadwork/empty.png",
        "val/no_roadwork/large.jpg",
        "val/no_roadwork/text.jpg",
    ]
    assert "truncated" in check.unreadable["train/roadwork/cut.jpg"]
    assert "empty" in check.unreadable["train/roadwork/empty.png"]
    assert "60,000 pixels" in check.unreadable["val/no_roadwork/large.jpg"]
    assert len(check.problems) == 1
    assert check.problems[0].startswith("4 images cannot be read: train/roadwork/cut.jpg")
    assert check.counts["train"] == {"no_roadwork": 10, "roadwork": 10}  # they are not there to be learned from


def test_identical_images_across_splits_and_with_two_labels(tmp_path):
    root = make_set(tmp_path, {"train": (10, 10), "val": (10, 10), "test": (10, 10)})
    leak, doubt, copy = encode(900), encode(901), encode(902)
    put(root, "train/roadwork/a.jpg", leak)
    put(root, "test/roadwork/b.jpg", leak)
    put(root, "train/roadwork/c.jpg", doubt)
    put(root, "train/no_roadwork/d.jpg", doubt)
    put(root, "val/roadwork/e.jpg", copy)
    put(root, "val/roadwork/f.jpg", copy)
    put(root, "val/roadwork/g.jpg", copy)
    check = check_dataset(root)
    assert check.across_splits == [["test/roadwork/b.jpg", "train/roadwork/a.jpg"]]
    assert check.two_labels == [["train/no_roadwork/d.jpg", "train/roadwork/c.jpg"]]
    assert check.copies == 2
    assert [problem.split(":")[0] for problem in check.problems] == [
        "identical images with both labels",
        "identical images in several splits",
    ]
    assert any("2 images are copies" in warning for warning in check.warnings)


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ({"train": (10, 0), "val": (10, 10)}, "train/ has no roadwork image"),
        ({"train": (10, 10), "test": (0, 10)}, "test/ has no no_roadwork image"),
        ({"val": (10, 10), "test": (10, 10)}, "train/ has no image"),
    ],
)
def test_a_missing_class_or_training_set_is_a_problem(tmp_path, counts, problem):
    check = check_dataset(make_set(tmp_path, counts))
    assert check.problems == [problem]


def test_warnings(tmp_path):
    root = make_set(tmp_path, {"train": (22, 2), "val": (10, 9)})
    put(root, "train/roadwork/phone.dng", b"x")
    put(root, "validation/roadwork/1.jpg", encode(900))
    check = check_dataset(root)
    assert check.usable
    assert check.warnings == [
        "train/ is unbalanced, 22 to 2: consider class weights",
        "val/ has only 19 images: its scores will be rough",
        "there is no test/",
        "only train/, val/ and test/ are used, not validation/",
        "1 file is not an image by its suffix and was left out: train/roadwork/phone.dng",
    ]


def test_ten_to_one_is_not_yet_strong(tmp_path):
    check = check_dataset(make_set(tmp_path, {"train": (20, 2), "val": (10, 10), "test": (10, 10)}))
    assert check.warnings == []


def test_json_holds_everything(tmp_path):
    root = make_set(tmp_path, {"train": (10, 10), "val": (10, 10), "test": (10, 10)})
    put(root, "train/roadwork/bad.jpg", b"bad")
    read = json.loads(json.dumps(check_dataset(root).to_json()))
    assert read["usable"] is False
    assert read["root"] == str(root)
    assert list(read["unreadable"]) == ["train/roadwork/bad.jpg"]
    assert read["counts"]["train"] == {"no_roadwork": 10, "roadwork": 10}


def test_the_set_is_left_as_it_was(tmp_path):
    root = make_set(tmp_path, {"train": (3, 3)})
    put(root, "train/roadwork/bad.jpg", encode(900)[:-30])
    before = {path: path.read_bytes() for path in root.rglob("*.jpg")}
    check_dataset(root)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_no_photos_is_a_wrong_request(tmp_path, folder):
    with pytest.raises(RequestError):
        check_dataset(tmp_path / folder)
