import numpy as np
import pytest
import sklearn.metrics
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from kerasfusion.fume.data.masks import COLOURS, likeliest_classes, plume_pixels, union_of, write_mask
from kerasfusion.fume.evaluate.mask_metrics import mask_values, pixel_confusion


def random_masks(seed, shape=(5, 12, 17)):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, shape, np.uint8)
    return truth, np.where(rng.random(shape) < 0.6, truth, rng.integers(0, 3, shape, np.uint8))


def test_pixels_are_counted_by_truth_and_prediction():
    truth = np.array([[0, 0, 1], [2, 2, 2]], np.uint8)
    prediction = np.array([[0, 1, 1], [2, 0, 2]], np.uint8)
    assert_array_equal(pixel_confusion(truth, prediction), [[1, 1, 0], [0, 1, 0], [1, 0, 2]])


def test_values_by_hand():
    values = mask_values(np.array([[6, 2, 0], [0, 0, 0], [1, 0, 3]]))
    assert values["iou_background"] == 6 / 9
    assert values["iou_tube"] == 0  # never there, twice predicted: a mistake that counts
    assert values["iou_gas"] == 3 / 4
    assert values["miou"] == pytest.approx((6 / 9 + 0 + 3 / 4) / 3)
    assert values["dice_gas"] == pytest.approx(6 / 7)
    assert values["mean_dice"] == pytest.approx((12 / 15 + 0 + 6 / 7) / 3)
    assert values["pixel_accuracy"] == 9 / 12


def test_values_agree_with_sklearn_over_all_pixels_of_all_samples():
    truth, prediction = random_masks(1)
    matrices = np.stack([pixel_confusion(*pair) for pair in zip(truth, prediction, strict=True)])
    values = mask_values(matrices.sum(axis=0))
    flat = truth.ravel(), prediction.ravel()
    jaccard = sklearn.metrics.jaccard_score(*flat, average=None)
    dice = sklearn.metrics.f1_score(*flat, average=None)
    assert_allclose([values[f"iou_{name}"] for name in ("background", "tube", "gas")], jaccard)
    assert_allclose([values[f"dice_{name}"] for name in ("background", "tube", "gas")], dice)
    assert_allclose(values["miou"], jaccard.mean())
    assert_allclose(values["mean_dice"], dice.mean())
    assert_allclose(values["pixel_accuracy"], (truth == prediction).mean())


def test_a_class_that_is_nowhere_is_left_out_of_the_means():
    values = mask_values(np.array([[8, 0, 1], [0, 0, 0], [0, 0, 3]]))
    assert np.isnan(values["iou_tube"])
    assert values["miou"] == pytest.approx((8 / 9 + 3 / 4) / 2)


def test_a_stack_has_values_of_its_own_and_no_pixels_none():
    values = mask_values(np.stack([np.eye(3), np.zeros((3, 3))]))
    assert_array_equal(values["miou"], [1, np.nan])
    assert_array_equal(values["pixel_accuracy"], [1, np.nan])


@pytest.mark.parametrize("prediction", [np.zeros((2, 3), np.uint8), np.full((3, 2), 3, np.uint8)])
def test_other_sizes_and_values_are_refused(prediction):
    with pytest.raises(ValueError, match=r"masks of|classes 0\.\.2"):
        pixel_confusion(np.zeros((3, 2), np.uint8), prediction)


def test_at_its_own_size_a_mask_is_the_argmax():
    probabilities = np.random.default_rng(2).random((7, 9, 3)).astype(np.float32)
    mask = likeliest_classes(probabilities, 7, 9)
    assert_array_equal(mask, probabilities.argmax(axis=-1))
    assert mask.dtype == np.uint8
    assert likeliest_classes(np.full((1, 1, 3), 1 / 3, np.float32), 1, 1) == 0


def test_probabilities_are_enlarged_between_the_centres_of_pixels():
    probabilities = np.random.default_rng(3).dirichlet((1, 1, 1), (5, 8)).astype(np.float32)
    rows, columns = ((np.arange(n * k) + 0.5) / k - 0.5 for n, k in ((5, 4), (8, 3)))
    tall = np.stack(
        [[np.interp(rows, np.arange(5), probabilities[:, x, c]) for x in range(8)] for c in range(3)], axis=-1
    )  # (8, 20, 3)
    full = np.stack([[np.interp(columns, np.arange(8), tall[:, y, c]) for y in range(20)] for c in range(3)], axis=-1)
    mask = likeliest_classes(probabilities, 20, 24)
    assert mask.shape == (20, 24)
    ordered = np.sort(full, axis=-1)
    clear = ordered[..., 2] - ordered[..., 1] > 1e-5
    assert clear.mean() > 0.99
    assert_array_equal(mask[clear], full.argmax(axis=-1)[clear])


def test_gas_wins_over_tube_and_tube_over_background_in_a_union():
    co2 = np.array([[0, 1, 2], [0, 1, 2]], np.uint8)
    ch4 = np.array([[2, 2, 0], [0, 0, 1]], np.uint8)
    assert_array_equal(union_of([co2, ch4]), [[2, 2, 2], [0, 1, 2]])
    assert_array_equal(union_of([ch4]), ch4)
    assert_array_equal(union_of([np.zeros((2, 4), np.uint8), np.array([[0, 2]], np.uint8)]), [[0, 0, 2, 2]] * 2)


def test_a_written_mask_holds_its_classes_and_a_view_their_colours(tmp_path):
    mask, _ = random_masks(5, (6, 8))
    path = write_mask(tmp_path, "co2/frames/a.b", mask)
    assert path == tmp_path / "masks" / "co2" / "frames" / "a.b.png"
    with Image.open(path) as image:
        assert image.mode == "L"
        assert_array_equal(np.asarray(image), mask)
    with Image.open(tmp_path / "mask_views" / "co2" / "frames" / "a.b.png") as image:
        assert_array_equal(np.asarray(image), COLOURS[mask])
    assert plume_pixels(mask) == (mask == 2).sum()
