"""From a reference checkpoint's numbers to one of our networks, layer by layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.torch_file import read_torch_file
from kerasfusion.fume.config import FumeConfig
from port_fume.layer_names import CONV, DENSE, DEPTHWISE, EMBEDDING, NORM, SCALE, layer_names, recognise

STATE_KEYS = ("model_state_dict", "state_dict", "model")
"""Where a checkpoint may keep the weights; the reference takes the first."""

COUNTER = ".num_batches_tracked"
"""Torch's normalisation counts its batches; no answer depends on it."""

SUFFIXES = {
    CONV: ("weight", "bias"),
    DENSE: ("weight", "bias"),
    DEPTHWISE: ("weight",),
    NORM: ("weight", "bias", "running_mean", "running_var"),
    EMBEDDING: ("weight",),
    SCALE: ("gamma",),
}
"""What a torch module of each kind keeps, in the order of our layer's weights; a bias only where ours has one."""

Weights = Mapping[str, np.ndarray]


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The state dict of a checkpoint, without torch and without running the file's pickle.

    Args:
        path: a state dict, or a dict that keeps one under a key of STATE_KEYS.

    Returns:
        {name: numbers}, without torch's counters.

    Raises:
        RequestError: as `read_torch_file`, or no state dict in the file.
    """
    saved = read_torch_file(path)
    for key in STATE_KEYS:
        if isinstance(saved, dict) and isinstance(saved.get(key), dict):
            saved = saved[key]
            break
    if not isinstance(saved, dict) or not saved or not all(isinstance(value, np.ndarray) for value in saved.values()):
        raise RequestError(
            "the checkpoint holds no state dict",
            where=path,
            expected=f"names and tensors, or those under one of the keys {', '.join(STATE_KEYS)}",
        )
    wrapped = all(name.startswith("module.") for name in saved)  # torch's DataParallel
    names = {name: name.removeprefix("module.") if wrapped else name for name in saved}
    return {names[name]: value for name, value in saved.items() if not name.endswith(COUNTER)}


def recognise_model(weights: Weights, path: Path) -> tuple[str, bool]:
    """Name of the network, and whether one encoder serves both gases.

    Raises:
        RequestError: none of ours has such weights.
    """
    name = recognise({key: value.shape for key, value in weights.items()})
    if name is None:
        shown = ", ".join(list(weights)[:3])
        raise RequestError(
            f"the weights are of no known network; they begin with {shown}",
            where=path,
            expected="a network of taminulislam/fume on the Fast-SCNN encoder",
        )
    return name, _shares_encoder(weights)


def _shares_encoder(weights: Weights) -> bool:
    """torch writes a shared encoder under both names."""
    second = {name: value for name, value in weights.items() if name.startswith("ch4_encoder.")}
    return all(np.array_equal(value, weights.get(f"co2{name[3:]}")) for name, value in second.items())


def convert(weights: Weights, config: FumeConfig, path: Path):
    """Build the network that the configuration names and give it the weights.

    Args:
        weights: of `read_weights`.
        config: its model and data.image_size are used.
        path: where the weights come from, for the message.

    Returns:
        keras.Model with logits.

    Raises:
        RequestError: a weight is missing, left over, of another shape, or not finite; names all of them.
    """
    from kerasfusion.fume.networks.architectures import build_network

    width, height = config.data.image_size
    model = config.model
    network = build_network(model.name, height, width, model.shared_encoder)
    if model.shared_encoder:
        weights = {name: value for name, value in weights.items() if not name.startswith("ch4_encoder.")}
    expected = _expected(network, layer_names(model.name, model.shared_encoder))
    if problems := _problems(weights, expected):
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise RequestError(f"{len(problems)} weight(s) do not fit {model.name}:\n{lines}", where=path)
    for name, (kind, variable) in expected.items():
        variable.assign(_as_ours(weights[name], kind, variable.shape))
    return network


def _expected(network, names: Sequence[tuple[str, str]]) -> dict[str, tuple[str, Any]]:
    """{name of a torch tensor: (kind, our variable)}."""
    layers, found = _layers_by_kind(network), {}
    for name, kind in names:
        layer = layers[kind].pop(0)
        found |= {
            f"{name}.{suffix}": (kind, variable)
            for suffix, variable in zip(SUFFIXES[kind], layer.weights, strict=False)
        }
    if left := [layer.name for rest in layers.values() for layer in rest]:
        raise AssertionError(f"layers of ours without a name in the reference: {', '.join(left)}")
    return found


def _layers_by_kind(network) -> dict[str, list]:
    """Our layers with weights, in the order in which they were made: Keras numbers the layers of each class."""
    from keras import layers as kinds

    found: dict[str, list] = {kind: [] for kind in SUFFIXES}
    classes = {
        kinds.Conv2D: CONV,
        kinds.DepthwiseConv2D: DEPTHWISE,
        kinds.Dense: DENSE,
        kinds.BatchNormalization: NORM,
        kinds.Embedding: EMBEDDING,
    }
    for layer in network._flatten_layers(include_self=False):
        kind = next((kind for known, kind in classes.items() if isinstance(layer, known)), None)
        if kind is not None:
            found[SCALE if layer.name.endswith("attention_scale") else kind].append(layer)
    for kind, layers in found.items():
        layers.sort(key=_scale_order if kind == SCALE else _number)
    return found


def _number(layer) -> float:
    """The number at the end of an automatic name; the last layer of a network is the one that has a name of its own."""
    if layer.name == "state_logits":
        return float("inf")
    number = layer.name.rpartition("_")[2]
    return int(number) if number.isdigit() else 0


def _scale_order(layer) -> int:
    return ("co2_self_attention_scale", "ch4_self_attention_scale", "cross_attention_scale").index(layer.name)


def _problems(weights: Weights, expected: Mapping[str, tuple[str, Any]]) -> list[str]:
    found = [f"{name} is missing" for name in expected if name not in weights]
    found += [f"{name} is left over" for name in weights if name not in expected]
    for name, (kind, variable) in expected.items():
        if name not in weights:
            continue
        shape, wanted = weights[name].shape, _torch_shapes(kind, tuple(variable.shape))
        if shape not in wanted:
            found.append(f"{name} has the shape {shape}, expected {' or '.join(map(str, wanted))}")
        elif not np.isfinite(weights[name]).all():
            found.append(f"{name} has values that are not finite")
    return found


def _torch_shapes(kind: str, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes in which torch may keep one of our variables."""
    if kind == SCALE:
        return [(1,)]
    if kind == CONV and len(shape) == 4:
        return [(shape[3], shape[2], shape[0], shape[1])]
    if kind == DEPTHWISE:
        return [(shape[2], shape[3], shape[0], shape[1])]
    if kind == DENSE and len(shape) == 2:  # the reference's 1x1 convolutions of attention are dense layers here
        return [shape[::-1], (*shape[::-1], 1, 1)]
    return [shape]


def _as_ours(value: np.ndarray, kind: str, shape: Sequence[int]) -> np.ndarray:
    value = value.astype(np.float32)
    if kind == CONV and value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    if kind == DEPTHWISE:
        return value.transpose(2, 3, 0, 1)
    if kind == DENSE and value.ndim > 1:
        return value.reshape(value.shape[:2]).T
    return value.reshape(tuple(shape))
