"""The networks: FUME-FastSCNN, its published variant without attention, and five baselines of the same encoder.

taminulislam/fume (its first commits) and arXiv 2601.08205, section 3. All are functional models of built-in layers
whose outputs are logits; `with_probabilities` makes of one the model that is saved.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers, ops

from kerasfusion.errors import RequestError
from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.annotations import GASES, STATES
from kerasfusion.fume.networks.cross_modal_attention import fuse_by_attention, fuse_by_concatenation
from kerasfusion.fume.networks.fast_scnn import STRIDE, build_encoder, segmentation_head


@dataclass(frozen=True)
class Architecture:
    """What a network is given, and what it gives.

    Attributes:
        build: (height, width, shared_encoder) -> (inputs, outputs), dicts of Keras tensors by name.
        inputs: names; "co2", "ch4" and "frame" are (B, H, W, 1) float32 grey levels 0..255, "modality_mask" (B, 2)
            float32 [has CO2, has CH4], "gas_type" (B,) int32, 0 CO2, 1 CH4.
        outputs: names; "co2_mask", "ch4_mask" and "mask" are (B, H, W, 3), "state" is (B, 3).
    """

    build: Callable
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def is_paired(self) -> bool:
        """Whether it looks at both gases at once."""
        return "co2" in self.inputs


def build_network(name: str, height: int, width: int, shared_encoder: bool = True) -> keras.Model:
    """Build a network with random weights.

    Args:
        name: a key of ARCHITECTURES.
        height, width: of the frames, divisible by 8.
        shared_encoder: FUMEFastSCNN and FUMEFastSCNNConcat: one encoder for both gases.

    Returns:
        Dict of inputs -> dict of logits, both named in ARCHITECTURES.

    Raises:
        RequestError: no such network, or a size that is not divisible by 8.
    """
    if name not in ARCHITECTURES:
        raise RequestError(f"no network {name!r}", where="model.name", expected=", ".join(ARCHITECTURES))
    if height % STRIDE or width % STRIDE:
        raise RequestError(
            f"frames of {width} x {height} pixels", where="data.image_size", expected=f"sides divisible by {STRIDE}"
        )
    inputs, outputs = ARCHITECTURES[name].build(height, width, shared_encoder)
    return keras.Model(inputs, outputs, name=name)


def with_probabilities(network: keras.Model) -> keras.Model:
    """The same network, weights shared, whose outputs are probabilities: what is saved and deployed."""
    outputs = {name: _softmax(logits, name) for name, logits in network.output.items()}
    return keras.Model(network.input, outputs, name=network.name)


def _softmax(logits, name: str):
    """Class by class: on a mask, TensorFlow's softmax over an axis of three takes as long as the whole encoder."""
    planes = ops.unstack(logits, axis=-1)
    largest = functools.reduce(ops.maximum, planes)
    shares = [ops.exp(plane - largest) for plane in planes]
    total = functools.reduce(ops.add, shares)
    return layers.Identity(dtype="float32", name=name)(ops.stack([share / total for share in shares], axis=-1))


def count_trainable(model: keras.Model) -> int:
    """Number of trainable parameters."""
    return sum(int(variable.value.shape.num_elements()) for variable in model.trainable_variables)


def _fume(height: int, width: int, shared_encoder: bool):
    return _dual_stream(height, width, shared_encoder, fuse_by_attention, (256, 128))


def _fume_concat(height: int, width: int, shared_encoder: bool):
    return _dual_stream(
        height, width, shared_encoder, lambda co2, ch4, presence: fuse_by_concatenation(co2, ch4), (256,)
    )


def _dual_stream(height: int, width: int, shared_encoder: bool, fuse: Callable, hidden: tuple[int, ...]):
    inputs = {gas: _frame_input(height, width, gas) for gas in GASES}
    inputs["modality_mask"] = keras.Input((2,), name="modality_mask")
    presence = inputs["modality_mask"]
    # What a sample does not have is black, whatever was given.
    frames = [
        _scaled(inputs[gas] * ops.reshape(presence[:, column], (-1, 1, 1, 1))) for column, gas in enumerate(GASES)
    ]
    detail, context = _encoded(frames, height, width, shared_encoder)
    outputs = {
        f"{gas}_mask": segmentation_head(detail[gas], context[gas], len(PIXEL_CLASSES), f"{gas}_mask_logits")
        for gas in GASES
    }
    outputs["state"] = state_head(_pooled(fuse(context["co2"], context["ch4"], presence)), hidden)
    return inputs, outputs


def _encoded(frames: list, height: int, width: int, shared_encoder: bool):
    """{gas: detail} and {gas: context}; a shared encoder works on both gases as one batch."""
    if not shared_encoder:
        features = [
            build_encoder(height, width, name=f"{gas}_encoder")(frame) for gas, frame in zip(GASES, frames, strict=True)
        ]
        return tuple(
            {gas: each[kind] for gas, each in zip(GASES, features, strict=True)} for kind in ("detail", "context")
        )
    features = build_encoder(height, width)(layers.Concatenate(axis=0)(frames))
    return tuple(dict(zip(GASES, ops.split(features[kind], 2, axis=0), strict=True)) for kind in ("detail", "context"))


def _segmentation_only(height: int, width: int, _):
    frame, features = _single_stream(height, width)
    return {"frame": frame}, {"mask": _mask_head(features)}


def _classification_only(height: int, width: int, _):
    frame, features = _single_stream(height, width)
    return {"frame": frame}, {"state": state_head(_pooled(features["context"]), (256, 128))}


def _gas_aware_classifier(height: int, width: int, _):
    frame, features = _single_stream(height, width)
    gas_type = keras.Input((), dtype="int32", name="gas_type")
    known = layers.Concatenate()([_pooled(features["context"]), layers.Embedding(len(GASES), 64)(gas_type)])
    return {"frame": frame, "gas_type": gas_type}, {"state": state_head(known, (256, 128))}


def _early_fusion(height: int, width: int, _):
    inputs = {gas: _frame_input(height, width, gas) for gas in GASES}
    both = _scaled(layers.Concatenate()(list(inputs.values())))
    features = build_encoder(height, width, channels=2)(both)
    return inputs, {"mask": _mask_head(features), "state": state_head(_pooled(features["context"]), (256,))}


def _multi_task(height: int, width: int, _):
    frame, features = _single_stream(height, width)
    return {"frame": frame}, {
        "mask": _mask_head(features),
        "state": state_head(_pooled(features["context"]), (256,)),
    }


def _single_stream(height: int, width: int):
    frame = _frame_input(height, width, "frame")
    return frame, build_encoder(height, width)(_scaled(frame))


def state_head(features, hidden: tuple[int, ...]):
    """Dense layers with ReLU and dropout 0.5, then one unit a state: (B, C) -> (B, 3) float32 logits."""
    for units in hidden:
        features = layers.Dropout(0.5)(layers.Dense(units, activation="relu")(features))
    return layers.Dense(len(STATES), dtype="float32", name="state_logits")(features)


def _mask_head(features):
    return segmentation_head(features["detail"], features["context"], len(PIXEL_CLASSES), "mask_logits")


def _frame_input(height: int, width: int, name: str):
    return keras.Input((height, width, 1), name=name)


def _scaled(frame):
    """Grey levels 0..255 to -1..1."""
    return layers.Rescaling(1 / 127.5, -1)(frame)


def _pooled(context):
    return layers.GlobalAveragePooling2D()(context)


_PAIR, _MASKS = ("co2", "ch4", "modality_mask"), ("co2_mask", "ch4_mask", "state")

ARCHITECTURES = {
    "FUMEFastSCNN": Architecture(_fume, _PAIR, _MASKS),
    "FUMEFastSCNNConcat": Architecture(_fume_concat, _PAIR, _MASKS),
    "SegmentationOnlyFastSCNN": Architecture(_segmentation_only, ("frame",), ("mask",)),
    "ClassificationOnlyFastSCNN": Architecture(_classification_only, ("frame",), ("state",)),
    "GasAwareClassifierFastSCNN": Architecture(_gas_aware_classifier, ("frame", "gas_type"), ("state",)),
    "EarlyFusionFastSCNN": Architecture(_early_fusion, ("co2", "ch4"), ("mask", "state")),
    "MultiTaskFastSCNN": Architecture(_multi_task, ("frame",), ("mask", "state")),
}
"""`model.name` -> network."""
