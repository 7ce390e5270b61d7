"""The samples on which an export is checked: inputs of a network, from files or drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.data.frame_reading import PLAIN, read_frame
from kerasfusion.fume.data.frames import resize_frame
from kerasfusion.fume.data.samples import Sample, read_samples, single_frames, with_gases
from kerasfusion.fume.plumes.picture import draw_picture
from kerasfusion.parallel import ordered_map

COUNT = 24
"""Samples. Masks of 640 x 480 take 3.7 MB each as probabilities, and four of them are in memory for each sample."""

DRAWN_PH = (5.2, 5.9, 6.3)


@dataclass(frozen=True)
class CheckSamples:
    """N samples as a network's inputs.

    Attributes:
        inputs: {input: (N, ...)}; frames (N, H, W, 1) uint8, black where missing, "modality_mask" (N, 2) float32,
            "gas_type" (N,) int32.
        presence: (N, 2) bool: whether the sample has [CO2, CH4].
    """

    inputs: dict[str, np.ndarray]
    presence: np.ndarray

    def __len__(self) -> int:
        return len(self.presence)


def read_check_samples(
    csv: Path, root: Path, names: Sequence[str], size: tuple[int, int], gases: str, how: FrameReading = PLAIN
) -> CheckSamples:
    """A random choice of a paired CSV's samples.

    Args:
        csv: the paired CSV.
        root: what its paths are relative to.
        names: of the network's inputs.
        size: (width, height) of its frames, pixels.
        gases, how: `data.gases` ("both", "co2" or "ch4") and `data.frames` of its configuration.

    Raises:
        RequestError: no such file, or no sample that the network can be asked about. ImageError: an unreadable frame.
    """
    samples = with_gases(read_samples(csv), gases)
    if "frame" in names:
        samples = single_frames(samples)
    if not samples:
        raise RequestError("no samples that the network can be asked about", where=csv, todo="--samples FOLDER")
    chosen = sorted(np.random.default_rng(0).permutation(len(samples))[:COUNT])

    def read(sample: Sample) -> dict[str, np.ndarray]:
        frames = {gas: read_frame(root / each.frame_path, how) for gas, each in sample.frames.items()}
        return {gas: resize_frame(frame, *size) for gas, frame in frames.items()}

    return _as_inputs(list(ordered_map(read, [samples[number] for number in chosen])), names, size)


def drawn_samples(names: Sequence[str], size: tuple[int, int], gases: str, count: int = COUNT) -> CheckSamples:
    """Generated samples, a third of them with one gas alone; arguments as for `read_check_samples`."""
    shown = [GASES if gases == "both" and number % 3 else GASES[number % 2 :][:1] for number in range(count)]
    if gases != "both":
        shown = [(gases,)] * count
    elif "frame" in names:
        shown = [GASES[number % 2 :][:1] for number in range(count)]
    drawn = [
        {gas: draw_picture(0, str(number), gas, DRAWN_PH[number % len(DRAWN_PH)], size).frame for gas in its}
        for number, its in enumerate(shown)
    ]
    return _as_inputs(drawn, names, size)


def _as_inputs(samples: list[dict[str, np.ndarray]], names: Sequence[str], size: tuple[int, int]) -> CheckSamples:
    """{gas: (height, width) uint8} of each sample -> inputs."""
    width, height = size
    black = np.zeros((height, width), np.uint8)
    presence = np.array([[gas in frames for gas in GASES] for frames in samples])
    made = {gas: np.stack([frames.get(gas, black) for frames in samples])[..., None] for gas in GASES}
    made["modality_mask"] = presence.astype(np.float32)
    if "frame" in names:
        made["frame"] = np.stack([next(iter(frames.values())) for frames in samples])[..., None]
        made["gas_type"] = np.array([GASES.index(next(iter(frames))) for frames in samples], np.int32)
    return CheckSamples({name: made[name] for name in names}, presence)
