"""Photos to the answers of the fusion and of each branch: the one way from pixels to probabilities.

`evaluate`, `predict`, `benchmark` and a miner all use it, so that none of them can make its inputs in a way of its own.
"""

from collections.abc import Sequence
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
from kerasfusion.roadwork.scoring.window import FIRST, FULL, read_window

_AGAIN = "copy the file again, or make it again from sound weights: kerasfusion fit, then export"

Photo = bytes | str | Path | Image.Image


@dataclass(frozen=True)
class Detection:
    """What a model says of one photo.

    Attributes:
        p_roadwork: P(roadwork) of the fusion or, if it was sure, of a cascade's first stage; of a model's only output.
        branches: P(roadwork) of each branch that was asked.
        stage: which stage gave the answer, "first" or "full"; that of a model without a cascade is "full".
    """

    p_roadwork: float
    branches: dict[str, float]
    stage: str = FULL

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
        full: ask all branches about every photo, also where the file's cascade would not.

    Attributes:
        description: what the model's file says of itself.
        window: outside of which a cascade's first stage is the answer; None where every photo is asked about in full.
        outputs: names of the outputs.
        other_inputs: names of the inputs that a photo does not give (`yolo_probs`, `vit_probs`, `vit_features`).

    Raises:
        RequestError: the model is broken: it gives other than two probabilities an output; or what its file says of
            its cascade is damaged.
    """

    def __init__(
        self,
        model: OpenModel,
        tta: bool = False,
        max_pixels: int = MAX_PIXELS,
        where: Path | str | None = None,
        full: bool = False,
    ):
        self.description, self.outputs = model.description, model.outputs
        self._sizes = {name: shape[0] for name, shape in model.inputs.items() if len(shape) == 3}
        self.other_inputs = tuple(name for name in model.inputs if name not in self._sizes)
        self._model, self._tta, self._max_pixels, self._where = model, tta, max_pixels, where
        window = read_window(model.description, where)
        self.window = None if full else window
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
        """Answer several photos in one forward pass; a cascade goes on with those that it is not sure about."""
        if not photos:
            return []
        return self.detect_prepared([self.prepare(self._pixels(photo)) for photo in photos])

    def detect_prepared(self, prepared: Sequence[dict[str, np.ndarray]]) -> list[Detection]:
        """Answer what `prepare` gave for each photo, as `detect_batch`."""
        if self.window is None:
            sure, answers = np.zeros(len(prepared), bool), self.answer(prepared)
        else:
            sure, answers = self._in_stages(self._stacked(prepared))
        main = "fusion" if "fusion" in answers else self.outputs[0]
        found = []
        for row, at_once in enumerate(sure):
            said = {name: float(values[row]) for name, values in answers.items() if not np.isnan(values[row])}
            branches = {name: p for name, p in said.items() if name not in ("fusion", FIRST)}
            stage = FIRST if at_once else FULL
            found.append(Detection(said[FIRST if at_once else main], branches, stage))
        return found

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
        inputs = self._stacked(prepared)
        sides = [self._checked(self._model.answer(side), len(prepared), self.outputs) for side in self._sides(inputs)]
        return {name: self._mean(sides, name) for name in self.outputs}

    def _in_stages(self, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """(B,) bool, whether the first stage is sure, and as `answer` {output: (B,)}, NaN where it was not asked."""
        stages, sides = self._model.stages, self._sides(inputs)
        early = [name for name in self.outputs if name in self.description["cascade"]["first"]]
        late = [name for name in self.outputs if name not in early]
        count = len(next(iter(inputs.values())))
        found = [stages.first(side) for side in sides]
        checked = [self._checked(each, count, early) for each in found]
        answers = {name: self._mean(checked, name) for name in early}
        answers |= {name: np.full(count, np.nan, np.float32) for name in late}
        sure = self.window.sure(answers[FIRST])
        on = np.flatnonzero(~sure)
        if on.size:
            going = [{name: values[on] for name, values in (s | f).items()} for s, f in zip(sides, found, strict=True)]
            checked = [self._checked(stages.rest(each), on.size, late) for each in going]
            for name in late:
                answers[name][on] = self._mean(checked, name)
        return sure, {name: answers[name] for name in self.outputs}

    def _stacked(self, prepared: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        if lacking := [name for name in self.other_inputs if name not in prepared[0]]:
            raise RequestError(
                f"these are trained parts alone, which cannot answer a photo: they also take {' and '.join(lacking)}",
                where=self._where,
                todo="name fusion.keras; kerasfusion export RUN composes it of the parts, the ViT and YOLO",
            )
        return {name: np.stack([views[name] for views in prepared]).astype(np.float32) for name in prepared[0]}

    def _sides(self, inputs: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
        """The photos and, if it is asked for, the mirrored ones."""
        return [inputs, inputs | {name: inputs[name][:, :, ::-1] for name in self._sizes}] if self._tta else [inputs]

    @staticmethod
    def _mean(sides: Sequence[dict[str, np.ndarray]], name: str) -> np.ndarray:
        """(B,) P(roadwork) of an output."""
        return (sum(side[name] for side in sides) / len(sides))[:, 1]

    def _checked(self, answers: dict[str, np.ndarray], count: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        answers = {name: np.asarray(values) for name, values in answers.items()}
        for name in names:
            shape = answers[name].shape if name in answers else None
            if shape != (count, 2):
                raise RequestError(
                    f"the model is broken: its output {name} " + (f"has the shape {shape}" if shape else "is missing"),
                    where=self._where,
                    expected=f"{(count, 2)}: P(no roadwork) and P(roadwork) of each photo",
                    todo=_AGAIN,
                )
        return probabilities({name: answers[name] for name in names}, self._where, _AGAIN)

    def _pixels(self, photo: Photo) -> np.ndarray:
        if isinstance(photo, Image.Image):
            return upright_rgb(photo, self._max_pixels)
        if isinstance(photo, bytes):
            return decode_image(photo, self._max_pixels)
        return read_image(Path(photo), self._max_pixels)[0]


def open_detector(path: Path | str, tta: bool = False, full: bool = False) -> Detector:
    """Open a model file.

    Args:
        path: `fusion.keras` or an export of it (`.xml`, `.onnx`, `.tflite`); also `trained_parts.keras`, for photos
            whose `other_inputs` the caller brings.
        tta: see Detector.
        full: see Detector.

    Raises:
        RequestError: not there, or not a model of this program.
    """
    path = Path(path)
    return Detector(open_model(path), tta, where=path, full=full)


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
