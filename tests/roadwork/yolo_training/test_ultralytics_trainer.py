"""What the augmentation settings do to pictures, and the training dataset in ultralytics' loaders."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from kerasfusion.roadwork.config import Views
from kerasfusion.roadwork.yolo_training.augmentation import (
    CLASSIFICATION_AUGMENTATION,
    VIEW_AUGMENTATION,
    split_augmentation,
)
from kerasfusion.roadwork.yolo_training.ultralytics_trainer import fresh_views, view_transforms

pytestmark = pytest.mark.trains

NAMES = {0: "no_roadwork", 1: "roadwork"}
SIZE = 96
OFF = dict.fromkeys(CLASSIFICATION_AUGMENTATION | VIEW_AUGMENTATION, 0.0) | {"auto_augment": None}
ON = {
    "hsv_h": 0.1,
    "hsv_s": 0.7,
    "hsv_v": 0.4,
    "degrees": 25.0,
    "translate": 0.2,
    "scale": 0.5,
    "shear": 10.0,
    "perspective": 0.001,
    "fliplr": 1.0,
    "flipud": 1.0,
    "mixup": 1.0,
    "erasing": 0.9,
    "auto_augment": "randaugment",
}
DRAWS = 60


def arguments(**asked):
    return SimpleNamespace(imgsz=SIZE, seed=1, **OFF | asked)


def spot(x, y):
    """A black picture with a bright square of 5 x 5 pixels around a place, from the middle, y downwards."""
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    column, row = SIZE // 2 + x, SIZE // 2 + y
    picture[row - 2 : row + 3, column - 2 : column + 3] = 255
    return picture


def place_of(tensor):
    """Where the spot is now: its centre of gravity."""
    grey = tensor.numpy().mean(0)
    rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    return np.array([(columns * grey).sum(), (rows * grey).sum()]) / grey.sum()


def places(picture, **asked):
    photo, _ = view_transforms(arguments(**asked))
    return np.array([place_of(photo(picture, seed)) for seed in range(DRAWS)])


def test_nothing_asked_for_leaves_the_picture_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    for transform in view_transforms(arguments()):
        np.testing.assert_array_equal((transform(picture, 3).numpy() * 255).round(), picture.transpose(2, 0, 1))


@pytest.mark.parametrize("degrees", [10.0, 40.0])
def test_degrees_turns_about_the_middle(degrees):
    found = places(spot(30, 0), degrees=degrees)
    angles = np.degrees(np.arctan2(found[:, 1], found[:, 0]))
    assert np.abs(angles).max() <= degrees + 1.5
    assert angles.max() > 0.8 * degrees and angles.min() < -0.8 * degrees
    np.testing.assert_allclose(np.hypot(*found.T), 30, atol=1)


@pytest.mark.parametrize("translate", [0.1, 0.3])
def test_translate_shifts_by_a_fraction_of_the_picture(translate):
    found = places(spot(0, 0), translate=translate)
    assert np.abs(found).max() <= translate * SIZE + 1
    assert (found.max(0) > 0.7 * translate * SIZE).all() and (found.min(0) < -0.7 * translate * SIZE).all()


def test_shear_slants_in_both_directions():
    found = places(spot(0, 30), shear=20.0)
    sideways = np.abs(found[:, 0])
    # A point 30 pixels below the middle goes sideways by 30 times the tangent of the angle.
    assert 0.7 * 30 * np.tan(np.radians(20)) < sideways.max() <= 30 * np.tan(np.radians(20)) + 1
    assert np.abs(places(spot(30, 0), shear=20.0)[:, 1]).max() > 0.7 * 30 * np.tan(np.radians(20))


def test_perspective_moves_as_much_as_ultralytics_number_says():
    strength = 0.001
    found = places(spot(40, 0), perspective=strength)[:, 0]
    # x / (1 + p x), |p| <= 0.001: between 40 / 1.04 and 40 / 0.96.
    assert found.min() == pytest.approx(40 / 1.04, abs=0.3)
    assert found.max() == pytest.approx(40 / 0.96, abs=0.3)
    np.testing.assert_allclose(places(spot(0, 0), perspective=strength), 0, atol=0.2)


def test_a_challenge_is_not_moved_or_cropped_again():
    asked = {name: ON[name] for name in ("degrees", "translate", "shear", "perspective", "scale")}
    _, square = view_transforms(arguments(**asked))
    picture = spot(20, -10)
    for seed in range(10):
        np.testing.assert_array_equal(square(picture, seed).numpy() * 255, picture.transpose(2, 0, 1))


def test_a_challenge_is_flipped_coloured_and_erased():
    picture = spot(20, -10)
    picture[:, :, 0] //= 2
    _, square = view_transforms(arguments(fliplr=1.0))
    np.testing.assert_array_equal((square(picture, 0).numpy() * 255).round(), picture[:, ::-1].transpose(2, 0, 1))
    for asked in ({"hsv_s": 0.7}, {"hsv_v": 0.4}, {"hsv_h": 0.1}, {"erasing": 0.9}):
        _, square = view_transforms(arguments(**asked))
        assert any(
            (square(picture, seed).numpy() * 255).round().tolist() != picture.transpose(2, 0, 1).tolist()
            for seed in range(9)
        )


@pytest.fixture
def tree(tmp_path):
    rng = np.random.default_rng(2)
    for name in ("no_roadwork", "roadwork"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
            path = tmp_path / "train" / name / f"{number}.jpg"
            Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC).save(path)
    return tmp_path / "train"


def seen(tree, views, **asked):
    dataset = fresh_views(tree, NAMES, views, arguments(**asked))
    drawn = [dataset[epoch, number] for epoch in range(6) for number in range(6)]
    return torch.stack([each["img"] for each in drawn]), np.stack([each["cls"] for each in drawn])


@pytest.mark.parametrize("name", sorted(ON))
def test_a_setting_acts_or_is_named_as_without_effect(tree, name):
    applied, ignored = split_augmentation({name: ON[name]}, with_views=True)
    assert (list(applied), ignored) == ([name], {})
    views = Views("plain", 2)
    pictures, labels = seen(tree, views)
    others, shares = seen(tree, views, **{name: ON[name]})
    assert not torch.equal(pictures, others)
    assert (not np.array_equal(labels, shares)) == (name == "mixup")


def test_auto_augment_takes_the_place_of_the_colour_jitter(tree):
    views = Views("mix", 4)
    for policy in ("randaugment", "autoaugment", "augmix"):
        plain, _ = seen(tree, views, auto_augment=policy)
        assert torch.equal(plain, seen(tree, views, auto_augment=policy, hsv_s=0.7, hsv_h=0.1)[0])


def test_torch_s_random_numbers_go_on_as_if_nothing_had_been_drawn(tree):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    seen(tree, Views("mix", 4), **ON)
    assert torch.equal(torch.rand(3), expected)


LOADERS = """
import json, sys
from pathlib import Path
from types import SimpleNamespace

def digests():
    import hashlib
    from kerasfusion.roadwork.config import Views
    from kerasfusion.roadwork.yolo_training.ultralytics_trainer import fresh_views, number_epochs
    from ultralytics.data.build import build_dataloader

    names, arguments = {0: "no_roadwork", 1: "roadwork"}, SimpleNamespace(**json.loads(sys.argv[2]))
    dataset = fresh_views(Path(sys.argv[1]), names, Views("mix", 4), arguments)
    found = {}
    for method, workers in ((None, 0), ("fork", 2), ("spawn", 1)):
        loader = build_dataloader(dataset, 2, workers)
        if method:
            loader.multiprocessing_context = method
        number_epochs(loader, lambda: 4)
        batches = [batch for epoch in range(3) for batch in loader]
        found[str(method)] = [
            [hashlib.sha256(value.numpy().tobytes()).hexdigest() for value in (batch["img"], batch["cls"])]
            for batch in batches
        ]
    print(json.dumps(found))

if __name__ == "__main__":
    digests()
"""


def test_loader_processes_see_the_same_pictures_whatever_their_number_and_kind(tree, tmp_path):
    script = tmp_path / "loaders.py"
    script.write_text(LOADERS)
    asked = json.dumps(vars(arguments(**ON | {"mixup": 0.5, "auto_augment": None})))
    done = subprocess.run(
        [sys.executable, str(script), str(tree), asked],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["fork"] == found["None"]
    assert found["spawn"] == found["None"]
    assert len({image for image, _ in found["None"]}) == 9  # three batches in each of three epochs, all different
