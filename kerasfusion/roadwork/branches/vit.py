"""The default answer: a ViT classifier, read by keras-hub from a Hugging Face checkpoint or a keras-hub preset.

Architecture: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv 2010.11929.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.errors import RequestError, require
from kerasfusion.files.digests import files_sha256
from kerasfusion.files.weights_check import refuse_nonfinite_model
from kerasfusion.roadwork.branches.vit_keras import rebuild
from kerasfusion.roadwork.data.dataset import class_order

HUB = "hf://"
WEIGHTS_FILES = (("model.safetensors",), ("model.weights.h5", "task.weights.h5"))
"""Of a Hugging Face checkpoint, and of a keras-hub preset: the network without its last layer, and that layer."""
PILLOW_BILINEAR = 2


@dataclass(frozen=True)
class VitCheckpoint:
    """What a checkpoint's own files say about it.

    Attributes:
        folder: where the files are.
        sha256: digest of the weights.
        image_size: side of the square input, pixels.
        scale: three factors and
        offset: three summands: pixels in 0..255 times scale plus offset is what the network expects.
        order: positions of (no_roadwork, roadwork) among the network's outputs.
        layer_norm_epsilon: of the checkpoint; None where the files leave it to keras-hub.
    """

    folder: Path
    sha256: str
    image_size: int
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    order: tuple[int, int]
    layer_norm_epsilon: float | None


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
        names = " or ".join(" and ".join(kind) for kind in WEIGHTS_FILES)
        raise RequestError("the checkpoint has no weights file", where=folder, expected=names)
    config = _read_json(folder / "config.json")
    facts = _hugging_face_facts if "model_type" in config else _preset_facts
    return VitCheckpoint(folder=folder, sha256=files_sha256(weights), **facts(folder, config, class_names))


def weights_files(folder: Path) -> list[Path]:
    """The files of a checkpoint that hold its weights; empty if a part is missing."""
    kinds = ([folder / name for name in kind] for kind in WEIGHTS_FILES)
    return next((files for files in kinds if all(path.is_file() for path in files)), [])


def build_vit(checkpoint: VitCheckpoint):
    """The checkpoint as one Keras model.

    Returns:
        keras.Model: `image` (B, S, S, 3) float32 RGB 0..255 -> `vit` (B, 2) float32 probabilities in the order of
        CLASS_NAMES. Normalisation, class order and softmax are inside.

    Raises:
        RequestError: NaN or infinity among the weights.
    """
    import keras

    classifier = rebuild(_load_task(checkpoint))
    refuse_nonfinite_model(classifier, checkpoint.folder)
    size = checkpoint.image_size
    image = keras.Input((size, size, 3), name="image", dtype="float32")
    pixels = keras.layers.Rescaling(list(checkpoint.scale), list(checkpoint.offset), name="vit_rescaling")(image)
    logits = classifier(pixels)
    if checkpoint.order != (0, 1):
        logits = keras.ops.take(logits, list(checkpoint.order), axis=-1)
    return keras.Model(image, keras.layers.Softmax(name="vit", dtype="float32")(logits), name="vit_branch")


def new_classifier(image_size: int):
    """A small two-class ViT with random weights, to be trained: 4 layers of 96 units on patches of 12 pixels.

    Returns:
        keras_hub.models.ViTImageClassifier over pixels in -1..1; `save_to_preset` writes what `read_checkpoint` reads.
    """
    import keras_hub

    backbone = keras_hub.models.ViTBackbone(
        image_shape=(image_size, image_size, 3), patch_size=12, num_layers=4, num_heads=4, hidden_dim=96, mlp_dim=192
    )
    converter = keras_hub.layers.ViTImageConverter(
        image_size=(image_size, image_size), scale=1 / 127.5, offset=-1.0, crop_to_aspect_ratio=False
    )
    preprocessor = keras_hub.models.ViTImageClassifierPreprocessor(converter)
    return keras_hub.models.ViTImageClassifier(backbone, num_classes=2, preprocessor=preprocessor)


def _load_task(checkpoint: VitCheckpoint):
    import keras_hub

    folder = str(checkpoint.folder)
    options = {"preprocessor": None, "compile": False}
    if checkpoint.layer_norm_epsilon is None:
        return keras_hub.models.ViTImageClassifier.from_preset(folder, **options)
    # keras-hub's converter keeps its own epsilon of 1e-6, which moves logits by up to 3e-4; the checkpoint's is right.
    backbone = keras_hub.models.ViTBackbone.from_preset(folder, layer_norm_epsilon=checkpoint.layer_norm_epsilon)
    return keras_hub.models.ViTImageClassifier.from_preset(folder, backbone=backbone, **options)


def _hugging_face_facts(folder: Path, config: dict, class_names: tuple[str, ...] | None) -> dict:
    if config["model_type"] != "vit":
        raise RequestError(
            f"a {config['model_type']} checkpoint is not a ViT", where=folder, expected="model_type: vit"
        )
    names = class_names or tuple(name for _, name in sorted((int(i), n) for i, n in config.get("id2label", {}).items()))
    if not names:
        raise RequestError(
            "the checkpoint does not name its classes",
            where=folder / "config.json",
            expected='"id2label": {"0": "None", "1": "Roadwork"}',
            todo="add id2label to config.json (transformers leaves out default names)",
        )
    processor = _read_json(folder / "preprocessor_config.json")
    size = processor.get("size")
    expected_size = {"height": config["image_size"], "width": config["image_size"]}
    if size not in (expected_size, config["image_size"]) or processor.get("do_center_crop"):
        raise RequestError(
            f"the checkpoint resizes to {size}",
            where=folder / "preprocessor_config.json",
            expected=f"the whole frame squashed to {expected_size}",
        )
    if processor.get("resample", PILLOW_BILINEAR) != PILLOW_BILINEAR:
        raise RequestError(
            f"the checkpoint resizes with Pillow filter {processor['resample']}",
            where=folder / "preprocessor_config.json",
            expected="2 (bilinear), the one way this program makes the `image` input",
        )
    factor = processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", True) else 1.0
    normalised = processor.get("do_normalize", True)
    mean = processor["image_mean"] if normalised else [0.0] * 3
    std = processor["image_std"] if normalised else [1.0] * 3
    return {
        "image_size": config["image_size"],
        "scale": tuple(factor / s for s in std),
        "offset": tuple(-m / s for m, s in zip(mean, std, strict=True)),
        "order": class_order(names, folder),
        "layer_norm_epsilon": config.get("layer_norm_eps", 1e-12),
    }


def _preset_facts(folder: Path, config: dict, class_names: tuple[str, ...] | None) -> dict:
    if not class_names:
        raise RequestError(
            "a keras-hub preset does not name its classes",
            where=folder,
            todo="set vit.class_names, for example [None, Roadwork] in the order of the network's outputs",
        )
    converter = _read_json(folder / "preprocessor.json")["config"]["image_converter"]["config"]
    if converter.get("crop_to_aspect_ratio") or converter.get("pad_to_aspect_ratio"):
        raise RequestError(
            "the preset crops or pads its pictures",
            where=folder / "preprocessor.json",
            expected="the whole frame squashed: crop_to_aspect_ratio and pad_to_aspect_ratio false",
        )
    return {
        "image_size": config["config"]["image_shape"][0],
        "scale": _three(converter.get("scale"), 1.0),
        "offset": _three(converter.get("offset"), 0.0),
        "order": class_order(class_names, folder),
        "layer_norm_epsilon": None,
    }


def _three(value: float | list[float] | None, default: float) -> tuple[float, ...]:
    value = default if value is None else value
    return tuple(value) if isinstance(value, list) else (value,) * 3


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"the checkpoint lacks a file: {error.strerror}", where=path) from error
    except ValueError as error:
        raise RequestError(f"not JSON: {error}", where=path) from error


def _download(source: str) -> Path:
    hub = require("huggingface_hub", extra="train")
    name, _, revision = source.removeprefix(HUB).partition("@")
    wanted = ["*.json", *(file for kind in WEIGHTS_FILES for file in kind)]
    try:
        return Path(hub.snapshot_download(name, revision=revision or None, allow_patterns=wanted, max_workers=2))
    except Exception as error:  # the hub's client raises its own, its HTTP library's and the system's errors
        raise RequestError(
            f"cannot get the ViT from the hub: {type(error).__name__}: {str(error).splitlines()[0]}",
            where=source,
            expected="config.json, preprocessor_config.json and model.safetensors",
            todo="download these three files on a machine that reaches the hub, bring them here in a folder and set "
            "vit.weights to it (or pass --vit FOLDER)",
        ) from error
