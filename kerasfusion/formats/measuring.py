"""A model file in a process of its own: what it answers, how soon, how fast, and in how much memory."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasfusion.errors import KerasFusionError

RUNS = 20
_SAYS = {
    4: ": this processor lacks instructions that it needs",
    9: ": probably for want of memory; close other programs",
}
"""Why a process is ended from outside, by signal: SIGILL, SIGKILL."""
DIGITS = {"size MB": 1, "first answer s": 1, "p50 ms": 1, "memory MB": 0}
"""Decimals of the columns of `as_row`: what the next run would give again."""


@dataclass(frozen=True)
class Measurement:
    """What a file did in a process of its own.

    Attributes:
        start_s: from the process's start to its first answer, seconds.
        p50_ms: median time of the answer to one sample, milliseconds.
        memory_mb: peak resident memory, MB.
        answers: {output: (N, ...) float32} to the samples.
    """

    start_s: float
    p50_ms: float
    memory_mb: float
    answers: dict[str, np.ndarray]


def measure(path: Path, samples: dict[str, np.ndarray], runs: int = RUNS) -> Measurement:
    """Open a model file in a new process and let it answer.

    Args:
        path: a file of any format.
        samples: {input: (N, ...)}; uint8 is given to the model as float32, other types as they are.
        runs: timed answers.

    Raises:
        KerasFusionError: the process failed or was ended by a signal.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, answered = Path(folder, "samples.npz"), Path(folder, "answers.npz")
        np.savez(given, **samples)
        arguments = [str(path), str(given), str(answered), str(time.time()), str(runs)]
        done = subprocess.run(
            [sys.executable, "-m", "kerasfusion.formats.answer_process", *arguments], capture_output=True, text=True
        )
        if done.returncode:
            reason = "\n".join(done.stderr.splitlines()[-5:])
            if done.returncode < 0:
                reason = f"ended by signal {-done.returncode}" + _SAYS.get(-done.returncode, "")
            raise KerasFusionError(f"the exported model does not answer: {reason}", where=path)
        with np.load(answered) as answers:
            return Measurement(**json.loads(done.stdout.splitlines()[-1]), answers=dict(answers))


def refuse_nonfinite(found: Measurement, path: Path) -> None:
    """Check that the answers are numbers.

    Raises:
        KerasFusionError: one is NaN or infinite.
    """
    if not all(np.isfinite(values).all() for values in found.answers.values()):
        raise KerasFusionError("the exported model answers with NaN or infinity", where=path)


def as_row(path: Path, description: dict, found: Measurement) -> dict[str, object]:
    """The columns of the export table that say what a file costs; `description` names its format and precision."""
    return {
        "file": path.name,
        "format": description["format"],
        "precision": description["precision"],
        "size MB": sum(part.stat().st_size for part in model_parts(path)) / 1e6,
        "first answer s": found.start_s,
        "p50 ms": found.p50_ms,
        "memory MB": found.memory_mb,
    }


def model_parts(path: Path) -> list[Path]:
    """The files that a model consists of: OpenVINO keeps its weights beside the graph."""
    return [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
