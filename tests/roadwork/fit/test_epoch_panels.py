import shutil

import numpy as np
import pytest
from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.fit.epoch_panels import COLUMNS, GAP, HEIGHT, LINE, RIGHT, WIDTH, WRONG, EpochPanels
from kerasfusion.roadwork.fit.train import fit_parts
from kerasfusion.roadwork.fit.training_data import load_photos
from kerasfusion.roadwork.precompute import branch_cache
from tests.material import event_file_reading

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def validation(cached):
    return load_photos(cached, branch_cache.read_manifest(cached.cache.folder))[1]


def bar_of(picture, place, line):
    """The colour at the left end of a bar: of the photo at `place`, in the `line`-th line below its truth."""
    rows_of_a_cell = HEIGHT + 4 * LINE + GAP * 2
    x = GAP + place % COLUMNS * (WIDTH + GAP) + 113
    y = GAP + place // COLUMNS * rows_of_a_cell + HEIGHT + 4 + line * LINE + 8
    return tuple(int(value) for value in picture[y, x])


def test_the_same_photos_of_both_classes_are_drawn_with_every_answer(validation):
    seen = []

    class Graph:
        input = ("features",)

        def __call__(self, inputs, training):
            seen.append((np.asarray(inputs["features"]).ravel().tolist(), training))
            return {"efficientnetv2": np.tile([0.3, 0.7], (len(seen[-1][0]), 1))}

    panels = EpochPanels(validation, lambda numbers: {"features": numbers[:, None], "other": numbers}, 10**7)
    assert validation.labels[panels.numbers].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert len(set(panels.numbers.tolist())) == 8
    picture = panels(Graph())
    assert seen == [([float(number) for number in panels.numbers], False)]
    for place in range(8):  # 0.7 is wrong of the four photos without roadwork, which come first
        assert bar_of(picture, place, 3) == (WRONG if place < 4 else RIGHT)
    with_fusion = panels.draw({"efficientnetv2": np.full(8, 0.7), "fusion": np.full(8, 0.2)})
    assert with_fusion.shape[0] == picture.shape[0] + 2 * LINE


def test_the_photo_itself_is_shown(validation):
    panels = EpochPanels(validation, lambda numbers: {}, 10**7)
    picture = panels.draw({})
    with Image.open(validation.samples[panels.numbers[0]].path) as photo:
        shown = photo.convert("RGB")
        shown.thumbnail((WIDTH, HEIGHT))
    middle = np.asarray(shown)[shown.height // 2 - 5 : shown.height // 2 + 5].mean(axis=(0, 1))
    strip = picture[GAP + HEIGHT // 2 - 5 : GAP + HEIGHT // 2 + 5, GAP + 20 : GAP + WIDTH - 20].mean(axis=(0, 1))
    np.testing.assert_allclose(strip, middle, atol=12)


def test_a_run_with_trackers_and_pictures_has_the_weights_of_one_without(cached, make_config, tmp_path):
    manifest = branch_cache.read_manifest(cached.cache.folder)
    same = (f"cache.folder={cached.cache.folder}", f"fit.pixel_cache={tmp_path / 'pixels'}", "fusion.fit_on=train")
    same += ("fit.augmentation=none", "fit.epochs=2")
    plain = make_config(tmp_path / "a", *same, "tracking.tensorboard=false")
    told = make_config(tmp_path / "b", *same, "tracking.panels_every=2")
    first, second = fit_parts(plain, manifest), fit_parts(told, manifest)
    for one, other in ((first.classifier, second.classifier), (first.head, second.head)):
        for x, y in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(x, y)
    assert (plain.run_folder / "history.csv").read_bytes() == (told.run_folder / "history.csv").read_bytes()
    assert not (plain.run_folder / "tensorboard").exists()
    assert not (plain.run_folder / "figures").exists()
    assert [path.name for path in (told.run_folder / "figures" / "epochs").iterdir()] == ["epoch-002.png"]
    tags = {(tag, step) for tag, step, _ in event_file_reading.told(told.run_folder / "tensorboard" / "validation")}
    assert {("epoch/fusion_accuracy", 1), ("epoch/fusion_accuracy", 2), ("samples", 2)} <= tags
    assert ("samples", 1) not in tags


def test_pictures_need_held_out_photos(cached, make_config, tmp_path, photos):
    manifest = branch_cache.read_manifest(cached.cache.folder)
    root = tmp_path / "only-train"
    shutil.copytree(photos / "train", root / "train")
    without = make_config(
        tmp_path,
        f"cache.folder={cached.cache.folder}",
        f"data.root={root}",
        "data.validation_fraction=0",
        "fusion.fit_on=train",
        "tracking.panels_every=1",
    )
    with pytest.raises(RequestError, match=r"nothing is held out(.|\n)*tracking.panels_every"):
        fit_parts(without, manifest)
    assert not without.run_folder.exists()
