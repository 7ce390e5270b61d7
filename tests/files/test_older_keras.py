"""Saved files say nothing that Keras 3.5.0 does not know, and still mean the same."""

import json
import zipfile

import keras
import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.older_keras import oldest_keras, without_newer_settings
from kerasfusion.files.saving import load_network, opens_from, read_description, save_model

IN_3_5 = {
    "Activation": "activation",
    "Dense": "units activation use_bias kernel_initializer bias_initializer kernel_regularizer bias_regularizer "
    "activity_regularizer kernel_constraint bias_constraint lora_rank",
    "EinsumDense": "equation output_shape activation bias_axes kernel_initializer bias_initializer kernel_regularizer "
    "bias_regularizer activity_regularizer kernel_constraint bias_constraint lora_rank",
    "BatchNormalization": "axis momentum epsilon center scale beta_initializer gamma_initializer "
    "moving_mean_initializer moving_variance_initializer beta_regularizer gamma_regularizer beta_constraint "
    "gamma_constraint synchronized",
    "Conv2D": "filters kernel_size strides padding data_format dilation_rate groups activation use_bias "
    "kernel_initializer bias_initializer kernel_regularizer bias_regularizer activity_regularizer kernel_constraint "
    "bias_constraint",
    "GlorotUniform": "seed",
    "Einsum": "subscripts",
    "Reshape": "newshape target_shape",
    "Transpose": "axes",
    "Stack": "axis",
    "Softmax": "axis",
}
"""What the constructors took in Keras 3.5.0, read from its signatures; layers take COMMON besides."""
COMMON = {"name", "dtype", "trainable", "activity_regularizer"}
NAMELESS = {"Einsum", "Reshape", "Transpose", "Stack"}


@pytest.fixture(scope="module")
def model():
    image = keras.Input((8, 8, 3), name="image")
    hidden = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same")(image))
    rows = keras.ops.reshape(hidden, (-1, 64, 4))
    attended = keras.ops.einsum("bic,bjc->bij", rows, rows)
    mixed = keras.layers.EinsumDense("bij,jk->bik", (64, 4))(keras.ops.transpose(attended, (0, 2, 1)))
    both = keras.ops.stack([mixed, rows * 0.5], axis=1)
    pooled = keras.ops.mean(both, axis=(1, 2))
    return keras.Model({"image": image}, {"probs": keras.layers.Dense(2, activation="softmax")(pooled)})


def config_in(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def nodes(value):
    if isinstance(value, dict):
        if "class_name" in value and isinstance(value.get("config"), dict):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from nodes(each)


def test_a_saved_file_has_no_setting_that_an_older_version_lacks(model, tmp_path):
    path = tmp_path / "model.keras"
    save_model(model, path, {"a": 1}, None)
    seen = set()
    for node in nodes(config_in(path)):
        name = node["class_name"]
        if name not in IN_3_5:
            continue
        seen.add(name)
        is_operation = node["module"].startswith("keras.src.ops")
        known = set(IN_3_5[name].split()) | (set() if is_operation and name in NAMELESS else COMMON)
        assert set(node["config"]) <= known, name
    assert seen >= {"Dense", "EinsumDense", "BatchNormalization", "Conv2D", *NAMELESS}


def test_the_file_answers_as_the_model_and_is_whole(model, tmp_path):
    path = tmp_path / "model.keras"
    save_model(model, path, {"a": 1}, None)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {"config.json", "metadata.json", "model.weights.h5", "kerasfusion.json"} == set(archive.namelist())
    image = {"image": np.random.default_rng(0).uniform(0, 1, (3, 8, 8, 3)).astype(np.float32)}
    expected = np.asarray(model(image, training=False)["probs"])
    for _ in range(2):  # names that are made up go on counting in one process
        np.testing.assert_allclose(np.asarray(load_network(path)(image, training=False)["probs"]), expected, atol=1e-6)
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


def node(class_name, module="keras.layers", **settings):
    return {"module": module, "class_name": class_name, "config": settings}


@pytest.mark.parametrize(
    ("inside", "oldest"),
    [
        (node("Dense", units=4), "3.5.0"),
        (node("Dense", units=4, quantization_config=None), "3.13.0"),
        (node("Dense", quantization_config=node("Int8QuantizationConfig")), "3.13.0"),
        (node("BatchNormalization", renorm=False), "3.14.0"),
        (node("Dense", kernel_initializer=node("GlorotUniform", input_axes=None), renorm=False), "3.15.0"),
        (node("Transpose", "keras.src.ops.numpy", axes=[0, 1], name="transpose"), "3.11.0"),
        (node("Multiply", "keras.src.ops.numpy", name="multiply"), "3.5.0"),
        (node("Functional", layers=[node("Functional", layers=[node("Dense", quantization_config=None)])]), "3.13.0"),
    ],
)
def test_the_oldest_version_is_that_of_the_newest_setting(inside, oldest):
    """Each setting's version is the first release of Keras whose source has it."""
    assert oldest_keras({"layers": [inside, node("Dense", units=2)]}) == oldest


def test_a_file_says_from_which_version_it_opens_and_one_that_does_not_say_is_read(model, tmp_path):
    path, as_written = tmp_path / "model.keras", tmp_path / "as_written.keras"
    save_model(model, path, {"a": 1, "opens_from": {"onnxruntime": "1.0"}}, None)
    expected = {"keras": "3.5.0", "tensorflow": "2.18.0"}
    assert read_description(path) == {"a": 1, "opens_from": expected}
    model.save(as_written)  # as a version before this did it
    assert (opens_from(path), opens_from(as_written)) == (expected, expected | {"keras": "3.15.0"})


def test_an_older_keras_says_which_one_the_file_needs(model, monkeypatch, tmp_path):
    def refuse(config, safe_mode):
        raise TypeError("Unrecognized keyword arguments passed to Dense: {'quantization_config': None}")

    path = tmp_path / "as_written.keras"
    model.save(path)
    monkeypatch.setattr("keras.saving.deserialize_keras_object", refuse)
    monkeypatch.setattr("keras.__version__", "3.14.1")
    with pytest.raises(RequestError, match=r"settings that 3\.14\.1 does not know(.|\n)*keras 3\.15\.0 or newer"):
        load_network(path)
    monkeypatch.setattr("keras.__version__", "3.15.0")
    with pytest.raises(RequestError, match="Keras cannot open the model: Unrecognized"):
        load_network(path)


def test_what_is_no_default_stays():
    layer = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "a", "quantization_config": {"x": 1}}}
    norm = {"class_name": "BatchNormalization", "config": {"renorm": True, "renorm_clipping": None, "axis": -1}}
    assert without_newer_settings([layer, norm]) == [
        layer,
        {"class_name": "BatchNormalization", "config": {"renorm": True, "axis": -1}},
    ]


@pytest.mark.parametrize(
    ("layer_name", "stays"), [("reshape_3", True), ("expand_dims", True), ("reshaped", False), ("my_reshape_3", False)]
)
def test_an_operation_keeps_its_name_where_a_made_up_one_could_be_a_layers(layer_name, stays):
    operation = {"module": "keras.src.ops.numpy", "class_name": "Reshape", "config": {"name": "reshape", "newshape": 4}}
    layer = {"module": "keras.layers", "class_name": "Dense", "config": {"name": layer_name}}
    found = without_newer_settings({"layers": [operation, layer]})["layers"][0]["config"]
    assert found == ({"name": "reshape", "newshape": 4} if stays else {"newshape": 4})


def test_an_operation_that_always_had_a_name_keeps_it():
    product = {"module": "keras.src.ops.numpy", "class_name": "Multiply", "config": {"name": "multiply_26"}}
    assert without_newer_settings(product) == product
