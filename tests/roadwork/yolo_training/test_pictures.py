import errno

import numpy as np
import pytest
from PIL import Image

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.images.decoding import MAX_PIXELS, ImageError, crop_centre, read_image
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample
from kerasfusion.roadwork.yolo_training.pictures import shrink, write_training_tree


def photo(path, height, width, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def photos(folder, split, sizes):
    return [
        Sample(f"{split}/{CLASS_NAMES[i % 2]}/{i}.jpg", photo(folder / f"{split}-{i}.jpg", *size, seed=i), split, i % 2)
        for i, size in enumerate(sizes)
    ]


def test_validation_pictures_are_the_pixels_of_a_prediction(tmp_path):
    train = photos(tmp_path, "train", [(90, 160), (200, 100)])
    val = photos(tmp_path, "val", [(90, 160), (200, 100), (64, 64)])
    write_training_tree(train, val, tmp_path / "tree", 64, MAX_PIXELS, print)
    for number, sample in enumerate(sorted(val)):
        stored = tmp_path / "tree" / "val" / CLASS_NAMES[sample.label] / f"{number:07d}.png"
        expected = crop_centre(read_image(sample.path)[0], 64)
        np.testing.assert_array_equal(read(stored), expected)


def test_training_pictures_are_whole_and_small(tmp_path):
    train = photos(tmp_path, "train", [(200, 400), (300, 150), (50, 40)])
    val = photos(tmp_path, "val", [(64, 64), (64, 64)])
    write_training_tree(train, val, tmp_path / "tree", 64, MAX_PIXELS, print)
    stored = sorted((tmp_path / "tree" / "train").rglob("*.jpg"), key=lambda path: path.name)
    # 64 * sqrt(2) = 90.5, so the shortest side becomes 91; the 50 x 40 photo is smaller and stays as it is.
    assert [read(path).shape[:2] for path in stored] == [(91, 182), (50, 40), (182, 91)]
    assert [path.parent.name for path in stored] == ["no_roadwork", "no_roadwork", "roadwork"]


def test_numbers_follow_the_sample_ids_not_the_order_given(tmp_path):
    train = photos(tmp_path, "train", [(30, 40), (40, 30), (30, 50), (50, 30)])
    for name, order in (("a", train), ("b", train[::-1])):
        write_training_tree(order, train, tmp_path / name, 32, MAX_PIXELS, print)
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_shrink_keeps_a_picture_that_is_small_enough():
    image = np.zeros((91, 300, 3), np.uint8)
    assert shrink(image, 64) is image


def test_progress_is_reported_in_tenths_of_a_large_set(tmp_path):
    path = photo(tmp_path / "one.png", 12, 12)
    train = [Sample(f"train/roadwork/{i:04d}.png", path, "train", 1) for i in range(500)]
    lines = []
    write_training_tree(train, [], tmp_path / "tree", 32, MAX_PIXELS, lines.append)
    assert len(lines) == 10
    assert lines[0] == "prepared 50 of 500 pictures"
    assert lines[-1] == "prepared 500 of 500 pictures"


def test_a_photo_that_is_cut_short_is_named(tmp_path):
    samples = photos(tmp_path, "train", [(64, 64), (64, 64)])
    broken = samples[1].path
    broken.write_bytes(broken.read_bytes()[:500])
    with pytest.raises(ImageError, match=r"train-1\.jpg"):
        write_training_tree(samples, [], tmp_path / "tree", 32, MAX_PIXELS, print)


def test_a_photo_that_ultralytics_would_leave_out_is_named(tmp_path):
    samples = photos(tmp_path, "train", [(64, 64), (9, 64)])
    with pytest.raises(RequestError, match=r"64 x 9 pixels[^$]*train-1\.jpg"):
        write_training_tree(samples, [], tmp_path / "tree", 32, MAX_PIXELS, print)


def test_a_full_disk_is_said_with_the_space_needed(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    samples = photos(tmp_path, "train", [(64, 64)])
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(KerasFusionError, match=r"No space left on device[^$]*about 1 MB"):
        write_training_tree(samples, [], tmp_path / "tree", 32, MAX_PIXELS, print)
