import json
import shutil

import keras
import keras_hub
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import files_sha256
from kerasfusion.images.decoding import squash
from kerasfusion.roadwork.branches.vit import build_vit, read_checkpoint, weights_files
from tests.material.hugging_face_vit import MEAN, SIZE, STD, write_vit
from tests.material.transformers_vit import features_of, logits_of, pixels_by_pillow, pixels_by_torchvision

pytestmark = pytest.mark.exports


def random_images(count):
    """(count, S, S, 3) float32 with another mean in every channel."""
    rng = np.random.default_rng(7)
    return (rng.integers(0, 256, (count, SIZE, SIZE, 3)) * [1.0, 0.7, 0.4]).astype(np.float32)


def test_logits_equal_those_of_transformers(vit_folder):
    """Parity of the model: the same pixels."""
    branch = build_vit(read_checkpoint(str(vit_folder)))
    logits = keras.Model(branch.input, branch.get_layer("vit").input)(random_images(5))
    pixel_values = ((random_images(5) / 255 - MEAN) / STD).astype(np.float32)
    expected = logits_of(vit_folder, pixel_values.transpose(0, 3, 1, 2))
    assert np.abs(expected).max() > 1  # not a comparison of zeros
    assert np.abs(logits - expected).max() < 2e-5


def test_features_equal_what_the_classifier_of_transformers_sees(vit_folder):
    branch = build_vit(read_checkpoint(str(vit_folder)), with_features=True)
    answers = branch(random_images(5))
    expected = features_of(vit_folder, ((random_images(5) / 255 - MEAN) / STD).astype(np.float32).transpose(0, 3, 1, 2))
    assert expected.shape == (5, 32)
    assert np.abs(answers["vit_features"] - expected).max() < 2e-5
    plain = build_vit(read_checkpoint(str(vit_folder)))
    np.testing.assert_array_equal(answers["vit"], plain(random_images(5)))


def test_preprocessing_equals_that_of_transformers(vit_folder):
    """Parity of the preprocessing: a 1280 x 720 photo."""
    coarse = Image.fromarray(np.random.default_rng(5).integers(0, 256, (90, 160, 3)).astype(np.uint8))
    photo = np.asarray(coarse.resize((1280, 720), Image.Resampling.BICUBIC))
    checkpoint = read_checkpoint(str(vit_folder))
    ours = squash(photo, SIZE) * np.array(checkpoint.scale) + np.array(checkpoint.offset)
    difference = np.abs(ours - pixels_by_pillow(vit_folder, photo).transpose(1, 2, 0))
    assert difference.max() < 1e-6
    # torchvision resizes with its own fixed-point weights: at most one level of 255 apart.
    levels = np.abs(ours - pixels_by_torchvision(vit_folder, photo).transpose(1, 2, 0)) * np.array(STD) * 255
    assert levels.max() < 1.01


def test_probabilities_are_softmax_in_the_order_of_our_classes(tmp_path):
    straight = build_vit(read_checkpoint(str(write_vit(tmp_path / "a", ("None", "Roadwork")))))
    swapped = build_vit(read_checkpoint(str(write_vit(tmp_path / "b", ("Roadwork", "None")))))
    images = random_images(3)
    p = np.asarray(straight(images))
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.asarray(swapped(images)), p[:, ::-1], atol=1e-6)


def test_keras_hub_preset_is_read_with_its_own_preprocessing(tmp_path):
    keras.utils.set_random_seed(1)
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(32, 32, 3), patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=16
    )
    converter = keras_hub.layers.ViTImageConverter(
        image_size=(32, 32), scale=0.01, offset=[-1.0, 0.0, 0.5], crop_to_aspect_ratio=False
    )
    preprocessor = keras_hub.models.ViTImageClassifierPreprocessor(converter)
    classifier = keras_hub.models.ViTImageClassifier(
        backbone, num_classes=2, preprocessor=preprocessor, activation="softmax"
    )
    classifier.save_to_preset(str(tmp_path))
    images = random_images(2)[:, :32, :32]
    logits_are_probabilities = classifier.predict(images, verbose=0)
    expected = np.exp(logits_are_probabilities) / np.exp(logits_are_probabilities).sum(axis=1, keepdims=True)
    branch = build_vit(read_checkpoint(str(tmp_path), ("None", "Roadwork")))
    np.testing.assert_allclose(np.asarray(branch(images)), expected, atol=1e-5)


def test_features_of_a_preset_are_what_its_last_layer_sees(tmp_path):
    keras.utils.set_random_seed(2)
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(32, 32, 3), patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=16
    )
    preprocessor = keras_hub.models.ViTImageClassifierPreprocessor(
        keras_hub.layers.ViTImageConverter(image_size=(32, 32), scale=0.01, crop_to_aspect_ratio=False)
    )
    task = keras_hub.models.ViTImageClassifier(
        backbone, num_classes=2, preprocessor=preprocessor, pooling="gap", intermediate_dim=6
    )
    task.save_to_preset(str(tmp_path))
    branch = build_vit(read_checkpoint(str(tmp_path), ("None", "Roadwork")), with_features=True)
    images = random_images(2)[:, :32, :32]
    expected = keras.Model(task.input, task.output_dense.input)(images * 0.01)
    assert expected.shape == (2, 6)
    np.testing.assert_allclose(branch(images)["vit_features"], expected, atol=1e-5)


def test_preset_without_class_names_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"config": {"image_shape": [32, 32, 3]}}))
    for name in ("model.weights.h5", "task.weights.h5"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(RequestError, match=r"vit\.class_names"):
        read_checkpoint(str(tmp_path))


@pytest.mark.parametrize("changed", ["model.weights.h5", "task.weights.h5"])
def test_a_preset_is_known_by_all_its_weights(tmp_path, changed):
    (tmp_path / "config.json").write_text(json.dumps({"config": {"image_shape": [32, 32, 3]}}))
    for name in ("model.weights.h5", "task.weights.h5"):
        (tmp_path / name).write_bytes(b"first")
    before = files_sha256(weights_files(tmp_path))
    (tmp_path / changed).write_bytes(b"second")
    assert files_sha256(weights_files(tmp_path)) != before
    (tmp_path / changed).unlink()
    with pytest.raises(RequestError, match="no weights file"):
        read_checkpoint(str(tmp_path), ("None", "Roadwork"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resample": 3}, "Pillow filter 3"),
        ({"size": {"shortest_edge": 64}}, "shortest_edge"),
        ({"do_center_crop": True}, "do_center_crop"),
    ],
)
def test_other_preprocessing_is_refused(tmp_path, changes, message):
    with pytest.raises(RequestError, match=message):
        read_checkpoint(str(write_vit(tmp_path, **changes)))


def test_unclear_classes_are_refused(tmp_path):
    with pytest.raises(RequestError, match="'cat', 'dog'"):
        read_checkpoint(str(write_vit(tmp_path, ("cat", "dog"))))


def test_missing_files_are_named(tmp_path, vit_folder):
    with pytest.raises(RequestError, match=r"no ViT checkpoint here(.|\n)*config\.json"):
        read_checkpoint(str(tmp_path))
    (tmp_path / "config.json").write_bytes((vit_folder / "config.json").read_bytes())
    with pytest.raises(RequestError, match="no weights file"):
        read_checkpoint(str(tmp_path))


def test_what_a_checkpoint_consists_of_is_fetched_from_the_hub(monkeypatch, tmp_path, vit_folder):
    import huggingface_hub
    from huggingface_hub.utils import filter_repo_objects

    there = [path.name for path in vit_folder.iterdir()]
    asked = {}

    def download(name, revision, allow_patterns, max_workers):
        asked.update(name=name, revision=revision)
        for file in filter_repo_objects([*there, "tf_model.h5"], allow_patterns=allow_patterns):
            shutil.copy(vit_folder / file, tmp_path / file)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    found, expected = read_checkpoint("hf://owner/name@v1"), read_checkpoint(str(vit_folder))
    assert asked == {"name": "owner/name", "revision": "v1"}
    assert (found.sha256, found.scale, found.order) == (expected.sha256, expected.scale, expected.order)
    assert {path.name for path in tmp_path.iterdir()} == set(there)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError("name resolution failed"), "OSError: name resolution failed"), (TimeoutError(), "TimeoutError")],
)
def test_hub_out_of_reach_says_what_to_do(monkeypatch, error, reason):
    import huggingface_hub

    def unreachable(*args, **kwargs):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(KerasFusionError, match=rf"cannot get the ViT from the hub: {reason}(.|\n)*vit\.weights"):
        read_checkpoint("hf://natix-network-org/roadwork")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("tensor", ["classifier.bias", "vit.encoder.layer.1.output.dense.weight"])
def test_weights_that_are_no_numbers_are_refused(tmp_path, tensor, value):
    folder = write_vit(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors[tensor].flat[0] = value
    save_file(tensors, folder / "model.safetensors")
    checkpoint = read_checkpoint(str(folder))
    with pytest.raises(RequestError, match=rf"the weights are broken: {tensor} holds NaN or infinity"):
        build_vit(checkpoint)


@pytest.mark.parametrize("source", ["hf://", "hf:///", "hf://@main"])
def test_a_hub_address_without_a_name_is_refused_before_the_hub_is_asked(source):
    with pytest.raises(RequestError, match="the source names no ViT") as caught:
        read_checkpoint(source)
    assert source in str(caught.value)
