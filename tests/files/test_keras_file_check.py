"""Hostile and damaged `.keras` files, made by hand: refused by name, and nothing in them is run."""

import base64
import io
import json
import marshal
import zipfile
from contextlib import suppress

import h5py
import keras
import numpy as np
import pytest

from kerasfusion.errors import RequestError
from kerasfusion.files.saving import load_model, load_network, read_description, save_model
from kerasfusion.fume.networks.architectures import ARCHITECTURES, build_network
from tests.material.fast_scnn_blocks import few_blocks


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small sound file."""
    path = tmp_path_factory.mktemp("whole") / "model.keras"
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")], name="inner")
    network = keras.Model({"image": image}, {"out": inner(keras.layers.GlobalAveragePooling2D()(x))})
    save_model(network, path, {"system": "roadwork"}, sample=None)
    return path


@pytest.fixture
def nothing_runs(monkeypatch):
    """Keras may not even begin."""

    def begin(*_, **__):
        pytest.fail("Keras was asked to deserialise the file")

    monkeypatch.setattr(keras.saving, "deserialize_keras_object", begin)


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, contents, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def with_config(whole, path, change):
    contents = members(whole)
    config = json.loads(contents["config.json"])
    change(config)
    return write(path, contents | {"config.json": json.dumps(config)})


def with_layer(whole, path, layer):
    """The sound file with its convolution replaced."""

    def change(config):
        layers = config["config"]["layers"]
        (number,) = (n for n, each in enumerate(layers) if each["name"] == "conv")
        layers[number] = {
            "name": "conv",
            "inbound_nodes": layers[number]["inbound_nodes"],
            "registered_name": None,
        } | layer

    return with_config(whole, path, change)


def code(marker):
    compiled = compile(f"open({str(marker)!r}, 'w')", "hostile", "eval")
    return base64.b64encode(marshal.dumps(compiled)).decode()


def function(module, name):
    return {"class_name": "function", "module": module, "config": name, "registered_name": name}


HOSTILE_LAYERS = {
    # CVE-2024-3660: bytecode in a Lambda layer.
    "lambda": (
        lambda marker: {
            "class_name": "Lambda",
            "module": "keras.layers",
            "config": {"name": "conv", "function": {"class_name": "__lambda__", "config": {"code": code(marker)}}},
        },
        r"keras\.layers\.Lambda \('conv'\), at config\.layers\[1\]",
    ),
    # The same in the older format, which has no modules and which Keras reads by other code.
    "lambda of the older format": (
        lambda marker: {"class_name": "Lambda", "config": {"name": "conv", "function": [code(marker), None, None]}},
        r"holds Lambda \('conv'\)",
    ),
    # CVE-2025-1550: any function of any module.
    "foreign function": (lambda marker: function("subprocess", "getoutput"), "the function subprocess.getoutput"),
    "builtin": (lambda marker: function("builtins", "exec"), "the function builtins.exec"),
    "foreign class": (
        lambda marker: {"class_name": "Popen", "module": "subprocess", "config": {"args": f"touch {marker}"}},
        r"subprocess\.Popen",
    ),
    # CVE-2025-8747: a function of Keras that fetches a file and unpacks it.
    "get_file": (lambda marker: function("keras.utils", "get_file"), "the function keras.utils.get_file"),
    # CVE-2025-9906: a function of Keras that switches safe mode off.
    "safe mode off": (
        lambda marker: function("keras.config", "enable_unsafe_deserialization"),
        "enable_unsafe_deserialization",
    ),
    # CVE-2025-12058: a layer that reads its vocabulary from any path or address.
    "vocabulary": (
        lambda marker: {
            "class_name": "StringLookup",
            "module": "keras.layers",
            "config": {"name": "conv", "vocabulary": "/etc/passwd"},
        },
        r"keras\.layers\.StringLookup",
    ),
    # CVE-2026-1462: a layer that loads TensorFlow's own program from any path.
    "SavedModel": (
        lambda marker: {"class_name": "TFSMLayer", "module": "keras.layers", "config": {"filepath": "/tmp/model"}},
        r"keras\.layers\.TFSMLayer",
    ),
    "torch": (
        lambda marker: {
            "class_name": "TorchModuleWrapper",
            "module": "keras.layers",
            "config": {"name": "conv", "module": "gAR9lC4="},
        },
        r"keras\.layers\.TorchModuleWrapper",
    ),
    # By its inner name, and behind a class that is known here.
    "inner name": (
        lambda marker: {"class_name": "Lambda", "module": "keras.src.layers.core.lambda_layer", "config": {}},
        r"keras\.src\.layers\.core\.lambda_layer\.Lambda",
    ),
    "registered": (
        lambda marker: {
            "class_name": "Dense",
            "module": "keras.layers",
            "config": {"units": 2},
            "registered_name": "evil>Dense",
        },
        "registered as evil>Dense",
    ),
    "no class": (lambda marker: {"class_name": ["Dense"], "module": {}, "config": None}, r"at config\.layers\[1\]"),
}


@pytest.mark.parametrize("case", HOSTILE_LAYERS)
def test_a_hostile_layer_is_refused_by_name(case, whole, tmp_path, nothing_runs):
    make, message = HOSTILE_LAYERS[case]
    path = with_layer(whole, tmp_path / "hostile.keras", make(tmp_path / "marker"))
    with pytest.raises(RequestError, match=rf"(?s)refused, nothing was run.*{message}.*hostile\.keras"):
        load_model(path)
    assert not (tmp_path / "marker").exists()


def test_nothing_is_said_of_a_file_that_must_not_be_opened(whole, tmp_path, nothing_runs):
    assert read_description(whole)
    hostile = with_layer(whole, tmp_path / "hostile.keras", {"class_name": "system", "module": "os", "config": {}})
    with pytest.raises(RequestError, match=r"nothing was run: the file holds os\.system"):
        read_description(hostile)


def test_it_is_found_wherever_it_stands(whole, tmp_path, nothing_runs):
    hostile = function("keras.utils", "get_file")

    def in_argument(config):
        config["config"]["layers"][1]["inbound_nodes"][0]["kwargs"]["mask"] = hostile

    def in_build(config):
        config["build_config"] = {"input_shape": [hostile]}

    def in_inner_model(config):
        (inner,) = (each for each in config["config"]["layers"] if each["name"] == "inner")
        inner["config"]["layers"][1]["config"]["kernel_initializer"] = hostile

    def in_inner_training(config):
        (inner,) = (each for each in config["config"]["layers"] if each["name"] == "inner")
        inner["compile_config"] = {"loss": hostile}

    for change in (in_argument, in_build, in_inner_model, in_inner_training):
        path = with_config(whole, tmp_path / "hostile.keras", change)
        with pytest.raises(RequestError, match="get_file"):
            load_model(path)


def test_another_object_in_place_of_a_network_is_refused(whole, tmp_path, nothing_runs):
    path = write(
        tmp_path / "hostile.keras", members(whole) | {"config.json": json.dumps(function("keras.utils", "get_file"))}
    )
    with pytest.raises(RequestError, match=r"config\.json is of a 'function'"):
        load_model(path)


def test_what_a_network_was_trained_with_is_left_out(whole, tmp_path):
    """A trained file of Keras carries its optimizer and losses: they are not needed, and not read."""

    def change(config):
        config["compile_config"] = {"loss": function("subprocess", "getoutput")}

    network, _ = load_model(with_config(whole, tmp_path / "trained.keras", change))
    assert not network.compiled


@pytest.mark.parametrize("name", ["../../evil.py", "/etc/evil", "assets/vocabulary.txt", "Config.json"])
def test_a_foreign_member_is_refused(name, whole, tmp_path, nothing_runs):
    path = write(tmp_path / "hostile.keras", members(whole) | {name: b"data"})
    for read in (load_model, read_description):
        with pytest.raises(RequestError, match="has a member '.*" + name.split("/")[-1]):
            read(path)


def test_a_doubled_member_is_refused(whole, tmp_path, nothing_runs):
    path = write(tmp_path / "hostile.keras", members(whole))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", "{}")
    with pytest.raises(RequestError, match=r"config\.json twice"):
        load_model(path)


@pytest.mark.parametrize("name", ["kerasfusion.json", "config.json", "model.weights.h5"])
def test_a_decompression_bomb_is_refused(name, whole, tmp_path, nothing_runs):
    bomb = write(tmp_path / "bomb.keras", members(whole) | {name: b" " * 30_000_000}, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(RequestError, match=rf"{name} unpacks from [\d,]+ to 30,000,000 bytes"):
        load_model(bomb)


def test_a_configuration_beyond_all_bounds_is_refused(whole, tmp_path, nothing_runs, monkeypatch):
    monkeypatch.setattr("kerasfusion.files.keras_file_check.MEMBERS", dict.fromkeys(members(whole), 100))
    with pytest.raises(RequestError, match="at most 100"):
        load_model(whole)


def external_link(group, elsewhere):
    group["link"] = h5py.ExternalLink(str(elsewhere), "/secret")


def soft_link(group, elsewhere):
    group["link"] = h5py.SoftLink("/layers")


def external_data(group, elsewhere):
    group.create_dataset("link", (4,), "uint8", external=[(str(elsewhere), 0, 4)])


def virtual_data(group, elsewhere):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(elsewhere), "secret", (4,))
    group.create_virtual_dataset("link", layout)


def undersized_data(group, elsewhere):
    group.create_dataset("link", (10**9,), "f4", chunks=(1000,))


def texts(group, elsewhere):
    group.create_dataset("link", data=["a", "b"], dtype=h5py.string_dtype())


def itself(group, elsewhere):
    group["link"] = group


HOSTILE_WEIGHTS = {
    external_link: r"a link to '.*elsewhere\.h5 /secret'",
    soft_link: "a link to '/layers'",
    external_data: r"kept in another file: '.*elsewhere\.h5'",
    virtual_data: r"put together from another file: '.*elsewhere\.h5'",
    undersized_data: "declares 4,000,000,000 bytes and stores 0",
    texts: "holds object and not numbers",
    itself: "neither an array nor a group of its own",
}


@pytest.mark.parametrize("spoil", HOSTILE_WEIGHTS, ids=lambda spoil: spoil.__name__)
def test_weights_that_are_not_in_the_file_are_refused(spoil, whole, tmp_path, nothing_runs):
    with h5py.File(tmp_path / "elsewhere.h5", "w") as other:
        other["secret"] = np.ones(4, np.float32)
    contents = members(whole)
    weights = io.BytesIO(contents["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        spoil(file["layers/conv2d/vars"] if "layers/conv2d/vars" in file else file["layers"], tmp_path / "elsewhere.h5")
    path = write(tmp_path / "hostile.keras", contents | {"model.weights.h5": weights.getvalue()})
    with pytest.raises(
        RequestError, match=rf"(?s)refused, nothing was run: /layers/\S*link .*{HOSTILE_WEIGHTS[spoil]}"
    ):
        load_model(path)


def test_damage_is_reported_as_damage(whole, tmp_path):
    contents = members(whole)
    path = tmp_path / "damaged.keras"
    cases = {
        "config.json in the file is not JSON": {"config.json": b'{"class_name": '},
        "config.json in the file is not a JSON mapping": {"config.json": b"[1, 2]"},
        r"config\.json in the file is not JSON: .*recursion": {"config.json": b"[" * 200_000},
        "kerasfusion.json in the file is not JSON": {"kerasfusion.json": b"\xff\xfe\x00"},
        "weights in the file are damaged": {"model.weights.h5": b"not HDF5"},
        "Keras cannot open the model": {"config.json": json.dumps({"class_name": "Functional", "module": "keras"})},
    }
    for message, change in cases.items():
        with pytest.raises(RequestError, match=message):
            load_model(write(path, contents | change))
    for name in ("config.json", "model.weights.h5"):
        with pytest.raises(RequestError, match=f"holds no {name}"):
            load_model(write(path, {key: data for key, data in contents.items() if key != name}))


def test_cut_and_flipped_bytes_end_in_a_message(whole, tmp_path):
    data, path = whole.read_bytes(), tmp_path / "damaged.keras"
    for length in np.linspace(0, len(data) - 1, 12).astype(int):
        path.write_bytes(data[:length])
        with pytest.raises(RequestError, match="damaged"):
            load_model(path)
    refused = 0
    for place in np.random.default_rng(0).integers(0, len(data), 40):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        with suppress(RequestError):
            load_model(path)
            refused -= 1
        refused += 1
    assert refused > 35  # a few bytes mean nothing: dates, padding


def test_weights_of_another_network_end_in_a_message(whole, tmp_path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    other.save(tmp_path / "other.keras")
    weights = {"model.weights.h5": members(tmp_path / "other.keras")["model.weights.h5"]}
    with pytest.raises(RequestError, match="Keras cannot open the model"):
        load_model(write(tmp_path / "mixed.keras", members(whole) | weights))


def test_a_sound_file_answers_as_it_did(whole):
    plain = keras.saving.load_model(whole)
    network, description = load_model(whole)
    image = {"image": np.random.default_rng(1).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)}
    np.testing.assert_array_equal(np.asarray(network(image)["out"]), np.asarray(plain(image)["out"]))
    assert description == {"system": "roadwork", "opens_from": {"keras": "3.5.0", "tensorflow": "2.18.0"}}
    assert load_network(whole).count_params() == network.count_params()


def test_compressed_by_another_program_it_still_opens(whole, tmp_path):
    assert load_model(write(tmp_path / "packed.keras", members(whole), zipfile.ZIP_DEFLATED))[0].count_params() > 0


@pytest.mark.trains
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_of_fume_passes(name, tmp_path):
    from kerasfusion.files.keras_file_check import refuse_foreign_objects

    with few_blocks():
        network = build_network(name, 32, 32)
    refuse_foreign_objects(json.loads(network.to_json()), tmp_path)
