"""What a fume `.keras` file says of itself (`kerasfusion.json` inside it)."""

from typing import TYPE_CHECKING, Any

from kerasfusion.config import to_dict
from kerasfusion.files.run_folder import environment
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.annotations import STATES

if TYPE_CHECKING:
    import keras

PIXELS = {
    "co2": "{levels}, bilinear resize of the whole frame; black if missing",
    "ch4": "{levels}, bilinear resize of the whole frame; black if missing",
    "frame": "{levels} of one gas, bilinear resize of the whole frame",
    "modality_mask": "[has CO2, has CH4], 1 or 0",
    "gas_type": "0 CO2, 1 CH4",
}
"""How each input is made, its levels from the file by `_levels`; the networks scale inside."""


def describe(config: FumeConfig, network: "keras.Model") -> dict[str, Any]:
    """The description that `saving.save_model` puts into the file.

    Args:
        config: resolved; its `model` and `data.image_size` are the network's.
        network: with dicts of inputs and outputs.

    Returns:
        A JSON value.
    """
    from kerasfusion.fume.networks.architectures import count_trainable

    return {
        "system": config.system,
        "model": config.model.name,
        "image_size": list(config.data.image_size),
        "class_names": list(STATES),
        "pixel_classes": list(PIXEL_CLASSES),
        "inputs": list(network.input),
        "outputs": list(network.output),
        "pixels": {name: PIXELS[name].format(levels=_levels(config)) for name in network.input},
        "trainable_parameters": count_trainable(network),
        "versions": environment()["packages"],
        "config": to_dict(config),
    }


def _levels(config: FumeConfig) -> str:
    """Grey levels, and what they are made of."""
    if config.data.frames.range is None:
        return "grey levels 0..255"
    low, high = config.data.frames.range
    return f"grey levels 0..255, round(255 (x - {low:g}) / {high - low:g}) of counts or degrees x, cut beyond"
