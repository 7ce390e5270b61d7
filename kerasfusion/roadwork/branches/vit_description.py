"""What the two JSON files of a Hugging Face ViT say: the network, its outputs' names, and how pixels are made.

A key that is absent means what transformers takes then. What would change an answer is honoured or refused by its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""transformers' name -> that of vit_keras.ACTIVATIONS."""
PILLOW_BILINEAR = 2
MOST_LAYERS = 1000
"""A file may not ask for more: each is looked for among the tensors."""

_ARCHITECTURE = "ViTForImageClassification"
_PROCESSORS = ("ViTImageProcessor", "ViTImageProcessorFast", "ViTImageProcessorPil", "ViTFeatureExtractor")
_DONE = ("do_resize", "do_rescale", "do_normalize", "do_convert_rgb")
_KNOWN_STEPS = "do_resize, do_rescale, do_normalize"


@dataclass(frozen=True)
class VitDescription:
    """The network that config.json describes.

    Attributes:
        image_size, patch_size: sides of the square picture and of its square patches, pixels.
        width, mlp_width: units of a token, and inside a block's MLP.
        layers, heads: blocks, and heads of their attention.
        activation: of the MLPs, a key of vit_keras.ACTIVATIONS.
        epsilon: of the layer normalisations.
        qkv_bias: whether queries, keys and values have biases.
        classes: number of outputs.
    """

    image_size: int
    patch_size: int
    width: int
    mlp_width: int
    layers: int
    heads: int
    activation: str
    epsilon: float
    qkv_bias: bool
    classes: int


def describe_network(config: Mapping[str, Any], classes: int, path: Path) -> VitDescription:
    """Read config.json.

    Args:
        config: its content.
        classes: number of the outputs' names.
        path: of the file, for errors.

    Raises:
        RequestError: not a ViT classifier of RGB pictures, or a key that is not understood; names it.
    """
    _refuse_other_networks(config, path)
    activation = config.get("hidden_act", "gelu")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise RequestError(f"hidden_act: {activation!r} is not known", where=path, expected=", ".join(ACTIVATIONS))
    epsilon, qkv_bias = config.get("layer_norm_eps", 1e-12), config.get("qkv_bias", True)
    if not _is_number(epsilon) or not 0 < epsilon < 1:
        raise RequestError(f"layer_norm_eps: {epsilon!r}", where=path, expected="a number such as 1e-12")
    if not isinstance(qkv_bias, bool):
        raise RequestError(f"qkv_bias: {qkv_bias!r}", where=path, expected="true or false")
    found = VitDescription(
        image_size=_side(config, "image_size", 224, path),
        patch_size=_side(config, "patch_size", 16, path),
        width=_count(config, "hidden_size", 768, path),
        mlp_width=_count(config, "intermediate_size", 3072, path),
        layers=_count(config, "num_hidden_layers", 12, path, most=MOST_LAYERS),
        heads=_count(config, "num_attention_heads", 12, path),
        activation=ACTIVATIONS[activation],
        epsilon=float(epsilon),
        qkv_bias=qkv_bias,
        classes=classes,
    )
    for whole, part in (("image_size", "patch_size"), ("width", "heads")):
        if getattr(found, whole) % getattr(found, part):
            names = {"width": "hidden_size", "heads": "num_attention_heads"}
            raise RequestError(
                f"{names.get(whole, whole)}: {getattr(found, whole)} is not a multiple of "
                f"{names.get(part, part)}: {getattr(found, part)}",
                where=path,
            )
    return found


def output_names(config: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The names of the outputs in order.

    Raises:
        RequestError: config.json does not give them by number.
    """
    expected = '"id2label": {"0": "None", "1": "Roadwork"}'
    named = config.get("id2label")
    if not named:
        raise RequestError(
            "the checkpoint does not name its classes",
            where=path,
            expected=expected,
            todo="add id2label to config.json (transformers leaves out default names)",
        )
    numbers = [str(number) for number in range(len(named))]
    if not isinstance(named, dict) or named.keys() != set(numbers) or not all(map(_is_text, named.values())):
        raise RequestError(
            f"id2label is not understood: {str(named)[:100]}",
            where=path,
            expected=expected,
            todo="correct id2label in config.json: from each output's number to its class's name",
        )
    return tuple(named[number] for number in numbers)


def read_pixel_steps(processor: Mapping[str, Any], image_size: int, path: Path) -> dict[str, tuple[float, ...]]:
    """Read preprocessor_config.json.

    Args:
        processor: its content.
        image_size: side of the network's input, pixels.
        path: of the file, for errors.

    Returns:
        {"scale": three factors, "offset": three summands}: pixels in 0..255 times scale plus offset.

    Raises:
        RequestError: preprocessed in a way that the `image` input is not; names the key.
    """
    kind = processor.get("image_processor_type", processor.get("feature_extractor_type", _PROCESSORS[0]))
    if kind not in _PROCESSORS:
        raise RequestError(f"image_processor_type: {kind!r}", where=path, expected=" or ".join(_PROCESSORS))
    _refuse_other_steps(processor, image_size, path)
    rescaled, normalised = processor.get("do_rescale", True), processor.get("do_normalize", True)
    factor = processor.get("rescale_factor", 1 / 255) if rescaled else 1.0
    if not _is_number(factor) or factor <= 0:
        raise RequestError(f"rescale_factor: {factor!r}", where=path, expected="a number such as 0.00392156862745098")
    mean = _channels(processor, "image_mean", path) if normalised else (0.0,) * 3
    std = _channels(processor, "image_std", path) if normalised else (1.0,) * 3
    if min(std) <= 0:
        raise RequestError(f"image_std: {list(std)}", where=path, expected="numbers above 0")
    return {
        "scale": tuple(factor / s for s in std),
        "offset": tuple(-m / s for m, s in zip(mean, std, strict=True)),
    }


def _refuse_other_networks(config: Mapping[str, Any], path: Path) -> None:
    if config["model_type"] != "vit":
        raise RequestError(f"a {config['model_type']} checkpoint is not a ViT", where=path, expected="model_type: vit")
    if config.get("architectures") not in (None, [], [_ARCHITECTURE]):
        raise RequestError(
            f"architectures: {config['architectures']} is not a classifier", where=path, expected=_ARCHITECTURE
        )
    if config.get("problem_type") not in (None, "single_label_classification"):
        raise RequestError(
            f"problem_type: {config['problem_type']!r}", where=path, expected="single_label_classification: a softmax"
        )
    if config.get("num_channels", 3) != 3:
        raise RequestError(f"num_channels: {config['num_channels']!r}", where=path, expected="3: pictures are RGB")
    for key in ("auto_map", "quantization_config"):
        if config.get(key):
            raise RequestError(
                f"{key}: the checkpoint brings a network of its own",
                where=path,
                expected=f"transformers' {_ARCHITECTURE}",
            )


def _refuse_other_steps(processor: Mapping[str, Any], image_size: int, path: Path) -> None:
    for key, value in processor.items():
        if not key.startswith("do_"):
            continue
        if value not in (True, False, None) or (value is None and key in _DONE[:3]):
            raise RequestError(f"{key}: {value!r}", where=path, expected="true or false")
        if value and key not in _DONE:
            raise RequestError(
                f"{key}: the checkpoint treats pictures in a way that is not known here",
                where=path,
                expected=f"{_KNOWN_STEPS} alone: the whole frame squashed to {image_size} x {image_size}",
            )
    if not processor.get("do_resize", True):
        raise RequestError(
            "do_resize: the checkpoint does not resize its pictures",
            where=path,
            expected=f"the whole frame squashed to {image_size} x {image_size}",
        )
    whole = {"height": image_size, "width": image_size}
    size = processor.get("size", {"height": 224, "width": 224})
    if size not in (whole, image_size) or isinstance(size, bool):
        raise RequestError(
            f"the checkpoint resizes to {size} (size)",
            where=path,
            expected=f"the whole frame squashed to {whole}, the network's input",
        )
    if processor.get("resample", PILLOW_BILINEAR) != PILLOW_BILINEAR:
        raise RequestError(
            f"the checkpoint resizes with Pillow filter {processor['resample']} (resample)",
            where=path,
            expected="2 (bilinear), the one way this program makes the `image` input",
        )


def _channels(processor: Mapping[str, Any], key: str, path: Path) -> tuple[float, ...]:
    """A number for each of the three channels; one number stands for three."""
    value = processor.get(key, [0.5] * 3)
    values = value if isinstance(value, list) else [value] * 3
    if len(values) != 3 or not all(map(_is_number, values)):
        raise RequestError(f"{key}: {value!r}", where=path, expected="a number, or one for each of three channels")
    return tuple(map(float, values))


def _side(config: Mapping[str, Any], key: str, default: int, path: Path) -> int:
    """The side of a square in pixels: a number, or twice the same one."""
    value = config.get(key, default)
    sides = value if isinstance(value, list) and len(value) == 2 else [value, value]
    if not all(map(_is_count, sides)) or sides[0] != sides[1]:
        raise RequestError(f"{key}: {value!r}", where=path, expected="the side of a square, in pixels")
    return sides[0]


def _count(config: Mapping[str, Any], key: str, default: int, path: Path, most: int = 1_000_000) -> int:
    value = config.get(key, default)
    if not _is_count(value) or value > most:
        raise RequestError(f"{key}: {value!r}", where=path, expected=f"a whole number such as {default}")
    return value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number(value: object) -> bool:
    """Whether it is finite, too: Python reads NaN and Infinity from JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _is_text(value: object) -> bool:
    return isinstance(value, str)
