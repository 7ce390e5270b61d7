"""Ask a network about samples whose truth is known; only counts are kept, so that memory does not grow with them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasfusion.fume.config_reading import MaskReading
from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.frames import sizes_differ
from kerasfusion.fume.data.masks import union_of
from kerasfusion.fume.data.samples import Sample
from kerasfusion.fume.detect.answering import MASK, Answer, Network, Question
from kerasfusion.fume.evaluate.boundary import CONTOURS, boundary_f
from kerasfusion.fume.evaluate.mask_metrics import pixel_confusion
from kerasfusion.fume.mask_files.reading import read_mask
from kerasfusion.images.decoding import ImageError
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track

READ_AHEAD = 16
"""Samples that are decoded while others are answered."""

CLASSES = len(PIXEL_CLASSES)
NO_PIXELS = np.zeros((CLASSES, CLASSES), np.int64)
NO_BOUNDARIES = np.full(len(CONTOURS), np.nan)


@dataclass(frozen=True)
class Asked:
    """What was asked in one row.

    Attributes:
        sample: as the network was given it.
        of_pair: the sample has both gases in the data.
        as_it_is: asked as the network is meant to be: with all that the data have (single-frame networks: frame by
            frame); else one gas was taken away.
    """

    sample: Sample
    of_pair: bool
    as_it_is: bool


@dataclass(frozen=True)
class Answers:
    """What a network said, one row a question.

    Attributes:
        asked: M questions; a sample's questions stand together, in the order of the samples.
        states: (M, 3) float32 probabilities; None from a network that does not tell the state.
        pixels: {output: (M, 3, 3) int64} pixels by true and predicted class, all 0 where the gas was not given. Besides
            the network's outputs, a single-frame network's "mask" is also counted as that of its gas.
        boundaries: {output: (M, 2) float64} boundary F-scores of tube and gas, NaN where there is no boundary or the
            gas was not given. Without the outputs whose boundaries were not measured: kept answers of a version that
            did not.
    """

    asked: list[Asked]
    states: np.ndarray | None
    pixels: dict[str, np.ndarray]
    boundaries: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def labels(self) -> np.ndarray:
        """(M,) int64 true states."""
        return np.array([asked.sample.class_id for asked in self.asked], np.int64)

    @property
    def predicted(self) -> np.ndarray | None:
        """(M,) int64 likeliest states."""
        return None if self.states is None else self.states.argmax(axis=-1)

    def rows(self, view: str) -> np.ndarray:
        """(K,) int64 numbers of the rows that belong to a view.

        Args:
            view: a key of VIEWS.
        """
        return np.flatnonzero([VIEWS[view](asked) for asked in self.asked])


VIEWS: dict[str, Callable[[Asked], bool]] = {
    "": lambda asked: asked.as_it_is,
    "_paired": lambda asked: asked.as_it_is and asked.sample.is_paired,
    "_co2_only": lambda asked: asked.of_pair and set(asked.sample.frames) == {"co2"},
    "_ch4_only": lambda asked: asked.of_pair and set(asked.sample.frames) == {"ch4"},
}
"""What follows the split's name -> which rows: all samples as they are; of those the pairs; and the same pairs again
with one of their gases alone. Single-frame networks have no pairs; their other views are the pairs' frames of a gas."""


def evaluate(
    network: Network,
    samples: Sequence[Sample],
    root: Path,
    batch: int = 8,
    label: str = "evaluate",
    on_answer: Callable[[Asked, Answer], None] = lambda asked, answer: None,
) -> Answers:
    """Ask about every sample as it is, and about pairs also with each gas alone.

    Args:
        network: opened.
        samples: with masks and states; at least one.
        root: what their paths are relative to.
        batch: questions a forward pass.
        label: for the progress bar.
        on_answer: is given every answer with its masks.

    Raises:
        ImageError: a file cannot be read, or a mask is not of its frame's size; names it.
    """
    asked: list[Asked] = []
    states: list[np.ndarray | None] = []
    pixels: list[dict[str, np.ndarray]] = []
    boundaries: list[dict[str, np.ndarray]] = []
    read = ordered_map(lambda sample: _read(network, sample, root), samples, ahead=READ_AHEAD)
    questions = _questions(network, track(read, label, total=len(samples)))
    for chunk in _batches(questions, batch):
        answers = network.answer([question for _, question, _ in chunk])
        for (about, _, truths), answer in zip(chunk, answers, strict=True):
            asked.append(about)
            states.append(answer.state)
            pixels.append(_of_masks(network, truths, answer, pixel_confusion))
            boundaries.append(_of_masks(network, truths, answer, boundary_f))
            on_answer(about, answer)
    return Answers(
        asked,
        np.stack(states) if "state" in network.outputs else None,
        by_output(pixels, NO_PIXELS),
        by_output(boundaries, NO_BOUNDARIES),
    )


def by_output(rows: Sequence[Mapping[str, np.ndarray]], nothing: np.ndarray) -> dict[str, np.ndarray]:
    """{output: (M, ...)} of M mappings of outputs; `nothing` where one has not got it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.stack([row.get(name, nothing) for row in rows]) for name in names}


def read_truth(sample: Sample, root: Path, how: MaskReading) -> dict[str, np.ndarray]:
    """{gas: (H, W) uint8} masks of a sample.

    Raises:
        ImageError: a file cannot be read; names it.
    """
    return {gas: read_mask(root / frame.mask_path, how, frame.frame_path) for gas, frame in sample.frames.items()}


def true_mask(output: str, truths: dict[str, np.ndarray]) -> np.ndarray:
    """What an output should have said: its gas's mask, or the union for "mask"."""
    return union_of(truths.values()) if output == MASK else truths[output.removesuffix("_mask")]


def _read(network: Network, sample: Sample, root: Path) -> tuple[Sample, Question, dict[str, np.ndarray]]:
    question = network.read({gas: root / frame.frame_path for gas, frame in sample.frames.items()})
    truths = read_truth(sample, root, network.masks)
    for gas, mask in truths.items():
        if mask.shape != question.sizes[gas]:
            raise ImageError(
                sizes_differ(mask.shape, question.sizes[gas]),
                where=root / sample.frames[gas].mask_path,
                expected="a mask of the frame's size",
            )
    return sample, question, truths


def _questions(network: Network, samples) -> Iterator[tuple[Asked, Question, dict[str, np.ndarray]]]:
    for sample, question, truths in samples:
        if network.is_paired:
            yield Asked(sample, sample.is_paired, True), question, truths
        if sample.is_paired or not network.is_paired:
            for gas in sample.frames:
                about = Asked(sample.only(gas), sample.is_paired, not network.is_paired)
                yield about, question.only(gas), {gas: truths[gas]}


def _batches(items: Iterator, size: int) -> Iterator[list]:
    waiting = []
    for item in items:
        waiting.append(item)
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _of_masks(
    network: Network,
    truths: dict[str, np.ndarray],
    answer: Answer,
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> dict[str, np.ndarray]:
    """{output: what a true mask and the answered one measure}."""
    found = {output: measure(true_mask(output, truths), mask) for output, mask in answer.masks.items()}
    if not network.is_paired and MASK in found:
        (gas,) = truths
        found[f"{gas}_{MASK}"] = found[MASK]
    return found
