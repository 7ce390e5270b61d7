"""Photos to the answers of the fusion and of each branch: the one way from pixels to probabilities.

`evaluate`, `predict`, `benchmark` and a miner all use it, so that none of them can make its inputs in a way of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.formats.answer_check import probabilities
from kerasfusion.formats.open_model import OpenModel
from kerasfusion.formats.opening import open_model
from kerasfusion.images.decoding import (
    MAX_PIXELS,
    decode_image,
    read_image,
    upright_rgb,
)
from kerasfusion.keras_settings import use_keras
from kerasfusion.roadwork.branches.inputs import RESIZE
from kerasfusion.roadwork.scoring.reward import decide

_AGAIN = "copy the file again, or make it again from sound weights: kerasfusion fit, then export"

Photo = bytes | str | Path | Image.Image


@dataclass(frozen=True)
class Detection:
    """What a model says of one photo.

    Attributes:
        p_roadwork: P(roadwork) of the fusion, or of a model's only output.
        branches: P(roadwork) of each branch.
    """

    p_roadwork: float
    branches: dict[str, float]

    @property
    def roadwork(self) -> bool:
        """The decision, rounded as the subnet's validators round."""
        return bool(decide(np.array(self.p_roadwork)))


class Detector:
    """A model that is ready to answer, from any number of threads.

    Args:
        model: what a format's `open_model` or `serve` gave.
        tta: test-time augmentation: also ask about the mirrored photo, and average the probabilities.
        max_pixels: largest photo that is decoded, width x height.
        where: the model's file or source, for messages.

    Attributes:
        description: what the model's file says of itself.
        outputs: names of the outputs.
        other_inputs: names of the inputs that a photo does not give (`yolo_probs`, `vit_probs`, `vit_features`).

    Raises:
        RequestError: the model is broken: it gives other than two probabilities an output.
    """

    def __init__(
        self, model: OpenModel, tta: bool = False, max_pixels: int = MAX_PIXELS, where: Path | str | None = None
    ):
        self.description, self.outputs = model.description, model.outputs
        self._sizes = {name: shape[0] for name, shape in model.inputs.items() if len(shape) == 3}
        self.other_inputs = tuple(name for name in model.inputs if name not in self._sizes)
        self._model, self._tta, self._max_pixels, self._where = model, tta, max_pixels, where
        blank = self.prepare(np.zeros((8, 8, 3), np.uint8))
        others = {name: np.full(model.inputs[name], 0.5, np.float32) for name in self.other_inputs}
        self.answer([blank | others])  # compiles what is lazy

    def detect(self, photo: Photo) -> Detection:
        """Answer one photo.

        Args:
            photo: the encoded file's bytes, its path, or an opened Pillow image.

        Raises:
            ImageError: not a whole, readable image.
            RequestError: as `answer`.
        """
        return self.detect_batch([photo])[0]

    def detect_batch(self, photos: Sequence[Photo]) -> list[Detection]:
        """Answer several photos in one forward pass."""
        if not photos:
            return []
        return self.detect_prepared([self.prepare(self._pixels(photo)) for photo in photos])

    def detect_prepared(self, prepared: Sequence[dict[str, np.ndarray]]) -> list[Detection]:
        """Answer what `prepare` gave for each photo, in one forward pass."""
        answers = self.answer(prepared)
        main = "fusion" if "fusion" in answers else self.outputs[0]
        rows = [{name: float(values[row]) for name, values in answers.items()} for row in range(len(prepared))]
        return [Detection(row[main], {name: p for name, p in row.items() if name != "fusion"}) for row in rows]

    def prepare(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Bring one decoded photo, (H, W, 3) uint8, to the sizes of the picture inputs: {input: (S, S, 3) uint8}."""
        return {name: RESIZE[name](pixels, size) for name, size in self._sizes.items()}

    def answer(self, prepared: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Answer a batch.

        Args:
            prepared: what `prepare` gave for each photo, with what each of `other_inputs` takes of it beside it.

        Returns:
            {output: (B,) float32 P(roadwork)}, in the order of `outputs` whatever runs the model.

        Raises:
            RequestError: the model needs `other_inputs` and `prepared` lacks them, or it is broken: an answer is not
                in 0..1.
        """
        if lacking := [name for name in self.other_inputs if name not in prepared[0]]:
            raise RequestError(
                f"these are trained parts alone, which cannot answer a photo: they also take {' and '.join(lacking)}",
                where=self._where,
                todo="name fusion.keras; kerasfusion export RUN composes it of the parts, the ViT and YOLO",
            )
        inputs = {name: np.stack([views[name] for views in prepared]).astype(np.float32) for name in prepared[0]}
        answers = self._checked(inputs)
        if self._tta:
            mirrored = self._checked(inputs | {name: inputs[name][:, :, ::-1] for name in self._sizes})
            answers = {name: (probs + mirrored[name]) / 2 for name, probs in answers.items()}
        return {name: answers[name][:, 1] for name in self.outputs}

    def _checked(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        answers = {name: np.asarray(values) for name, values in self._model.answer(inputs).items()}
        expected = (len(next(iter(inputs.values()))), 2)
        for name in self.outputs:
            shape = answers[name].shape if name in answers else None
            if shape != expected:
                raise RequestError(
                    f"the model is broken: its output {name} " + (f"has the shape {shape}" if shape else "is missing"),
                    where=self._where,
                    expected=f"{expected}: P(no roadwork) and P(roadwork) of each photo",
                    todo=_AGAIN,
                )
        return probabilities({name: answers[name] for name in self.outputs}, self._where, _AGAIN)

    def _pixels(self, photo: Photo) -> np.ndarray:
        if isinstance(photo, Image.Image):
            return upright_rgb(photo, self._max_pixels)
        if isinstance(photo, bytes):
            return decode_image(photo, self._max_pixels)
        return read_image(Path(photo), self._max_pixels)[0]


def open_detector(
    path: Path | str, tta: bool = False, precision: str | None = None, report: Callable[[str], None] = lambda line: None
) -> Detector:
    """Open a model file.

    Args:
        path: `fusion.keras` or an export of it (`.xml`, `.onnx`, `.tflite`); also `trained_parts.keras`, for photos
            whose `other_inputs` the caller brings.
        tta: see Detector.
        precision: None takes the file as it is; "float32", "bfloat16" or "int8" takes the export in that precision
            that lies beside it; "auto" tries them all on this machine and takes the fastest.
        report: is told which file that is.

    Raises:
        RequestError: not there, not a model of this program, or no such export.
    """
    path = Path(path)
    if precision is not None:
        from kerasfusion.roadwork.detect.precision import choose_file

        path = choose_file(path, precision, report)
    return Detector(open_model(path), tta, where=path)


def open_default(source: str, class_names: tuple[str, ...] | None = None) -> Detector:
    """Open the default answer alone: a ViT, with the one output `vit`.

    Args:
        source: hf://owner/name, a Hugging Face ViT folder, or a keras-hub preset.
        class_names: as `read_checkpoint` takes them.
    """
    use_keras()
    import keras

    from kerasfusion.formats.keras_serving import serve
    from kerasfusion.roadwork.branches.vit import build_vit, read_checkpoint

    branch = build_vit(read_checkpoint(source, class_names))
    return Detector(serve(keras.Model({"image": branch.input}, {"vit": branch.output}), {}), where=source)
