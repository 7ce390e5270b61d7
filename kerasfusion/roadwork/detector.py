"""Photos to the answers of the fusion and of each branch: the one way from pixels to probabilities.

`evaluate`, `predict` and `benchmark` all use it, so that none of them can make its inputs in a way of its own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.digests import file_sha256
from kerasfusion.errors import RequestError
from kerasfusion.image_decoding import crop_centre, squash
from kerasfusion.roadwork.vit import build_vit, read_checkpoint
from kerasfusion.roadwork.yolo_process import YoloProcess
from kerasfusion.saving import load_model


class Detector:
    """A model, opened and compiled; use it in a `with` statement.

    Args:
        model: keras.Model with dict inputs (`image`, perhaps `yolo_probs`) and dict outputs of (B, 2) probabilities.
        yolo: answers for `yolo_probs`; None where the model does not need it or the caller brings the probabilities.
        description: the file's `kerasfusion.json`; empty for a ViT alone.

    Attributes:
        outputs: names of the outputs.
    """

    def __init__(self, model, yolo: YoloProcess | None = None, description: dict[str, Any] | None = None):
        import tensorflow as tf

        self.description = description or {}
        self.outputs = tuple(model.output)
        self._yolo = yolo
        self._image_size = model.input["image"].shape[1]
        signature = {name: tf.TensorSpec(value.shape, tf.float32) for name, value in model.input.items()}
        self._forward = tf.function(lambda inputs: model(inputs, training=False), input_signature=[signature])
        self.needs_yolo = "yolo_probs" in model.input

    def prepare(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Bring one decoded photo, (H, W, 3) uint8, to the sizes of the inputs: `image` and, for YOLO, `crop`."""
        views = {"image": squash(pixels, self._image_size)}
        if self._yolo is not None:
            views["crop"] = crop_centre(pixels, self._yolo.image_size)
        return views

    def answer(self, prepared: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Answer a batch.

        Args:
            prepared: what `prepare` gave for each photo; `yolo_probs` (2,) float32 in place of or beside `crop` is
                taken as YOLO's answer.

        Returns:
            {output: (B,) float32 P(roadwork)}.
        """
        inputs = {"image": np.stack([views["image"] for views in prepared]).astype(np.float32)}
        if self.needs_yolo:
            inputs["yolo_probs"] = self._yolo_probs(prepared)
        return {name: probs.numpy()[:, 1] for name, probs in self._forward(inputs).items()}

    def close(self) -> None:
        """End YOLO's process."""
        if self._yolo is not None:
            self._yolo.close()

    def __enter__(self) -> "Detector":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _yolo_probs(self, prepared: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
        if all("yolo_probs" in views for views in prepared):
            return np.stack([views["yolo_probs"] for views in prepared])
        return self._yolo.predict(np.stack([views["crop"] for views in prepared]))


def open_fusion(path: Path, yolo: Path | None = None, device: str = "cpu", yolo_is_cached: bool = False) -> Detector:
    """Open a `fusion.keras`.

    Args:
        path: the file that `fit` or `export` wrote.
        yolo: `best.pt`, for a file whose `yolo_probs` come from outside.
        device: where YOLO computes, "cpu" or "gpu".
        yolo_is_cached: the caller brings `yolo_probs` with every photo.

    Raises:
        RequestError: not such a file; no YOLO weights, or not those that the file was fitted with.
    """
    model, description = load_model(path)
    if "yolo_probs" not in model.input or yolo_is_cached:
        return Detector(model, description=description)
    if yolo is None:
        raise RequestError(
            "this model takes YOLO's probabilities as an input", where=path, todo="name the weights: --yolo best.pt"
        )
    refuse_other_yolo(description, yolo)
    return Detector(model, YoloProcess(yolo, "cpu" if device == "cpu" else "0"), description)


def open_default(source: str, class_names: tuple[str, ...] | None = None) -> Detector:
    """Open the default answer alone: a ViT, with the one output `vit`.

    Args:
        source: hf://owner/name, a Hugging Face ViT folder, or a keras-hub preset.
        class_names: as `read_checkpoint` takes them.
    """
    import keras

    branch = build_vit(read_checkpoint(source, class_names))
    return Detector(keras.Model({"image": branch.input}, {"vit": branch.output}))


def refuse_other_yolo(description: dict[str, Any], weights: Path) -> None:
    """Check that YOLO's weights are those whose probabilities the head was fitted on.

    Raises:
        RequestError: the file is missing or another one.
    """
    if not weights.is_file():
        raise RequestError("the YOLO weights do not exist", where=weights, todo="--yolo best.pt")
    fitted_with, given = description["weights"]["yolo"], file_sha256(weights)
    if fitted_with != given:
        raise RequestError(
            f"the model was fitted with other YOLO weights: sha256 {fitted_with[:12]}..., these have {given[:12]}...",
            where=weights,
            todo="use the best.pt that precompute ran with, or run precompute and fit again",
        )
