"""An exported file against the float32 model: the same pictures, in a process of its own."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.reward import decide

MAX_CHANGED = 0.02
"""Largest share of decisions that may differ from the float32 model's; with fewer than 50 pictures, none may."""

RUNS = 20


@dataclass(frozen=True)
class Measurement:
    """What a file did in a process of its own.

    Attributes:
        start_s: from the process's start to its first answer, seconds.
        p50_ms: median time of the answer to one picture, milliseconds.
        memory_mb: peak resident memory, MB.
        answers: {output: (N, 2) float32} to the pictures.
    """

    start_s: float
    p50_ms: float
    memory_mb: float
    answers: dict[str, np.ndarray]


def measure(path: Path, pictures: dict[str, np.ndarray], runs: int = RUNS) -> Measurement:
    """Open a model file in a new process and let it answer.

    Args:
        path: a file of any format.
        pictures: {input: (N, S, S, 3) uint8}.
        runs: timed answers.

    Raises:
        KerasFusionError: the process failed or was ended by a signal.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, answered = Path(folder, "pictures.npz"), Path(folder, "answers.npz")
        np.savez(given, **pictures)
        arguments = [str(path), str(given), str(answered), str(time.time()), str(runs)]
        done = subprocess.run(
            [sys.executable, "-m", "kerasfusion.formats.answer_process", *arguments], capture_output=True, text=True
        )
        if done.returncode:
            reason = "\n".join(done.stderr.splitlines()[-5:])
            if done.returncode < 0:
                reason = f"ended by signal {-done.returncode}: this processor cannot run it"
            raise KerasFusionError(f"the exported model does not answer: {reason}", where=path)
        with np.load(answered) as answers:
            return Measurement(**json.loads(done.stdout.splitlines()[-1]), answers=dict(answers))


def compare(path: Path, description: dict, reference: Measurement, found: Measurement) -> dict[str, object]:
    """A row of the export table.

    Raises:
        KerasFusionError: more decisions differ from the reference's than MAX_CHANGED allows.
    """
    if not all(np.isfinite(probs).all() for probs in found.answers.values()):
        raise KerasFusionError("the exported model answers with NaN or infinity", where=path)
    differences = [np.abs(found.answers[name] - probs).max() for name, probs in reference.answers.items()]
    changed = int(np.sum(_decisions(found) != _decisions(reference)))
    count = len(_decisions(reference))
    if changed > MAX_CHANGED * count:
        raise KerasFusionError(
            f"{changed} of {count} decisions differ from the float32 model's",
            where=path,
            expected=f"at most {MAX_CHANGED:.0%}",
            todo="another --format, --precision bfloat16, or photos like those it will see with --samples FOLDER",
        )
    return {
        "file": path.name,
        "format": description["format"],
        "precision": description["precision"],
        "size MB": sum(part.stat().st_size for part in model_parts(path)) / 1e6,
        "first answer s": found.start_s,
        "p50 ms": found.p50_ms,
        "memory MB": found.memory_mb,
        "max |dp|": max(map(float, differences)),
        "changed": f"{changed} of {count}",
    }


def model_parts(path: Path) -> list[Path]:
    """The files that a model consists of: OpenVINO keeps its weights beside the graph."""
    return [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]


def _decisions(measurement: Measurement) -> np.ndarray:
    return decide(measurement.answers["fusion"][:, 1])
