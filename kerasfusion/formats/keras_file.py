"""The `.keras` file: opens with plain Keras on TensorFlow."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasfusion.files.saving import load_network, read_description, save_model
from kerasfusion.formats.keras_serving import serve
from kerasfusion.formats.open_model import OpenModel
from kerasfusion.machine.amx import avoid_broken_amx

__all__ = ["PRECISIONS", "SUFFIX", "open_model", "read_description", "write"]

SUFFIX = ".keras"
PRECISIONS = ("float32", "bfloat16", "int8")
KEPT = ("InputLayer", "Rescaling", "Normalization", "Softmax", "Identity")
"""Layers that scale pixels or give probabilities: they stay in float32."""


def write(model, path: Path, precision: str, description: dict[str, Any], kept: Sequence[str] = ()) -> None:
    """Write a model in a precision.

    Args:
        model: keras.Model, float32.
        path: ends in `.keras`.
        precision: "bfloat16": weights and compute, but for KEPT and `kept`. "int8": 8-bit weights in the matrix
            products, which compute in float32.
        description: kept in the file.
        kept: names of layers that stay in float32.
    """
    import keras

    if precision == "bfloat16":
        model = in_bfloat16(model, kept)
    elif precision == "int8":
        model = _copy(model, model.get_config())
        quantizer = keras.quantizers.AbsMaxQuantizer(axis=0)
        # Weights alone: TensorFlow has no fast product of 8-bit inputs on a CPU (ViT-B/16: seven times slower).
        config = keras.quantizers.Int8QuantizationConfig(quantizer, None)
        model.quantize(config=config, filters=lambda layer: is_product(layer) and layer.name not in kept)
    save_model(model, path, description, sample=None)


def open_model(path: Path) -> OpenModel:
    """Open a file in safe mode.

    Raises:
        RequestError: as `saving.load_model`.
    """
    description = read_description(path)
    if description.get("precision", "float32") != "float32":  # trained parts do not say
        avoid_broken_amx("tensorflow")
    return serve(load_network(path), description)


def in_bfloat16(model, kept: Sequence[str]):
    """A copy of a model that keeps its weights and computes in bfloat16, but for KEPT and the layers named `kept`."""
    config = model.get_config()
    for layer in _layer_configs(config):
        stays = layer["class_name"] in KEPT or layer["config"].get("name") in kept
        if not stays and isinstance(layer["config"].get("dtype"), dict):
            layer["config"]["dtype"]["config"]["name"] = "bfloat16"
    return _copy(model, config)


def is_product(layer) -> bool:
    """Whether the layer is a matrix product with weights, which int8 quantises."""
    import keras

    return isinstance(layer, keras.layers.Dense | keras.layers.EinsumDense)


def _layer_configs(config: dict):
    """The configurations of all layers, also of those in nested models."""
    for layer in config.get("layers", ()):
        yield from _layer_configs(layer["config"])
        yield layer


def _copy(model, config: dict):
    copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy
