"""Frames to states and masks: the one way from pixels to a trained network's answer.

`evaluate`, `predict` and `benchmark` all use it, and it makes a network's inputs as training makes them (`frames`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasfusion.config import load_config, to_dict
from kerasfusion.errors import RequestError
from kerasfusion.formats.answer_check import probabilities
from kerasfusion.formats.open_model import OpenModel
from kerasfusion.formats.opening import open_model, read_description
from kerasfusion.fume.config_reading import FrameReading, MaskReading
from kerasfusion.fume.config_training import Loss
from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.data.frame_reading import read_frame
from kerasfusion.fume.data.frames import resize_frame
from kerasfusion.fume.data.masks import likeliest_classes

MASK = "mask"
"""Output of networks that have one mask: of their only frame, or of both gases together."""


@dataclass(frozen=True)
class Question:
    """One sample's frames, prepared for a network.

    Attributes:
        frames: {gas: (height, width) uint8} at the network's size, of the gases that are there.
        sizes: {gas: (H, W)} of the frames' files.
    """

    frames: dict[str, np.ndarray]
    sizes: dict[str, tuple[int, int]]

    def only(self, gas: str) -> "Question":
        """The question with one gas alone."""
        return Question({gas: self.frames[gas]}, {gas: self.sizes[gas]})


@dataclass(frozen=True)
class Answer:
    """What a network says of one sample.

    Attributes:
        state: (3,) float32 probabilities in the order of STATES; None from a network that does not tell it.
        masks: {output: (H, W) uint8} at the size of the frame's file, of the gases that are there.
    """

    state: np.ndarray | None
    masks: dict[str, np.ndarray]


class Network:
    """A trained network that is ready to answer, from any number of threads.

    Args:
        model: what a format's `open_model` gave.
        path: its file, for messages.

    Attributes:
        name: `model.name` of its configuration.
        description: what its file says of itself.
        config: the settings that it was trained with, as `config.to_dict` gives them.
        frames: how its frames are read.
        masks: how the true masks are read that its answers are compared with.
        width, height: of the frames that it is given, pixels.
        gases: that it was trained on; of another it knows nothing, see `require_gases`.
        outputs: "state" and masks, as far as it learned them: a head that no loss asked for says nothing.
        is_paired: whether it looks at both gases at once; else it is asked frame by frame.
        flips: answer with the mean of what is said of the frames and of their left-right mirrored copies, masks
            mirrored back. Training mirrors this way alone. False until it is set.

    Raises:
        RequestError: the description and the graph do not fit together, or the network learned nothing.
    """

    def __init__(self, model: OpenModel, path: Path):
        self._model, self._path = model, path
        self.description = model.description
        try:
            self.name = str(self.description["model"])
            self.width, self.height = (int(side) for side in self.description["image_size"])
            self.config = dict(self.description["config"])
            data = self.config.get("data", {})
            self.frames = load_config(FrameReading, flags=data.get("frames", {}))
            self.masks = load_config(MaskReading, flags=data.get("masks", {}))
            gases = data.get("gases", "both")
            self.gases = {"both": GASES, "co2": ("co2",), "ch4": ("ch4",)}[gases]
            loss = load_config(Loss, flags=self.config.get("training", {}).get("loss", {}))
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, f"its description has no valid {error}") from error
        self.is_paired = "co2" in model.inputs
        self.flips = False
        given = set(model.inputs) - {"modality_mask", "gas_type"}
        if given != (set(GASES) if self.is_paired else {"frame"}):
            raise _damaged(path, f"its inputs are {', '.join(model.inputs)}")
        if any(tuple(model.inputs[name][:2]) != (self.height, self.width) for name in given):
            raise _damaged(path, f"its frames are not of {self.width} x {self.height} pixels, as it says")
        self.outputs = tuple(name for name in model.outputs if loss.asks_for(name, gases))
        if not self.outputs:
            raise RequestError(
                "the network learned nothing: its loss asked for none of its outputs",
                where=path,
                expected="training.loss.seg_weight of a network of masks, or cls_weight of one of the state, above 0",
                todo="train it again",
            )

    def require_gases(self, gases: Collection[str]) -> None:
        """Make sure that it was trained on these gases.

        Raises:
            RequestError: data.gases left one of them out.
        """
        if others := [gas for gas in GASES if gas in gases and gas not in self.gases]:
            known = self.gases[0].upper()
            raise RequestError(
                f"the network never saw {others[0].upper()}: it was trained on {known} alone (data.gases)",
                where=self._path,
                expected=f"frames of {known}",
                todo=f"ask about {known} alone, or train a network with data.gases=both",
            )

    def take_range(self, limits: tuple[float, float]) -> None:
        """Read counts or degrees, with the range that becomes black to white, for a network trained on pictures.

        Raises:
            RequestError: the network was trained on another range.
        """
        if self.frames.range not in (None, limits):
            raise RequestError(
                f"the network was trained on frames with the range {list(self.frames.range)}",
                where="--frame-range",
                todo="leave --frame-range out: the network's own is used",
            )
        self.frames = load_config(FrameReading, flags={**to_dict(self.frames), "range": limits})

    @property
    def passes(self) -> int:
        """How often the network runs for an answer."""
        return 2 if self.flips else 1

    def read_frames(self, files: dict[str, Path]) -> dict[str, np.ndarray]:
        """Decode a sample's frames as those that the network was trained on: {gas: path} -> {gas: (H, W) uint8}.

        Raises:
            ImageError: a file cannot be read, or holds what the network was not trained on; names it.
        """
        return {gas: read_frame(path, self.frames) for gas, path in files.items()}

    def read(self, files: dict[str, Path]) -> Question:
        """Decode and resize a sample's frames, as `read_frames` takes them."""
        return self.prepare(self.read_frames(files))

    def prepare(self, frames: dict[str, np.ndarray]) -> Question:
        """Bring a sample's decoded frames, {gas: (H, W) uint8}, to the network's size."""
        resized = {gas: resize_frame(frame, self.width, self.height) for gas, frame in frames.items()}
        return Question(resized, {gas: frame.shape for gas, frame in frames.items()})

    def parts(self, question: Question) -> list[Question]:
        """What is asked about a sample: the sample, or its frames one by one if the network takes single frames."""
        return [question] if self.is_paired else [question.only(gas) for gas in question.frames]

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer a batch in one forward pass, or in two with `flips`.

        Args:
            questions: each with at least one gas; with exactly one for a network of single frames.

        Raises:
            RequestError: the network is broken: an answer is not in 0..1.
        """
        inputs = self._inputs(questions)
        answered = self._probabilities(inputs)
        if self.flips:
            mirrored = _mirrored(self._probabilities(_mirrored(inputs)))
            answered = {name: (values + mirrored[name]) / 2 for name, values in answered.items()}
        masks = [name for name in self.outputs if name != "state"]
        return [
            Answer(
                answered["state"][row] if "state" in self.outputs else None,
                {name: likeliest_classes(answered[name][row], *size) for name in masks if (size := _size(name, asked))},
            )
            for row, asked in enumerate(questions)
        ]

    def _probabilities(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        answered = self._model.answer(inputs)
        return probabilities(answered, self._path, "take another copy, or train the network again")

    def _inputs(self, questions: Sequence[Question]) -> dict[str, np.ndarray]:
        made = self._paired_inputs(questions) if self.is_paired else _single_inputs(questions)
        return {name: made[name] for name in self._model.inputs}

    def _paired_inputs(self, questions: Sequence[Question]) -> dict[str, np.ndarray]:
        made = {gas: np.zeros((len(questions), self.height, self.width, 1), np.float32) for gas in GASES}
        for row, asked in enumerate(questions):
            for gas, frame in asked.frames.items():
                made[gas][row, ..., 0] = frame
        present = [[gas in asked.frames for gas in GASES] for asked in questions]
        return made | {"modality_mask": np.array(present, np.float32)}


def open_network(path: Path) -> Network:
    """Open a trained fume network: `fume.keras` or an export of it.

    Raises:
        RequestError: no such file, not a model of this program, one of another system, or a damaged one.
    """
    path = Path(path)
    system = read_description(path).get("system")
    if system != "fume":
        raise RequestError(
            f"this model is of the system {system!r}",
            where=path,
            expected="a fume network, such as runs/NAME/fume.keras",
            todo="kerasfusion fit -c configs/fume/fume_fastscnn.yaml makes one",
        )
    return Network(open_model(path), path)


def _single_inputs(questions: Sequence[Question]) -> dict[str, np.ndarray]:
    gases = [next(iter(asked.frames)) for asked in questions]
    frames = np.stack([asked.frames[gas] for gas, asked in zip(gases, questions, strict=True)])
    return {
        "frame": frames[..., None].astype(np.float32),
        "gas_type": np.array([GASES.index(gas) for gas in gases], np.int32),
    }


def _mirrored(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Left and right exchanged in what has them: frames and masks, (B, H, W, C)."""
    return {name: values[:, :, ::-1] if values.ndim == 4 else values for name, values in arrays.items()}


def _size(output: str, question: Question) -> tuple[int, int] | None:
    """Of the frame that an output is the mask of; None if the sample lacks it."""
    if output == MASK:
        return next(iter(question.sizes.values()))
    return question.sizes.get(output.removesuffix("_mask"))


def _damaged(path: Path, why: str) -> RequestError:
    return RequestError(
        f"the model file is damaged: {why}", where=path, todo="take another copy, or train the network again"
    )
