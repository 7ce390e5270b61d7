from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasfusion.config import load_config
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.samples import paired_path, read_samples, write_samples
from kerasfusion.fume.fit.frame_augmentation import frame_augmentation
from kerasfusion.fume.fit.training_data import (
    Examples,
    balanced_twice,
    drop_modality,
    load_split,
    training_order,
    training_stream,
    validation_batches,
)
from kerasfusion.fume.networks.architectures import ARCHITECTURES
from tests.fume.fit.training_material import HEIGHT, WIDTH, write_set


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("fume"), {"train": 16, "val": 8})


def configured(root, *settings):
    own = [f"data.dataset_root={root}", f"data.frame_cache={root}/cache", f"data.image_size=[{WIDTH},{HEIGHT}]"]
    return load_config(FumeConfig, settings=[*own, "training.batch_size=4", "validation.batch_size=3", *settings])


def test_samples_come_with_their_pixels_and_what_they_lack(root):
    frames = load_split(configured(root), "train")
    assert len(frames) == 16
    for number in (0, 3, 7):
        batch = frames.take(np.array([number]))
        for column, gas in enumerate(("co2", "ch4")):
            frame = getattr(frames.samples[number], gas)
            assert batch["presence"][0, column] == (frame is not None)
            if frame is None:
                assert not batch["frames"][..., column].any()
                continue
            np.testing.assert_array_equal(
                batch["frames"][0, ..., column], np.array(Image.open(root / frame.frame_path))
            )
            np.testing.assert_array_equal(batch["masks"][0, ..., column], np.array(Image.open(root / frame.mask_path)))


def test_presence_is_true_in_training_and_validation_alike(root):
    config = configured(root, "data.modality_dropout=0")
    expected = [[sample.co2 is not None, sample.ch4 is not None] for sample in read_samples(paired_path(root, "val"))]
    found = np.concatenate(
        [inputs["modality_mask"] for inputs, _, _ in validation_batches(config, load_split(config, "val"))]
    )
    np.testing.assert_array_equal(found, expected)
    training = load_split(config, "train")
    order = training_order(config, training)(0)
    stream = training_stream(config, training)(range(1))
    found = np.concatenate([inputs["modality_mask"] for inputs, _, _ in stream])
    np.testing.assert_array_equal(found, training.presence[order])


def test_weights_divide_a_sample_among_its_gases(root):
    config = configured(root)
    inputs, targets, weights = next(iter(validation_batches(config, load_split(config, "val")).skip(1)))
    np.testing.assert_array_equal(inputs["modality_mask"], [[0, 1], [1, 1], [1, 1]])
    np.testing.assert_array_equal(weights["co2_mask"], [0, 0.5, 0.5])
    np.testing.assert_array_equal(weights["ch4_mask"], [1, 0.5, 0.5])
    np.testing.assert_array_equal(weights["state"], [1, 1, 1])
    assert not np.any(inputs["co2"][0])
    assert not np.any(targets["co2_mask"][0])
    assert targets["ch4_mask"].shape == (3, HEIGHT, WIDTH)


def test_the_union_of_two_masks_is_gas_then_tube_then_background():
    masks = np.array([[0, 0], [0, 1], [1, 0], [1, 2], [2, 1], [2, 0]], np.uint8).reshape(1, 1, 6, 2)
    arrays = {
        "frames": tf.zeros((1, 1, 6, 2)),
        "masks": tf.constant(masks),
        "presence": tf.ones((1, 2)),
        "label": tf.constant([1]),
    }
    inputs, targets, weights = Examples("EarlyFusionFastSCNN")(arrays)
    np.testing.assert_array_equal(targets["mask"][0, 0], [0, 1, 1, 2, 2, 2])
    assert set(inputs) == {"co2", "ch4"}
    assert weights["mask"] == [1]


@pytest.mark.trains
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_gets_what_it_asks_for(root, name):
    config = configured(root, f"model.name={name}")
    frames = load_split(config, "val")
    expected = 8 if ARCHITECTURES[name].is_paired else 14  # 8 samples, of which 2 lack a gas
    assert len(frames) == expected
    inputs, targets, weights = next(iter(training_stream(config, frames)(range(1))))
    assert tuple(inputs) == ARCHITECTURES[name].inputs
    assert tuple(targets) == tuple(weights) == ARCHITECTURES[name].outputs
    if "gas_type" in inputs:
        batches = list(validation_batches(config, frames))
        found = np.concatenate([batch["gas_type"] for batch, _, _ in batches])
        np.testing.assert_array_equal(found, [int(sample.ch4 is not None) for sample in frames.samples])
        pixels = np.concatenate([batch["frame"] for batch, _, _ in batches])
        assert pixels.any(axis=(1, 2, 3)).all()


def test_one_gas_alone_leaves_out_the_samples_without_it(root):
    frames = load_split(configured(root, "data.gases=ch4"), "val")
    assert len(frames) == 7
    np.testing.assert_array_equal(frames.presence, [[0, 1]] * 7)


def test_dropout_takes_either_gas_from_paired_samples_alone():
    presence = tf.constant([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]] * 2000)
    left = drop_modality(presence, 0.2, tf.constant([1, 2])).numpy().reshape(-1, 3, 2)
    np.testing.assert_array_equal(left[:, 1], [[1, 0]] * 2000)
    np.testing.assert_array_equal(left[:, 2], [[0, 1]] * 2000)
    paired = left[:, 0]
    assert paired.sum(axis=1).min() == 1
    lost = 1 - paired.mean(axis=0)
    np.testing.assert_allclose(lost, [0.1, 0.1], atol=0.02)


def test_order_is_of_seed_and_epoch_and_can_balance_the_states(root):
    config = configured(root)
    frames = replace(load_split(config, "train"), labels=np.array([0] * 14 + [1, 2], np.int32))
    order = training_order(config, frames)
    np.testing.assert_array_equal(order(3), training_order(config, frames)(3))
    assert not np.array_equal(order(3), order(4))
    drawn = np.bincount(frames.labels[np.concatenate([order(epoch) for epoch in range(300)])])
    np.testing.assert_allclose(drawn / drawn.sum(), [1 / 3] * 3, atol=0.03)
    plain = training_order(configured(root, "weighted_sampling=false"), frames)
    assert sorted(plain(0)) == list(range(16))


def test_states_that_are_balanced_twice_are_noticed_and_no_shipped_configuration_but_one_does_so(root):
    assert balanced_twice(configured(root)) is None
    assert balanced_twice(configured(root, "training.loss.cls_alpha=[1,8,1.2]", "weighted_sampling=false")) is None
    assert balanced_twice(configured(root, "training.loss.cls_alpha=[3,3,3]")) is None
    told = balanced_twice(configured(root, "training.loss.cls_alpha=[1,8,1.2]"))
    assert "balanced twice, by weighted_sampling and by training.loss.cls_alpha [1.0, 8.0, 1.2]" in told
    shipped = Path(__file__).parents[3] / "configs" / "fume"
    twice = [path.stem for path in shipped.rglob("*.yaml") if balanced_twice(load_config(FumeConfig, path))]
    assert twice == ["class_weights_too"]


def test_a_resumed_stream_goes_on_where_it_was(root):
    config = configured(root)
    frames = load_split(config, "train")
    stream = training_stream(config, frames)
    whole = list(stream(range(2)))
    for (inputs, targets, _), (again, targets_again, _) in zip(whole[4:], stream(range(1, 2)), strict=True):
        for key, value in inputs.items():
            np.testing.assert_array_equal(value, again[key])
        np.testing.assert_array_equal(targets["ch4_mask"], targets_again["ch4_mask"])


@pytest.fixture(scope="module")
def pictures():
    """Frames that are functions of their masks, of both gases alike, without symmetry."""
    rows, columns = np.mgrid[:40, :60]
    mask = ((columns > 35) & (rows > 12)).astype(np.uint8) + ((columns > 45) & (rows > 20))
    masks = np.stack([mask, mask], axis=-1)[None].repeat(30, axis=0).astype(np.uint8)
    return masks.astype(np.float32) * 100 + 20, masks


LIGHT = ("brightness_contrast", "gaussian_noise", "gaussian_blur", "random_gamma")
GEOMETRY_ALONE = [f"data.augmentation.{name}.p=0" for name in LIGHT]
ALL_OF_IT = [text.replace("p=0", "p=1") for text in GEOMETRY_ALONE]
STILL = [f"data.augmentation.{key}=0" for key in ("horizontal_flip", "rotate_limit", "shift_scale_rotate.p")]


def augmentation(*settings):
    return frame_augmentation(load_config(FumeConfig, settings=settings).data.augmentation)


def test_frames_and_masks_of_both_gases_share_one_geometry(pictures):
    frames, masks = pictures
    moved, moved_masks = augmentation(*GEOMETRY_ALONE)(frames, masks, tf.constant([4, 2]))
    np.testing.assert_allclose(moved[..., 0], moved[..., 1], atol=1e-3)
    np.testing.assert_array_equal(moved_masks[..., 0], moved_masks[..., 1])
    assert moved_masks.dtype == masks.dtype
    assert set(np.unique(moved_masks)) == {0, 1, 2}
    # Interpolation blends pixels at the edges of the parts; everywhere else a frame is its mask's level.
    close = np.abs(moved - (moved_masks.numpy().astype(np.float32) * 100 + 20)) < 60
    assert close.mean() > 0.99
    assert len(np.unique(moved_masks.numpy().reshape(30, -1), axis=0)) > 25


def test_without_any_chance_nothing_changes(pictures):
    frames, masks = pictures
    same, same_masks = augmentation(*GEOMETRY_ALONE, *STILL)(frames, masks, tf.constant([4, 2]))
    np.testing.assert_allclose(same, frames, atol=1e-3)
    np.testing.assert_array_equal(same_masks, masks)
    flipped, flipped_masks = augmentation(*GEOMETRY_ALONE, *STILL[1:], STILL[0].replace("0", "1"))(
        frames, masks, tf.constant([4, 2])
    )
    np.testing.assert_allclose(flipped, frames[:, :, ::-1], atol=1e-2)
    np.testing.assert_array_equal(flipped_masks, masks[:, :, ::-1])


def test_light_differs_between_frames_and_stays_in_range_eagerly_and_inside_tf_data(pictures):
    frames, masks = pictures
    augment = augmentation(*ALL_OF_IT)
    changed, _ = augment(frames, masks, tf.constant([4, 2]))
    assert changed.numpy().min() >= 0
    assert changed.numpy().max() <= 255
    assert np.abs(changed[..., 0] - changed[..., 1]).mean() > 5
    dataset = tf.data.Dataset.from_tensors((frames, masks)).map(lambda f, m: augment(f, m, tf.constant([4, 2])))
    assert dataset.element_spec[0].shape == frames.shape
    np.testing.assert_allclose(next(dataset.as_numpy_iterator())[0], changed, atol=0.05)


def test_blur_keeps_the_mean_and_takes_the_contrast():
    dot = np.zeros((1, 41, 41, 1), np.float32)
    dot[0, 20, 20] = 200
    only_blur = [text.replace("p=0", "p=1") if "blur" in text else text for text in GEOMETRY_ALONE]
    blurred, _ = augmentation(*only_blur, *STILL)(dot, dot.astype(np.uint8), tf.constant([0, 1]))
    blurred = blurred.numpy()[0, ..., 0]
    np.testing.assert_allclose(blurred.sum(), 200, rtol=1e-4)
    np.testing.assert_allclose(blurred, blurred.T, atol=1e-4)
    assert 5 < blurred[20, 20] < 100


def test_bad_files_stop_with_their_sample(root, tmp_path):
    samples = read_samples(paired_path(root, "val"))
    config = configured(root)
    with pytest.raises(RequestError, match=r"paired_val_annotations\.csv line 2: frames/gone\.png"):
        load_split(config, "val", [replace(samples[0], co2=replace(samples[0].co2, frame_path="frames/gone.png"))])
    with pytest.raises(RequestError, match="no val samples"):
        load_split(config, "val", [])
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(root / "frames" / "small.png")
    with pytest.raises(KerasFusionError, match=r"5 x 5(.|\n)*small\.png"):
        load_split(config, "val", [replace(samples[0], co2=replace(samples[0].co2, mask_path="frames/small.png"))])
    write_samples(tmp_path / "paired_val_annotations.csv", [])
