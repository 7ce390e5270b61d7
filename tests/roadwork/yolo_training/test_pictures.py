import errno

import numpy as np
import pytest
from PIL import Image

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.images.decoding import MAX_PIXELS, ImageError, crop_centre, read_image
from kerasfusion.roadwork.challenge.views import views_of
from kerasfusion.roadwork.config import Views
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample
from kerasfusion.roadwork.yolo_training.fresh_views import FreshViews, copies_in
from kerasfusion.roadwork.yolo_training.pictures import _megabytes, shrink, write_training_tree

ALONE = Views(count=1)


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
    write_training_tree(train, val, tmp_path / "tree", 64, ALONE, MAX_PIXELS, print)
    for number, sample in enumerate(sorted(val)):
        stored = tmp_path / "tree" / "val" / CLASS_NAMES[sample.label] / f"{number:07d}-00.png"
        expected = crop_centre(read_image(sample.path)[0], 64)
        np.testing.assert_array_equal(read(stored), expected)


def test_training_pictures_are_whole_and_small(tmp_path):
    train = photos(tmp_path, "train", [(200, 400), (300, 150), (50, 40)])
    val = photos(tmp_path, "val", [(64, 64), (64, 64)])
    write_training_tree(train, val, tmp_path / "tree", 64, ALONE, MAX_PIXELS, print)
    stored = sorted((tmp_path / "tree" / "train").rglob("*.jpg"), key=lambda path: path.name)
    # 64 * sqrt(2) = 90.5, so the shortest side becomes 91; the 50 x 40 photo is smaller and stays as it is.
    assert [read(path).shape[:2] for path in stored] == [(91, 182), (50, 40), (182, 91)]
    assert [path.parent.name for path in stored] == ["no_roadwork", "no_roadwork", "roadwork"]


def test_each_view_of_a_validation_photo_is_written(tmp_path):
    views, (sample,) = Views("mix", 4), photos(tmp_path, "val", [(120, 200)])
    write_training_tree([], [sample], tmp_path / "tree", 64, views, MAX_PIXELS, print)
    stored = sorted((tmp_path / "tree" / "val" / CLASS_NAMES[sample.label]).iterdir())
    assert [path.name for path in stored] == [f"0000000-{number:02d}.png" for number in range(4)]
    for path, view in zip(stored, views_of(*read_image(sample.path), "val", views), strict=True):
        np.testing.assert_array_equal(read(path), crop_centre(view, 64))


def test_training_pictures_that_challenges_are_made_of_are_larger(tmp_path):
    train = photos(tmp_path, "train", [(600, 900), (1100, 560), (400, 300)])
    write_training_tree(train, [], tmp_path / "small", 224, Views(count=4), MAX_PIXELS, print)
    write_training_tree(train, [], tmp_path / "large", 480, Views(count=4), MAX_PIXELS, print)

    def sizes(name):
        stored = sorted((tmp_path / name / "train").rglob("*.jpg"), key=lambda path: path.name)
        return [read(path).shape[:2] for path in stored]

    # A fifth of a square of 501 pixels a side is one of 224.05; a classifier of 480 pixels needs 480 * sqrt(2) = 678.8.
    assert sizes("small") == [(501, 752), (400, 300), (984, 501)]
    assert sizes("large") == [(600, 900), (400, 300), (1100, 560)]


def test_the_space_that_pictures_take(tmp_path):
    train, val = photos(tmp_path, "train", [(20, 20)] * 3), photos(tmp_path, "val", [(20, 20)] * 2)
    # Bytes a copy: 317 ** 2 * 16 / 9 * 0.55 = 98,257 or 501 ** 2 * 16 / 9 * 0.55 = 245,423; a view: 224 ** 2 * 2.
    assert _megabytes(train * 1000, val * 1000, 224, ALONE) == 496  # 294.8 + 200.7
    assert _megabytes(train * 1000, val * 1000, 224, Views(count=4)) == 1540  # 736.3 + 802.8


def test_numbers_follow_the_sample_ids_not_the_order_given(tmp_path):
    train = photos(tmp_path, "train", [(30, 40), (40, 30), (30, 50), (50, 30)])
    for name, order in (("a", train), ("b", train[::-1])):
        write_training_tree(order, train, tmp_path / name, 32, ALONE, MAX_PIXELS, print)
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


@pytest.mark.parametrize("size", [(10, 12), (10, 480), (480, 10), (223, 60)])
def test_views_of_small_and_of_extremely_long_photos(tmp_path, size):
    train, val = photos(tmp_path, "train", [size]), photos(tmp_path, "val", [size])
    views = Views("mix", 8)
    write_training_tree(train, val, tmp_path / "tree", 64, views, MAX_PIXELS, print)
    assert {read(path).shape for path in (tmp_path / "tree" / "val").rglob("*.png")} == {(64, 64, 3)}
    samples = copies_in(tmp_path / "tree" / "train", dict(enumerate(CLASS_NAMES)))
    dataset = FreshViews(samples, 2, views, 64, seed=0, mixup=0.0, photo=lambda x, seed: x, square=lambda x, seed: x)
    shapes = {dataset[epoch, 0]["img"].shape for epoch in range(40)}
    assert shapes == {(*size, 3), (64, 64, 3)}


def test_shrink_keeps_a_picture_that_is_small_enough():
    image = np.zeros((91, 300, 3), np.uint8)
    assert shrink(image, 91) is image


def test_progress_is_reported_in_tenths_of_a_large_set(tmp_path):
    path = photo(tmp_path / "one.png", 12, 12)
    train = [Sample(f"train/roadwork/{i:04d}.png", path, "train", 1) for i in range(500)]
    lines = []
    write_training_tree(train, [], tmp_path / "tree", 32, ALONE, MAX_PIXELS, lines.append)
    assert len(lines) == 10
    assert lines[0] == "prepared 50 of 500 photos"
    assert lines[-1] == "prepared 500 of 500 photos"


def test_a_photo_that_is_cut_short_is_named(tmp_path):
    samples = photos(tmp_path, "train", [(64, 64), (64, 64)])
    broken = samples[1].path
    broken.write_bytes(broken.read_bytes()[:500])
    with pytest.raises(ImageError, match=r"train-1\.jpg"):
        write_training_tree(samples, [], tmp_path / "tree", 32, ALONE, MAX_PIXELS, print)


def test_a_photo_that_ultralytics_would_leave_out_is_named(tmp_path):
    samples = photos(tmp_path, "train", [(64, 64), (9, 64)])
    with pytest.raises(RequestError, match=r"64 x 9 pixels[^$]*train-1\.jpg"):
        write_training_tree(samples, [], tmp_path / "tree", 32, ALONE, MAX_PIXELS, print)


def test_a_full_disk_is_said_with_the_space_needed(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    samples = photos(tmp_path, "train", [(64, 64)])
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(KerasFusionError, match=r"No space left on device[^$]*about 1 MB"):
        write_training_tree(samples, [], tmp_path / "tree", 32, ALONE, MAX_PIXELS, print)
