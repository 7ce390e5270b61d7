"""How long a network takes from a sample's files to its state and masks, stage by stage."""

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.fume.detect.answering import Network
from kerasfusion.images.decoding import ImageError
from kerasfusion.images.png import write_png
from kerasfusion.machine.stage_clock import resident_memory_mb, summarise, time_stages
from kerasfusion.reporting import table

FILE_SIZE = (480, 640)
"""Height and width of the camera's frames."""


def measure_network(
    open_it: Callable[[], Network], files: dict[str, Path] | None = None, runs: int = 50, warmup: int = 5
) -> dict[str, Any]:
    """Time one sample at a time, after warm-up; a single-frame network is asked about each frame in turn.

    Args:
        open_it: opens the network; its time is reported too.
        files: {gas: path}; None takes generated frames of the gases that it was trained on.
        runs: measured answers.
        warmup: answers before them.

    Returns:
        {"load_s", "memory_mb", "frames": {gas: [width, height]}, "runs", "stages": {stage: {"mean_ms", ...}}, "fps"}.

    Raises:
        RequestError: a file does not exist, is no frame, or is of a gas that the network was not trained on.
    """
    require_frames(files or {})
    begin = time.perf_counter()
    network = open_it()
    load_s = time.perf_counter() - begin
    network.require_gases(files or {})
    try:
        network.read_frames(files or {})
    except ImageError as error:  # of a file that is asked for by its name: the request is wrong
        raise RequestError(error.what, where=error.where, expected=error.expected, todo=error.todo) from error
    with tempfile.TemporaryDirectory() as folder:
        return {"load_s": load_s, **time_network(network, files or _noise(Path(folder), network.gases), runs, warmup)}


def require_frames(files: Mapping[str, Path]) -> None:
    """Make sure that frames' files, {gas: path}, are there.

    Raises:
        RequestError: one is not.
    """
    for path in files.values():
        if not path.is_file():
            raise RequestError("the frame does not exist" if not path.exists() else "it is no file", where=path)


def time_network(network: Network, files: dict[str, Path], runs: int, warmup: int) -> dict[str, Any]:
    """`measure_network` of an opened network, without "load_s"."""
    stages = {
        "decode": network.read_frames,
        "preprocess": lambda frames: network.parts(network.prepare(frames)),
        "forward": lambda parts: [network.answer([part]) for part in parts],
    }
    times = time_stages(stages, files, runs, warmup)
    return {
        "memory_mb": resident_memory_mb(),
        "frames": {gas: list(frame.shape[::-1]) for gas, frame in network.read_frames(files).items()},
        "runs": runs,
        "stages": {stage: summarise(seconds) for stage, seconds in times.items()},
        "fps": float(1 / times["total"].mean()),
    }


def as_text(result: dict[str, Any]) -> str:
    """What `measure_network` gave, as a table."""
    shown = " and ".join(
        f"a {gas.upper()} frame of {width} x {height}" for gas, (width, height) in result["frames"].items()
    )
    rows = [{"stage": stage, **values} for stage, values in result["stages"].items()]
    return "\n".join(
        [
            f"{shown} at a time, {result['runs']} runs after warm-up; forward includes the masks at the files' size",
            table(rows, digits=1),
            f"{result['fps']:.1f} samples a second   load: {result['load_s']:.1f} s   "
            f"memory: {result['memory_mb']:.0f} MB",
        ]
    )


def _noise(folder: Path, gases: Iterable[str]) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    files = {gas: folder / f"{gas}.png" for gas in gases}
    for path in files.values():
        write_png(path, rng.integers(0, 256, FILE_SIZE, np.uint8))
    return files
