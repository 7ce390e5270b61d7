"""The training dataset of photos with views, without ultralytics: what it makes of which photo, and when."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from kerasfusion.roadwork.config import Views
from kerasfusion.roadwork.yolo_training import fresh_views
from kerasfusion.roadwork.yolo_training.fresh_views import EpochOrder, FreshViews, copies_in

NAMES = {0: "no_roadwork", 1: "roadwork"}
SIZE = 32
FOUR = Views(count=4)


def as_numbers(picture, seed):
    return picture.astype(np.float64)


@pytest.fixture
def make(tmp_path):
    """The dataset of two photos, one grey each of a class: 20 without roadwork, 220 with. All augmentation is off."""
    for label, name in NAMES.items():
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((60, 80, 3), 20 + 200 * label, np.uint8)).save(tmp_path / name / "0.png")

    def dataset(views=FOUR, seed=3, mixup=0.0, photo=as_numbers, square=as_numbers):
        return FreshViews(copies_in(tmp_path, NAMES), 2, views, SIZE, seed, mixup, photo, square)

    return dataset


def pictures(dataset, epoch):
    return [dataset[epoch, number]["img"] for number in range(len(dataset))]


def equal(some, others):
    return all(a.shape == b.shape and (a == b).all() for a, b in zip(some, others, strict=True))


def test_a_picture_follows_from_seed_epoch_and_photo_and_from_nothing_else(make):
    views = Views("crop", 64)  # nearly always a challenge
    dataset = make(views)
    first, second = pictures(dataset, 0), pictures(dataset, 1)
    assert not equal(first, second)
    assert equal(pictures(make(views), 1), second)
    assert equal(pictures(dataset, 0), first)
    assert not equal(pictures(make(views, seed=4), 0), first)


def test_the_seed_of_the_transforms_is_drawn_anew_too(make):
    seeds = []

    def note(picture, seed):
        seeds.append(seed)
        return as_numbers(picture, seed)

    dataset = make(photo=note, square=note)
    for epoch in range(5):
        pictures(dataset, epoch)
    assert len(set(seeds)) == 10


@pytest.mark.commands
@pytest.mark.parametrize("count", [2, 4])
def test_one_view_in_count_is_the_photo_itself(make, count):
    dataset = make(Views("letterbox", count))
    draws = [dataset[epoch, 0]["img"].shape == (60, 80, 3) for epoch in range(400)]
    assert np.mean(draws) == pytest.approx(1 / count, abs=4 * np.sqrt((1 - 1 / count) / count / 400))


def test_every_layout_of_the_mix_comes_and_each_goes_to_its_transforms(make, monkeypatch):
    kinds = []

    def note(photo, kind, stream):
        kinds.append(kind.layout)
        return photo if kind.layout == "plain" else np.zeros((224, 224, 3), np.uint8)

    monkeypatch.setattr(fresh_views, "challenge", note)
    whole, square = [], []
    dataset = make(
        photo=lambda picture, seed: whole.append(picture.shape) or as_numbers(picture, seed),
        square=lambda picture, seed: square.append(picture.shape) or as_numbers(picture, seed),
    )
    for epoch in range(100):
        pictures(dataset, epoch)
    assert {layout: kinds.count(layout) > 25 for layout in kinds} == {"crop": True, "letterbox": True, "plain": True}
    # `plain` keeps the photo's size and is augmented like a photo; a challenge is brought to the classifier's size.
    assert set(whole) == {(60, 80, 3)} and len(whole) == 200 - len(kinds) + kinds.count("plain")
    assert set(square) == {(SIZE, SIZE, 3)} and len(square) == kinds.count("crop") + kinds.count("letterbox")


def test_a_label_is_the_share_of_each_class(make):
    dataset = make()
    assert [dataset[0, number]["cls"].tolist() for number in (0, 1)] == [[1, 0], [0, 1]]
    assert dataset[0, 0]["cls"].dtype == np.float32


@pytest.fixture
def photos_alone(monkeypatch):
    """Challenges are the photo, so that a picture's grey says what was mixed."""
    monkeypatch.setattr(fresh_views, "challenge", lambda photo, kind, stream: photo)


def test_mixup_mixes_pictures_and_labels_by_the_same_share(make, photos_alone):
    dataset = make(Views("plain", 2), mixup=1.0)
    shares = []
    for epoch in range(200):
        for number in (0, 1):
            drawn = dataset[epoch, number]
            none, roadwork = drawn["cls"]
            assert none + roadwork == pytest.approx(1)
            np.testing.assert_allclose(drawn["img"], 20 * none + 220 * roadwork, rtol=1e-5)
            shares.append(drawn["cls"][number])
    # Beta(32, 32) has the mean 1/2 and the variance 32 * 32 / (64 ** 2 * 65) = 1 / 260.
    assert np.mean(shares) == pytest.approx(0.5, abs=4 / np.sqrt(260 * 400))
    assert np.var(shares) == pytest.approx(1 / 260, rel=0.3)


@pytest.mark.parametrize("chance", [0.1, 0.6])
def test_mixup_is_a_chance(make, photos_alone, chance):
    dataset = make(Views("plain", 2), mixup=chance)
    mixed = [dataset[epoch, 0]["cls"].max() < 1 for epoch in range(400)]
    assert np.mean(mixed) == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 400))


def test_a_single_photo_is_not_mixed_with_itself(make, photos_alone):
    dataset = make(Views("plain", 2), mixup=1.0)
    alone = dataclasses.replace(dataset, samples=dataset.samples[:1])
    assert alone[0, 0]["cls"].tolist() == [1, 0]


def test_the_order_tells_the_epoch():
    begun = []
    order = EpochOrder([5, 3], lambda: begun.append(1) or 7)
    assert (len(order), begun) == (2, [])
    assert list(order) == [(7, 5), (7, 3)]
    ahead = iter(order)  # loaders take from the next epoch before this one has ended
    assert next(ahead) == (8, 5)
    assert [list(order), list(order)] == [[(9, 5), (9, 3)], [(10, 5), (10, 3)]]
    assert next(ahead) == (8, 3)
    assert begun == [1]


def test_copies_have_the_classes_of_the_model(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in (1, 0):
            (tmp_path / name / f"{number}.jpg").touch()
    assert [(path.parent.name, path.name, label) for path, label in copies_in(tmp_path, {0: "b", 1: "a"})] == [
        ("b", "0.jpg", 0),
        ("b", "1.jpg", 0),
        ("a", "0.jpg", 1),
        ("a", "1.jpg", 1),
    ]
