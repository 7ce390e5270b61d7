"""How long a photo takes from its bytes to P(roadwork), stage by stage."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import MAX_PIXELS, ImageError, decode_image, read_image
from kerasfusion.machine.stage_clock import resident_memory_mb, summarise, time_stages
from kerasfusion.reporting import table
from kerasfusion.roadwork.detect.detector import Detector
from kerasfusion.roadwork.scenes.street import draw_scene

VALIDATOR_TIMEOUT_MS = 9000.0
"""A streetvision validator does not wait longer for an answer."""


def measure_latency(
    open_detector: Callable[[], Detector], image: Path | None = None, runs: int = 50, warmup: int = 5
) -> dict[str, Any]:
    """Time one photo at a time, after warm-up.

    Args:
        open_detector: opens the model; its time is reported too.
        image: the photo; None takes a generated scene of 1280 x 720 pixels.
        runs: measured answers.
        warmup: answers before them.

    Returns:
        {"load_s", "memory_mb", "image": {"bytes", "width", "height"}, "runs", "stages": {stage: {"mean_ms", ...}},
        "within_timeout"}; of a cascade also "answered_by", the stage that answers this photo.

    Raises:
        RequestError: the photo does not exist, or is none.
    """
    require_photo(image)
    begin = time.perf_counter()
    detector = open_detector()
    load_s = time.perf_counter() - begin
    stages = {
        "decode": decode_image,
        "preprocess": detector.prepare,
        "forward": lambda views: detector.detect_prepared([views]),
    }
    result = time_photo(stages, image, runs, warmup)
    if detector.window is not None:
        result["answered_by"] = detector.detect(_photo(image)).stage
    return {"load_s": load_s, "memory_mb": resident_memory_mb(), **result}


def time_photo(stages: dict[str, Callable], image: Path | None, runs: int, warmup: int) -> dict[str, Any]:
    """Time stages of which the first takes the encoded photo.

    Returns:
        What `measure_latency` gives, without "load_s" and "memory_mb".

    Raises:
        RequestError: the photo does not exist, or is none.
    """
    require_photo(image)
    data = _photo(image)
    height, width = decode_image(data, MAX_PIXELS).shape[:2]
    summary = {stage: summarise(seconds) for stage, seconds in time_stages(stages, data, runs, warmup).items()}
    return {
        "image": {"bytes": len(data), "width": width, "height": height},
        "runs": runs,
        "stages": summary,
        "within_timeout": summary["total"]["p99_ms"] <= VALIDATOR_TIMEOUT_MS,
    }


def _photo(image: Path | None) -> bytes:
    return drawn_photo() if image is None else image.read_bytes()


def require_photo(image: Path | None) -> None:
    """Check the photo, if one is named, before a model is opened for it.

    Raises:
        RequestError: it does not exist, or is none.
    """
    if image is not None:
        if not image.is_file():
            raise RequestError("the photo does not exist", where=image)
        try:
            read_image(image)
        except ImageError as error:  # of a file that is asked for by its name: the request is wrong
            raise RequestError(error.what, where=image, expected=error.expected, todo=error.todo) from error


def as_text(result: dict[str, Any]) -> str:
    """What `measure_latency` or `time_photo` gave, as a table."""
    size = f"{result['image']['width']} x {result['image']['height']}"
    rows = [{"stage": stage, **values} for stage, values in result["stages"].items()]
    lines = [f"one {size} photo at a time, {result['runs']} runs after warm-up", table(rows, digits=1)]
    if "load_s" in result:
        lines.append(f"load: {result['load_s']:.1f} s   memory: {result['memory_mb']:.0f} MB")
    if "answered_by" in result:
        lines.append(f"cascade: this photo is answered by the stage {result['answered_by']}; --full times all branches")
    return "\n".join(lines)


def drawn_photo() -> bytes:
    """A generated street as a JPEG of a dashcam's size."""
    encoded = io.BytesIO()
    draw_scene(np.random.default_rng(0), roadwork=True).resize((1280, 720)).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()
