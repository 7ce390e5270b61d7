"""What each branch of the one file costs: milliseconds a photo and megabytes."""

from dataclasses import dataclass
from pathlib import Path

import keras

from kerasfusion.files.saving import load_model
from kerasfusion.formats.keras_serving import serve
from kerasfusion.roadwork.branches.one_file import pictures_of
from kerasfusion.roadwork.detect.detector import Detector
from kerasfusion.roadwork.detect.latency import measure_latency

RUNS, WARMUP = 20, 3


@dataclass(frozen=True)
class Cost:
    """Of a branch by itself.

    Attributes:
        ms: median of a photo, from its decoded pixels to the answer.
        mb: of its weights, float32, in 10^6 bytes.
    """

    ms: float
    mb: float


def measure_costs(fusion: Path, branches: tuple[str, ...]) -> dict[str, Cost]:
    """Time each branch of the one file by itself, on a drawn photo of 1280 x 720 pixels.

    Args:
        fusion: `fusion.keras`, with these branches.
        branches: their names.
    """
    model, _ = load_model(fusion)
    return {name: _measure(model, name) for name in branches}


def _measure(model, branch: str) -> Cost:
    inputs = {name: model.input[name] for name in pictures_of([branch])}
    alone = keras.Model(inputs, {branch: model.output[branch]})
    stages = measure_latency(lambda: Detector(serve(alone, {})), runs=RUNS, warmup=WARMUP)["stages"]
    return Cost(stages["preprocess"]["p50_ms"] + stages["forward"]["p50_ms"], 4 * alone.count_params() / 1e6)
