"""Generated street scenes: what is written where, that it is reproducible, and what tells the classes apart."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.scenes.canvas import Canvas
from kerasfusion.roadwork.scenes.roadworks import work_zone
from kerasfusion.roadwork.scenes.street import SIZES, draw_scene, write_dataset

pytestmark = pytest.mark.commands


def scene(seed: int, roadwork: bool) -> np.ndarray:
    return np.asarray(draw_scene(np.random.default_rng(seed), roadwork))


def contents(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.jpg")}


def test_each_split_has_its_count_half_of_it_roadwork(tmp_path):
    written = write_dataset(tmp_path / "set", {"train": 6, "val": 0, "test": 3})
    assert [path.relative_to(tmp_path / "set").as_posix() for path in written] == [
        "train/no_roadwork/scene_00001.jpg",
        "train/roadwork/scene_00002.jpg",
        "train/no_roadwork/scene_00003.jpg",
        "train/roadwork/scene_00004.jpg",
        "train/no_roadwork/scene_00005.jpg",
        "train/roadwork/scene_00006.jpg",
        "test/no_roadwork/scene_00001.jpg",
        "test/roadwork/scene_00002.jpg",
        "test/no_roadwork/scene_00003.jpg",
    ]
    assert set(contents(tmp_path / "set")) == {path.relative_to(tmp_path / "set").as_posix() for path in written}
    assert (tmp_path / "set" / "val" / "roadwork").is_dir()


def test_files_are_rgb_jpegs_of_the_stated_sizes(tmp_path):
    for path in write_dataset(tmp_path / "set", {"train": 8}):
        with Image.open(path) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert image.size in SIZES
            assert np.asarray(image).std() > 10


def test_a_scene_depends_on_seed_split_and_number_only(tmp_path):
    write_dataset(tmp_path / "small", {"train": 3, "test": 2}, seed=7)
    write_dataset(tmp_path / "large", {"test": 4, "train": 5}, seed=7)
    small, large = contents(tmp_path / "small"), contents(tmp_path / "large")
    assert len(small) == 5
    assert all(large[name] == data for name, data in small.items())


def test_seed_split_and_number_each_change_the_scene(tmp_path):
    write_dataset(tmp_path / "a", {"train": 4, "test": 4}, seed=1)
    write_dataset(tmp_path / "b", {"train": 4, "test": 4}, seed=2)
    data = [*contents(tmp_path / "a").values(), *contents(tmp_path / "b").values()]
    assert len(set(data)) == 16


def test_an_empty_folder_is_accepted(tmp_path):
    assert len(write_dataset(tmp_path, {"train": 2})) == 2


@pytest.mark.parametrize(("counts", "seed", "named"), [({"train": 2, "val": -1}, 0, "val"), ({"train": 2}, -3, "seed")])
def test_negative_numbers_are_refused_before_anything_is_written(tmp_path, counts, seed, named):
    with pytest.raises(RequestError, match=named):
        write_dataset(tmp_path / "set", counts, seed)
    assert not (tmp_path / "set").exists()


def test_progress_counts_every_scene(tmp_path, capsys):
    write_dataset(tmp_path / "set", {"train": 3, "test": 2})
    assert "draw scenes: 5/5" in capsys.readouterr().err


def test_a_generator_gives_one_scene_after_the_other():
    rng = np.random.default_rng(3)
    first, second = (np.asarray(draw_scene(rng, True)) for _ in range(2))
    assert first.shape != second.shape or (first != second).any()
    assert (first == scene(3, True)).all()


def test_both_classes_share_the_street_and_its_light():
    for seed in range(12):
        without, with_roadwork = scene(seed, False), scene(seed, True)
        assert without.shape == with_roadwork.shape
        same = (without == with_roadwork).all(axis=-1).mean()
        assert 0.4 < same < 0.99


def test_the_camera_projects_as_a_pinhole():
    image = Image.new("RGB", (200, 100))
    camera = Canvas(ImageDraw.Draw(image), image.size, horizon=40, vanish_x=90, focal=120, eye_height=1.5)
    # 2 m right and on the ground at 6 m: 120 * 2 / 6 = 40 px right of 90, 120 * 1.5 / 6 = 30 px below 40.
    assert camera.project(2.0, 0.0, 6.0) == pytest.approx((130, 70))
    # Twice as far is half as far from the vanishing point; eye height is on the horizon at any distance.
    assert camera.project(2.0, 0.0, 12.0) == pytest.approx((110, 55))
    assert camera.project(-1.0, 1.5, 3.0) == pytest.approx((50, 40))


@pytest.mark.parametrize("vanish", [0.45, 0.55])
def test_a_centre_crop_still_shows_the_work_zone(vanish):
    for seed in range(40):
        image = Image.new("RGB", (480, 270))
        camera = Canvas(ImageDraw.Draw(image), image.size, 130, 480 * vanish, 480 * 0.8, 1.6)
        rng = np.random.default_rng(seed)
        for x, z, paint in sorted(work_zone(rng), key=lambda item: -item[1]):
            paint(camera, x, z, rng)
        red, green, blue = np.moveaxis(np.asarray(image, int)[:, 105:375], -1, 0)
        assert ((red > 120) & (red - blue > 60) & (red >= green)).mean() > 0.01


def test_the_share_of_orange_does_not_tell_the_classes_apart():
    def orange_share(pixels: np.ndarray) -> float:
        red, green, blue = np.moveaxis(pixels.astype(int), -1, 0)
        return float(((red > 110) & (red - blue > 70) & (red > green)).mean())

    labels = np.arange(120) % 2
    shares = np.array([orange_share(scene(seed, bool(label))) for seed, label in enumerate(labels)])
    at_threshold = np.array([((shares >= threshold) == labels).mean() for threshold in shares])
    assert np.maximum(at_threshold, 1 - at_threshold).max() < 0.7
    assert shares[labels == 0].mean() > 0.02
