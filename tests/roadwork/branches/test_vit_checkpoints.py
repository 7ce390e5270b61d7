"""ViT checkpoints as people have them: answered as transformers answers them, or refused in a sentence."""

import json

import keras
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch_file

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.branches.vit import build_vit, read_checkpoint
from kerasfusion.roadwork.branches.vit_description import ACTIVATIONS
from kerasfusion.roadwork.dry_run.weights_at_hand import check_vit
from tests.material.hugging_face_vit import write_vit
from tests.material.transformers_vit import logits_of, pixels_by_pillow

pytestmark = pytest.mark.exports  # compares with transformers

ACTIVATION_NAMES = [name for name in ACTIVATIONS if name != "gelu_fast"]  # differs by rounding alone
DRAWN = 16


def drawn_checkpoint(folder, number):
    """Write a checkpoint of random shape and preprocessing; returns a photo of its own size."""
    rng = np.random.default_rng(number)

    def one_of(*values):
        return values[rng.integers(len(values))]

    patch, heads = one_of(4, 8, 16), one_of(1, 2, 4)
    network = {
        "hidden_act": ACTIVATION_NAMES[number % len(ACTIVATION_NAMES)],
        "num_hidden_layers": int(rng.integers(1, 4)),
        "num_attention_heads": heads,
        "hidden_size": heads * one_of(6, 8),
        "intermediate_size": one_of(12, 40),
        "patch_size": patch,
        "image_size": patch * int(rng.integers(1, 5)),
        "layer_norm_eps": one_of(1e-12, 1e-6, 1e-3, 0.1),
        "qkv_bias": bool(rng.integers(2)),
        "pooler_act": one_of("tanh", "relu"),
    }
    steps = {
        "do_rescale": bool(rng.integers(4)),
        "rescale_factor": one_of(1 / 255, 1 / 127.5),
        "do_normalize": bool(rng.integers(3)),
        "image_mean": one_of([0.5] * 3, [0.485, 0.456, 0.406]),
        "image_std": one_of([0.5] * 3, [0.229, 0.224, 0.225]),
        "do_convert_rgb": one_of(None, True),
    }
    write_vit(folder, seed=number, network=network, **steps)
    absent = {
        "config.json": "layer_norm_eps",
        "preprocessor_config.json": one_of("image_mean", "do_rescale", "resample"),
    }
    for file, key in absent.items():
        if not rng.integers(3):
            edit(folder / file, {key: None})
    side = network["image_size"]
    return rng.integers(0, 256, (side, side, 3), np.uint8)


def edit(path, changes):
    """Overwrite keys of a JSON file; None takes one out."""
    said = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in said.items() if value is not None}))


def logits(folder, pixels):
    branch = build_vit(read_checkpoint(str(folder)))
    return np.asarray(keras.Model(branch.input, branch.get_layer("vit").input)(pixels))


def test_checkpoints_drawn_at_random_answer_as_transformers_does(tmp_path):
    for number in range(DRAWN):
        folder = tmp_path / f"{number:02}"
        photo = drawn_checkpoint(folder, number)
        expected = logits_of(folder, pixels_by_pillow(folder, photo)[None])
        found = logits(folder, photo[None].astype(np.float32))
        assert np.abs(found - expected).max() < 1e-4 * max(1, np.abs(expected).max()), folder.name


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def usual(vit_folder, pixels):
    return logits(vit_folder, pixels)


def in_shards(folder):
    tensors = load_file(folder / "model.safetensors")
    places = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(tensors)}
    for file in set(places.values()):
        save_file({name: values for name, values in tensors.items() if places[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (folder / "model.safetensors").unlink()


def as_torch_wrote_it(folder):
    torch.save(load_torch_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def tensors_changed(change):
    def do(folder):
        path = folder / "model.safetensors"
        found = {name: values.copy() for name, values in load_file(path).items()}
        save_file(change(found) or found, path)

    return do


def json_changed(file, **changes):
    return lambda folder: edit(folder / file, changes)


config = lambda **changes: json_changed("config.json", **changes)  # noqa: E731
processor = lambda **changes: json_changed("preprocessor_config.json", **changes)  # noqa: E731
pooler = {"vit.pooler.dense.weight": np.zeros((32, 32), np.float32), "vit.pooler.dense.bias": np.zeros(32, np.float32)}


@pytest.mark.trains
@pytest.mark.parametrize(
    "change",
    [
        in_shards,
        as_torch_wrote_it,
        tensors_changed(lambda found: {name: values.astype(np.float64) for name, values in found.items()}),
        tensors_changed(lambda found: {f"module.{name}": values for name, values in found.items()}),
        tensors_changed(lambda found: found | pooler),
        config(image_size=[64, 64], patch_size=[16, 16]),
        config(hidden_act=None, layer_norm_eps=None, qkv_bias=None, num_channels=None),
        lambda folder: (folder / "config.json").write_bytes(b"\xef\xbb\xbf" + (folder / "config.json").read_bytes()),
        processor(size=64),
        processor(image_processor_type="ViTImageProcessorFast", crop_size=None, do_convert_rgb=True),
    ],
)
def test_the_same_checkpoint_in_another_form_answers_the_same(tmp_path, usual, pixels, change):
    change(write_vit(tmp_path))
    np.testing.assert_allclose(logits(tmp_path, pixels), usual, atol=1e-6)


def broken(name, value):
    def change(found):
        found[name].flat[0] = value

    return tensors_changed(change)


def bytes_of_weights(change):
    def do(folder):
        path = folder / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return do


REFUSED = [
    (config(hidden_act="mish"), r"hidden_act: 'mish'"),
    (config(hidden_act=["gelu"]), "hidden_act"),
    (config(num_hidden_layers=1), r"vit\.encoder\.layer\.1\..*read by nothing"),
    (config(num_hidden_layers=3), r"vit\.encoder\.layer\.2\..*missing"),
    (config(num_hidden_layers=10**9), "num_hidden_layers"),
    (config(qkv_bias=False), r"query\.bias.*read by nothing"),
    (config(qkv_bias="no"), "qkv_bias"),
    (config(image_size=96), "the checkpoint resizes to"),
    (lambda folder: (config(image_size=96)(folder), processor(size=96)(folder)), r"position_embeddings has the shape"),
    (config(image_size=65), "image_size: 65 is not a multiple of patch_size: 16"),
    (config(image_size=[64, 96]), r"image_size: \[64, 96\]"),
    (config(num_attention_heads=5), "hidden_size: 32 is not a multiple of num_attention_heads: 5"),
    (config(num_channels=1), "num_channels: 1"),
    (config(layer_norm_eps="small"), "layer_norm_eps"),
    (config(model_type="deit"), "a deit checkpoint"),
    (config(architectures=["ViTForMaskedImageModeling"]), "ViTForMaskedImageModeling"),
    (config(problem_type="multi_label_classification"), "problem_type"),
    (config(auto_map={"AutoModel": "own.Model"}), "auto_map"),
    (config(id2label=["None", "Roadwork"]), "id2label is not understood"),
    (config(id2label={"a": "None", "b": "Roadwork"}), "id2label is not understood"),
    (config(id2label={"1": "None", "2": "Roadwork"}), "id2label is not understood"),
    (config(id2label={"0": 0, "1": 1}), "id2label is not understood"),
    (processor(do_resize=False), "do_resize"),
    (processor(do_center_crop=True, crop_size={"height": 64, "width": 64}), "do_center_crop"),
    (processor(do_pad=True), "do_pad"),
    (processor(do_flip_channel_order=True), "do_flip_channel_order"),
    (processor(do_rescale="yes"), "do_rescale"),
    (processor(size={"shortest_edge": 64}), "shortest_edge"),
    (processor(size=None), r"224.*\(size\)"),
    (processor(resample=3), r"Pillow filter 3 \(resample\)"),
    (processor(rescale_factor="1/255"), "rescale_factor"),
    (processor(image_mean=[0.5, 0.5]), "image_mean"),
    (processor(image_std=[0.5, 0, 0.5]), "image_std"),
    (processor(image_std="half"), "image_std"),
    (processor(image_processor_type="ConvNextImageProcessor"), "ConvNextImageProcessor"),
    (lambda folder: (folder / "config.json").write_text("[1]"), r"an object(.|\n)*bring it"),
    (lambda folder: (folder / "config.json").write_text("[" * 100_000), r"not JSON(.|\n)*bring it"),
    (lambda folder: (folder / "config.json").write_text("{}"), "vit.class_names"),
    (lambda folder: (folder / "preprocessor_config.json").unlink(), "lacks a file"),
    (tensors_changed(lambda found: {k: v for k, v in found.items() if "classifier" not in k}), "classifier.weight"),
    (tensors_changed(lambda found: {k.removeprefix("vit."): v for k, v in found.items()}), "read by nothing"),
    (tensors_changed(lambda found: found | {"extra": np.zeros(1, np.float32)}), "extra is read by nothing"),
    (tensors_changed(lambda found: found | {"extra": np.zeros(1, np.int64)}), "numbers of type I64"),
    (broken("classifier.bias", np.nan), "classifier.bias holds NaN"),
    (broken("vit.encoder.layer.1.output.dense.weight", -np.inf), r"layer\.1\.output\.dense\.weight holds NaN"),
    (bytes_of_weights(lambda data: data[:5000]), "cannot be read"),
    (bytes_of_weights(lambda data: data[:-4]), "cannot be read"),
    (bytes_of_weights(lambda data: data + b"0000"), "its tensors take"),
    (bytes_of_weights(lambda data: data[:4]), "its header is cut"),
    (bytes_of_weights(lambda data: b""), "its header is cut"),
    (
        bytes_of_weights(lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 5\n"),
        "git lfs pull",
    ),
    (bytes_of_weights(lambda data: data.replace(b'"F32"', b"12345", 1)), "cannot be read"),
    (lambda folder: (in_shards(folder), next(folder.glob("model-*2.safetensors")).unlink()), "a part of the weights"),
    (
        lambda folder: (
            (folder / "model.safetensors").unlink(),
            (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../b.safetensors"}}'),
        ),
        r"the index names '\.\./b\.safetensors'",
    ),
    (lambda folder: (folder / "model.safetensors").rename(folder / "flax_model.msgpack"), "save_pretrained"),
    (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "not a readable weights file"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_answered_rightly_is_refused_by_name(tmp_path, change, message):
    change(write_vit(tmp_path))
    with pytest.raises(RequestError, match=message) as caught:
        build_vit(read_checkpoint(str(tmp_path)))
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value)) < 1200


def test_caches_of_usual_checkpoints_stay_valid_and_those_of_other_activations_do_not(tmp_path):
    usual, other = write_vit(tmp_path / "a"), write_vit(tmp_path / "b", network={"hidden_act": "relu"})
    assert file_sha256(usual / "model.safetensors") == file_sha256(other / "model.safetensors")
    assert read_checkpoint(str(usual)).sha256 == file_sha256(usual / "model.safetensors")
    assert read_checkpoint(str(other)).sha256 != read_checkpoint(str(usual)).sha256


def test_doctor_names_a_damaged_index(tmp_path):
    in_shards(write_vit(tmp_path))
    assert check_vit(str(tmp_path), online=False).status == "ok"
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    found = check_vit(str(tmp_path), online=False)
    assert found.status == "missing"
    assert "index" in found.found
