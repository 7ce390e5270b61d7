"""A keras-hub preset that cannot be answered rightly is refused with the file and what it should say."""

import json
import shutil

import h5py
import keras
import keras_hub
import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.branches.vit import build_vit, read_checkpoint

pytestmark = pytest.mark.exports  # of networks that keras-hub builds

NAMES = ("None", "Roadwork")


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A tiny preset as keras-hub writes it."""
    keras.utils.set_random_seed(1)
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(32, 32, 3), patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8
    )
    converter = keras_hub.layers.ViTImageConverter(
        image_size=(32, 32), scale=1 / 127.5, offset=-1.0, crop_to_aspect_ratio=False
    )
    preprocessor = keras_hub.models.ViTImageClassifierPreprocessor(converter)
    folder = tmp_path_factory.mktemp("presets") / "plain"
    keras_hub.models.ViTImageClassifier(backbone, num_classes=2, preprocessor=preprocessor).save_to_preset(str(folder))
    return folder


def converter(**changes):
    def apply(folder):
        path = folder / "preprocessor.json"
        content = json.loads(path.read_text())
        content["config"]["image_converter"]["config"].update(changes)
        path.write_text(json.dumps(content))

    return apply


def network(**changes):
    def apply(folder):
        path = folder / "config.json"
        content = json.loads(path.read_text())
        content["config"].update(changes)
        path.write_text(json.dumps(content))

    return apply


def task(backbone=None, **changes):
    def apply(folder):
        path = folder / "task.json"
        content = json.loads(path.read_text())
        content["config"].update(changes)
        content["config"]["backbone"]["config"].update(backbone or {})
        path.write_text(json.dumps(content))

    return apply


def both(**changes):
    """The same in both descriptions."""
    return lambda folder: (network(**changes)(folder), task(backbone=changes)(folder))


def cut(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:700])


def nan_in(name):
    def apply(folder):
        with h5py.File(folder / name, "r+") as file:
            arrays = []
            file.visititems(lambda _, each: arrays.append(each) if isinstance(each, h5py.Dataset) else None)
            first = next(array for array in arrays if array.size)
            first[...] = np.full(first.shape, np.nan)

    return apply


REFUSED = [
    (converter(crop_to_aspect_ratio=True), "crops or pads", "preprocessor.json"),
    (converter(pad_to_aspect_ratio=True), "crops or pads", "preprocessor.json"),
    (converter(interpolation="bicubic"), r"resizes to \[32, 32\], bicubic", "preprocessor.json"),
    (converter(image_size=[64, 64]), r"resizes to \[64, 64\], bilinear", "preprocessor.json"),
    (converter(image_size=[32, 48]), r"resizes to \[32, 48\], bilinear", "preprocessor.json"),
    (converter(scale=[1.0, 2.0]), "neither a Hugging Face ViT nor a keras-hub preset", ""),
    (network(image_shape=[32, 48, 3]), r"image_shape: \[32, 48, 3\]", "config.json"),
    (network(image_shape=[32, 32, 1]), r"image_shape: \[32, 32, 1\]", "config.json"),
    (network(num_layers=2), r"two networks(.|\n)*num_layers: was 1, is now 2", "task.json"),
    (network(layer_norm_epsilon=0.1), r"two networks(.|\n)*layer_norm_epsilon", "task.json"),
    (both(num_layers=2), "keras-hub cannot open the preset", ""),
    (both(image_shape=[64, 64, 3]), r"resizes to \[32, 32\]", "preprocessor.json"),
    (task(num_classes=3), "num_classes: 3", "task.json"),
    (lambda folder: (folder / "task.json").unlink(), "lacks a file", "task.json"),
    (lambda folder: (folder / "task.json").write_text("{}"), "not what keras-hub says of a classifier", "task.json"),
    (lambda folder: (folder / "preprocessor.json").unlink(), "lacks a file", "preprocessor.json"),
    (lambda folder: (folder / "preprocessor.json").write_text("{"), "not JSON", "preprocessor.json"),
    (lambda folder: (folder / "preprocessor.json").write_text("{}"), "neither a Hugging Face ViT", ""),
    (cut("model.weights.h5"), None, "model.weights.h5"),
    (cut("task.weights.h5"), None, "task.weights.h5"),
    (nan_in("model.weights.h5"), "holds NaN", ""),
    (lambda folder: (folder / "task.weights.h5").unlink(), "no weights file", ""),
]


@pytest.mark.trains
@pytest.mark.parametrize(("change", "message", "file"), REFUSED)
def test_a_preset_that_is_not_understood_is_refused_by_name(tmp_path, preset, change, message, file):
    folder = shutil.copytree(preset, tmp_path / "preset")
    change(folder)
    with pytest.raises(RequestError, match=message) as caught:
        build_vit(read_checkpoint(str(folder), NAMES))
    assert str(folder / file) in str(caught.value)
    assert len(str(caught.value)) < 1200


@pytest.mark.parametrize(("names", "message"), [(None, r"vit\.class_names"), (("cat", "dog"), "'cat', 'dog'")])
def test_its_classes_are_to_be_named(preset, names, message):
    with pytest.raises(RequestError, match=message):
        read_checkpoint(str(preset), names)


def test_what_its_config_says_is_part_of_what_it_is(tmp_path, preset):
    plain = read_checkpoint(str(preset), NAMES)
    folder = shutil.copytree(preset, tmp_path / "preset")
    network(name="another_name")(folder)
    assert read_checkpoint(str(folder), NAMES).settings == plain.settings
    both(layer_norm_epsilon=0.1)(folder)
    edited = read_checkpoint(str(folder), NAMES)
    assert edited.sha256 == plain.sha256
    assert edited.settings != plain.settings
