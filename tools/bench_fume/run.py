"""The measurements: both sides take turns, each in a process of its own."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench_peers.processes import Worker
from bench_peers.rows import Asked, Row

GROUPS = ("inference", "exports", "training")
EXPORTS = ("openvino", "onnx", "litert")
INFERENCE_ASKED, TRAINING_ASKED = Asked("times", 1.5), Asked("times", 1.0)
PAUSE = 0.3
"""Seconds before a turn: torch's threads go on looking for work for a while after their last."""

CALLS, STEPS = 5, 2
"""Of each turn; a call before them, which brings a side's data back into the caches, is not counted."""

TOLERANCE = 1e-4
"""Largest difference of a probability for which speed counts."""

BUSY = 0.7
"""Load average of the last minute above which a measurement is not to be trusted."""

Size = tuple[int, int]
"""Width and height, pixels."""


class Comparison:
    """Both sides, side by side.

    Args:
        work: folder for the weights and logs.
        rounds: turns of each side.
        batch: pairs a training step.
        report: takes a line for the person who waits.
    """

    def __init__(self, work: Path, rounds: int, batch: int, report: Callable[[str], None]):
        self.work, self.rounds, self.batch, self.report = work, rounds, batch, report

    def warn_if_busy(self) -> None:
        """Say so if other programs are running: torch's threads wait for each other and lose the most by it."""
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        if load > BUSY:
            self.report(
                f"the machine is busy (load {load:.1f}): the ratios will be too good; run it again when it is not"
            )

    def measure(self, groups: Sequence[str], inference: Sequence[Size], training: Sequence[Size]) -> list[Row]:
        """The rows of the groups asked for.

        Raises:
            ProcessFailed: a side cannot do it.
        """
        self.warn_if_busy()
        formats = [*(["keras"] if "inference" in groups else []), *(EXPORTS if "exports" in groups else [])]
        rows = [self.inference_row(size, name) for size in inference for name in formats]
        return rows + [self.training_row(size) for size in training if "training" in groups]

    def inference_row(self, size: Size, name: str) -> Row:
        """Milliseconds from one pair of frames to its probabilities, in one of formats.opening.FORMATS."""
        self.report(f"inference, {_text(size)}, {name}")
        weights = self.work / "weights.pth"
        files = [self.work / f"answers-{name}.npz" for name in ("ours", "torch")]
        with self._worker("ours") as ours, self._worker("torch_side") as peer:
            peer.ask("save_weights", path=str(weights))
            asked = {"path": str(weights), "width": size[0], "height": size[1]}
            ours.ask("open", **asked, name=name, answers=str(files[0]))
            peer.ask("open", **asked, answers=str(files[1]))
            seconds = self._turns((ours, peer), "infer", calls=CALLS + 1)
        worst = _difference(*files)
        return Row(
            f"inference, one pair, {name}",
            _text(size),
            "ms",
            *(1000 * value for value in seconds),
            INFERENCE_ASKED,
            allowed=worst <= TOLERANCE,
            note=f"same weights, largest difference of a probability {worst:.1e}",
        )

    def training_row(self, size: Size) -> Row:
        """Milliseconds of a training step, by pair."""
        self.report(f"training, {_text(size)}")
        with self._worker("ours") as ours, self._worker("torch_side") as peer:
            for side in (ours, peer):
                side.ask("prepare", width=size[0], height=size[1], batch=self.batch)
            seconds = self._turns((ours, peer), "train", steps=STEPS + 1)
        ours_ms, peer_ms = (1000 * value / self.batch for value in seconds)
        what = f"training step, batch {self.batch}"
        return Row(what, _text(size), "ms a pair", ours_ms, peer_ms, TRAINING_ASKED)

    def _turns(self, sides: Sequence[Worker], do: str, **request) -> list[float]:
        """Median seconds of each side; a turn before all others compiles and is not counted."""
        found: list[list[float]] = [[] for _ in sides]
        for turn in range(self.rounds + 1):
            for side, seconds in zip(sides, found, strict=True):
                time.sleep(PAUSE)
                answer = side.ask(do, **request)
                seconds += answer[1:] if turn else []
        for name, seconds in zip(("ours", "torch"), found, strict=True):
            low, high = (1000 * value for value in (min(seconds), max(seconds)))
            self.report(f"  {name}: {len(seconds)} times, {low:.0f} to {high:.0f} ms")
        return [float(np.median(seconds)) for seconds in found]

    def _worker(self, module: str) -> Worker:
        return Worker(["-m", f"bench_fume.{module}"], self.work, module)


def _difference(ours: Path, peer: Path) -> float:
    with np.load(ours) as ours_answers, np.load(peer) as peer_answers:
        return max(float(np.abs(ours_answers[name] - peer_answers[name]).max()) for name in peer_answers)


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
