"""The default answer: a ViT classifier, from a Hugging Face checkpoint or a keras-hub preset.

Architecture: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv 2010.11929.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError, first_line, require
from kerasfusion.files.digests import files_sha256, json_sha256, lines_sha256
from kerasfusion.files.h5_check import refuse_foreign_weights
from kerasfusion.files.run_folder import differences
from kerasfusion.roadwork.branches.vit_description import (
    VitDescription,
    describe_network,
    output_names,
    read_pixel_steps,
)
from kerasfusion.roadwork.branches.vit_keras import build_classifier
from kerasfusion.roadwork.branches.vit_network import VitNetwork, network_of_task, network_of_tensors, refuse_nan
from kerasfusion.roadwork.branches.vit_tensors import INDEX, TORCH, find_shards, read_tensors, refuse_pointers
from kerasfusion.roadwork.data.dataset import class_order

HUB = "hf://"
WHOLE = "model.safetensors"
PRESET = ("model.weights.h5", "task.weights.h5")
"""Of a keras-hub preset: the network without its last layer, and that layer."""
CONVERT = (
    "python -c \"from transformers import ViTForImageClassification as V; V.from_pretrained('FOLDER')"
    ".save_pretrained('FOLDER')\""
)
"""Writes model.safetensors beside any other form of the weights."""
BRING_AGAIN = "bring it from where the weights came"


@dataclass(frozen=True)
class VitCheckpoint:
    """What a checkpoint's own files say about it.

    Attributes:
        folder: where the files are.
        sha256: digest of the weights; where the network's activation is not GELU, that of this digest and its name
            (what was cached of such checkpoints was once computed with GELU).
        image_size: side of the square input, pixels.
        scale: three factors and
        offset: three summands: pixels in 0..255 times scale plus offset is what the network expects.
        order: positions of (no_roadwork, roadwork) among the network's outputs.
        network: what config.json says of the network; None for a preset, which keras-hub reads.
        settings: what config.json decides of the answers and neither the weights nor the other attributes show: numbers
            and texts by name.
    """

    folder: Path
    sha256: str
    image_size: int
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    order: tuple[int, int]
    network: VitDescription | None
    settings: dict[str, Any]


def read_checkpoint(source: str, class_names: tuple[str, ...] | None = None) -> VitCheckpoint:
    """Find a checkpoint and read how its pixels are made and what its outputs mean.

    Args:
        source: "hf://owner/name", or a folder: a Hugging Face ViT checkpoint or a keras-hub preset.
        class_names: the outputs' names in order; needed for a keras-hub preset, which holds none.

    Raises:
        RequestError: not there, not a two-class ViT, or preprocessed in a way that the `image` input is not.
        KerasFusionError: the hub cannot be reached.
    """
    folder = _download(source) if source.startswith(HUB) else Path(source)
    if not (folder / "config.json").is_file():
        raise RequestError(
            "no ViT checkpoint here",
            where=folder / "config.json",
            expected="a Hugging Face ViT folder (config.json, model.safetensors, preprocessor_config.json)",
            todo="set vit.weights to such a folder, or to hf://owner/name",
        )
    weights = weights_files(folder)
    if not weights:
        raise RequestError(
            "the checkpoint has no weights file",
            where=folder,
            expected=f"{WHOLE}, {INDEX} with its files, {TORCH}, or {' and '.join(PRESET)}",
            todo=f"weights of another form are converted by {CONVERT}",
        )
    refuse_pointers(weights)
    config = _read_object(folder / "config.json")
    facts = _hugging_face_facts if "model_type" in config else _preset_facts
    found = facts(folder, config, class_names)
    return VitCheckpoint(folder=folder, sha256=_digest(weights, found["network"]), **found)


def weights_files(folder: Path) -> list[Path]:
    """The files of a checkpoint that hold its weights; empty if it has none.

    Raises:
        RequestError: it is in several files, and their index is damaged or names one that is not there.
    """
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if (folder / INDEX).is_file():
        return find_shards(folder)
    preset = [folder / name for name in PRESET]
    if all(path.is_file() for path in preset):
        return preset
    return [folder / TORCH] if (folder / TORCH).is_file() else []


def build_vit(checkpoint: VitCheckpoint, with_features: bool = False):
    """The checkpoint as one Keras model.

    Args:
        checkpoint: what `read_checkpoint` gave.
        with_features: also give the vector that its last layer sees.

    Returns:
        keras.Model: `image` (B, S, S, 3) float32 RGB 0..255 -> `vit` (B, 2) float32 probabilities in the order of
        CLASS_NAMES. Normalisation, class order and softmax are inside. With features {"vit": the same, "vit_features":
        (B, C) float32}.

    Raises:
        RequestError: the weights are damaged, hold NaN, or are not those that the checkpoint describes.
    """
    import keras

    classifier = build_classifier(_read_network(checkpoint))
    size = checkpoint.image_size
    image = keras.Input((size, size, 3), name="image", dtype="float32")
    pixels = keras.layers.Rescaling(list(checkpoint.scale), list(checkpoint.offset), name="vit_rescaling")(image)
    logits, features = _with_features(classifier)(pixels) if with_features else (classifier(pixels), None)
    if checkpoint.order != (0, 1):
        logits = keras.ops.take(logits, list(checkpoint.order), axis=-1)
    answers = keras.layers.Softmax(name="vit", dtype="float32")(logits)
    if with_features:
        answers = {
            "vit": answers,
            "vit_features": keras.layers.Identity(name="vit_features", dtype="float32")(features),
        }
    return keras.Model(image, answers, name="vit_branch")


def new_classifier(image_size: int):
    """A small two-class ViT with random weights, to be trained: 4 layers of 96 units on patches of 12 pixels.

    Returns:
        keras_hub.models.ViTImageClassifier over pixels in -1..1, not compiled; `save_to_preset` writes what
        `read_checkpoint` reads.
    """
    keras_hub = require("keras_hub", extra="train")
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(image_size, image_size, 3), patch_size=12, num_layers=4, num_heads=4, hidden_dim=96, mlp_dim=192
    )
    converter = keras_hub.layers.ViTImageConverter(
        image_size=(image_size, image_size), scale=1 / 127.5, offset=-1.0, crop_to_aspect_ratio=False
    )
    preprocessor = keras_hub.models.ViTImageClassifierPreprocessor(converter)
    # Keras 3.5 asks the metrics of a compiled model inside another one, which were never built.
    return keras_hub.models.ViTImageClassifier(backbone, num_classes=2, preprocessor=preprocessor, compile=False)


def _with_features(classifier):
    """What `build_classifier` gave, with the input of its last layer as a second output."""
    import keras

    seen = classifier.get_layer("vit_logits").input
    return keras.Model(classifier.input, [classifier.output, seen], name=classifier.name)


def _read_network(checkpoint: VitCheckpoint) -> VitNetwork:
    files = weights_files(checkpoint.folder)
    if checkpoint.network is not None:
        return network_of_tensors(read_tensors(files), checkpoint.network, checkpoint.folder)
    for path in files:
        refuse_foreign_weights(path, path)
    keras_hub = require("keras_hub", extra="train")
    try:
        task = keras_hub.models.ViTImageClassifier.from_preset(str(checkpoint.folder), preprocessor=None, compile=False)
    except Exception as error:  # keras-hub raises ValueError, KeyError, TypeError, OSError... on a damaged preset
        raise RequestError(
            f"keras-hub cannot open the preset: {first_line(error)}",
            where=checkpoint.folder,
            expected="what ViTImageClassifier.save_to_preset wrote",
            todo="copy the preset again, or save it again",
        ) from error
    refuse_nan(((weight.path, np.asarray(weight)) for weight in task.weights), checkpoint.folder)
    return network_of_task(task)


def _digest(weights: list[Path], network: VitDescription | None) -> str:
    digest = files_sha256(weights)
    return digest if network is None or network.activation == "gelu" else lines_sha256([digest, network.activation])


def _hugging_face_facts(folder: Path, config: dict, class_names: tuple[str, ...] | None) -> dict:
    path = folder / "config.json"
    names = class_names or output_names(config, path)
    network = describe_network(config, len(names), path)
    processor = folder / "preprocessor_config.json"
    return {
        "image_size": network.image_size,
        "order": class_order(names, folder),
        "network": network,
        "settings": {name: getattr(network, name) for name in ("activation", "epsilon", "heads")},
        **read_pixel_steps(_read_object(processor), network.image_size, processor),
    }


def _preset_facts(folder: Path, config: dict, class_names: tuple[str, ...] | None) -> dict:
    if not class_names:
        raise RequestError(
            "a keras-hub preset does not name its classes",
            where=folder,
            todo="set vit.class_names, for example [None, Roadwork] in the order of the network's outputs",
        )
    description = folder / "preprocessor.json"
    try:
        converter = _read_object(description)["config"]["image_converter"]["config"]
        cropped = converter.get("crop_to_aspect_ratio") or converter.get("pad_to_aspect_ratio")
        scale, offset = _three(converter.get("scale"), 1.0), _three(converter.get("offset"), 0.0)
        image_size, *other = config["config"]["image_shape"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RequestError(
            "neither a Hugging Face ViT nor a keras-hub preset",
            where=folder,
            expected="config.json with model_type: vit, or what ViTImageClassifier.save_to_preset wrote",
        ) from error
    side = converter.get("image_size") or [image_size, image_size]
    if list(side) != [image_size, image_size] or converter.get("interpolation", "bilinear") != "bilinear":
        raise RequestError(
            f"the preset resizes to {side}, {converter.get('interpolation')}",
            where=description,
            expected=f"image_size [{image_size}, {image_size}] as the network's input, interpolation bilinear",
        )
    if cropped:
        raise RequestError(
            "the preset crops or pads its pictures",
            where=description,
            expected="the whole frame squashed: crop_to_aspect_ratio and pad_to_aspect_ratio false",
        )
    if other != [image_size, 3]:
        raise RequestError(
            f"image_shape: {config['config']['image_shape']}", where=folder / "config.json", expected="a square of RGB"
        )
    return {
        "image_size": image_size,
        "scale": scale,
        "offset": offset,
        "order": class_order(class_names, folder),
        "network": None,
        "settings": _preset_settings(folder, config["config"], len(class_names)),
    }


def _preset_settings(folder: Path, network: dict, classes: int) -> dict[str, Any]:
    """A digest of what a preset says of its network; keras-hub builds it by task.json, and never asks config.json."""
    path = folder / "task.json"
    try:
        task = _read_object(path)["config"]
        built = task["backbone"]["config"]
        outputs = task["num_classes"]
        changed = differences(network | {"name": None}, built | {"name": None})
    except (KeyError, TypeError, AttributeError) as error:
        raise RequestError(
            "not what keras-hub says of a classifier",
            where=path,
            expected="what ViTImageClassifier.save_to_preset wrote",
            todo="copy the preset again, or save it again",
        ) from error
    if changed:
        raise RequestError(
            "config.json and task.json describe two networks; the first is read here, the second by keras-hub:\n  - "
            + "\n  - ".join(changed),
            where=path,
            todo="bring both from one save_to_preset",
        )
    if outputs != classes:
        raise RequestError(f"num_classes: {outputs}", where=path, expected=f"{classes}, as vit.class_names has")
    head = {name: task.get(name) for name in ("pooling", "activation", "intermediate_dim")}
    return {"config_sha256": json_sha256(network | head | {"name": None})}


def _three(value: float | list[float] | None, default: float) -> tuple[float, ...]:
    value = default if value is None else value
    three = tuple(map(float, value)) if isinstance(value, list) else (float(value),) * 3
    if len(three) != 3:
        raise ValueError("not three numbers")
    return three


def _read_object(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RequestError(f"the checkpoint lacks a file: {error.strerror}", where=path, todo=BRING_AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"not JSON: {error}", where=path, todo=BRING_AGAIN) from error
    if not isinstance(found, dict):
        raise RequestError(
            "not what a checkpoint says of itself",
            where=path,
            expected='an object: {"key": value, ...}',
            todo=BRING_AGAIN,
        )
    return found


def _download(source: str) -> Path:
    hub = require("huggingface_hub", extra="train")
    name, _, revision = source.removeprefix(HUB).partition("@")
    if not name.strip("/"):
        raise RequestError("the source names no ViT", where=source, expected="hf://owner/name, or a folder")
    options = {"revision": revision or None, "max_workers": 2}
    wanted = ["*.json", WHOLE, "model-*-of-*.safetensors", *PRESET]
    try:
        folder = Path(hub.snapshot_download(name, allow_patterns=wanted, **options))
        if not any((folder / file).exists() for file in (WHOLE, INDEX, PRESET[0])):
            folder = Path(hub.snapshot_download(name, allow_patterns=["*.json", TORCH], **options))
        return folder
    except Exception as error:  # the hub's client raises its own, its HTTP library's and the system's errors
        raise RequestError(
            f"cannot get the ViT from the hub: {type(error).__name__}: {first_line(error)}",
            where=source,
            expected="config.json, preprocessor_config.json and model.safetensors",
            todo="download these three files on a machine that reaches the hub, bring them here in a folder and set "
            "vit.weights to it (or pass --vit FOLDER)",
        ) from error
