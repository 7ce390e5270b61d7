"""The cascade of one `calibrate --cascade`: head, times of the stages, window, and what the description keeps."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.formats.stages import Stages
from kerasfusion.roadwork.cascade.choose import Held, choose_window
from kerasfusion.roadwork.cascade.first_head import FIRST_BRANCHES, fit_first_head, with_first
from kerasfusion.roadwork.cascade.text import as_text
from kerasfusion.roadwork.data.split_groups import drawn_together
from kerasfusion.roadwork.detect.sample_pictures import drawn_pictures
from kerasfusion.roadwork.scoring.window import FIRST

NEEDS = "a fusion of the ViT and at least one of YOLO and EfficientNetV2"
ROUNDS = 5
PICTURES = 4


@dataclass(frozen=True)
class Answered:
    """What the model said of held-out photos.

    Attributes:
        labels: (N,) 0 or 1.
        branches: {output: (N, V) P(roadwork)}, those of `first_branches` among them.
        fusion: (N, V), calibrated.
        groups: N, of each photo; copies, and photos of one drive or place, have the same.
    """

    labels: np.ndarray
    branches: Mapping[str, np.ndarray]
    fusion: np.ndarray
    groups: Sequence[str]


def first_branches(outputs: Sequence[str], where: object) -> tuple[str, ...]:
    """The branches that the first stage asks.

    Raises:
        RequestError: there is nothing to skip, or nothing to answer first.
    """
    found = tuple(name for name in FIRST_BRANCHES if name in outputs)
    if "vit" not in outputs or not found:
        lacking = "the ViT, which is what a cascade spares" if "vit" not in outputs else "any branch but the ViT"
        raise RequestError(
            f"this fusion goes without {lacking}",
            where=where,
            expected=NEEDS,
            todo="calibrate without --cascade, or fit again without --without",
        )
    return found


def add_cascade(
    model, answered: Answered, disagree: float, prior: float | None, seed: int, report: Callable[[str], None]
) -> tuple[Any, dict[str, Any]]:
    """Give a calibrated model a first stage.

    Args:
        model: keras.Model, calibrated, not a cascade.
        answered: by it, of photos that no branch has learned from.
        disagree: limit of the share of changed decisions.
        prior: share of roadwork that the photos are weighed to.
        seed: of folds and resamples.
        report: is told the curve.

    Returns:
        The model with the output `first`, and what its description keeps as `cascade`.

    Raises:
        KerasFusionError: nothing can be skipped that the photos vouch for.
    """
    head = fit_first_head(answered.branches, answered.labels, answered.groups, prior, seed)
    model = with_first(model, head)
    said = {"first": [FIRST, *head.branches], "disagree": disagree, "prior": prior, "seed": seed}
    stage_ms = _time_stages(model, said)
    held = Held(answered.labels, head.answers, answered.fusion, prior, seed, drawn_together(answered.groups))
    choice = choose_window(held, disagree, stage_ms)
    photos, views = answered.fusion.shape
    said |= {"photos": photos, "views": views, "stage_ms": stage_ms, "curve": choice.curve}
    report(as_text(said))
    if choice.window is None:
        raise KerasFusionError(
            f"no photo can skip the ViT, and nothing was written: {choice.reason}",
            expected=f"at most {disagree:.2%} changed decisions",
            todo=choice.todo,
        )
    return model, {"window": [choice.window.low, choice.window.high], **said}


def _time_stages(model, said: dict[str, Any]) -> dict[str, float]:
    """Mean milliseconds of both stages for one picture at a time, in turn."""
    from kerasfusion.formats.keras_serving import serve

    pictures = drawn_pictures({name: value.shape[1] for name, value in model.input.items()}, PICTURES)
    stages = serve(model, {"cascade": said}).stages
    rows = [
        {name: values[row : row + 1].astype(np.float32) for name, values in pictures.items()} for row in range(PICTURES)
    ]
    _seconds(stages, rows[0])  # compiles
    seconds = np.array([_seconds(stages, row) for _ in range(ROUNDS) for row in rows])
    first, rest = 1000 * seconds.mean(axis=0)
    return {"first": float(first), "rest": float(rest)}


def _seconds(stages: Stages, inputs: dict[str, np.ndarray]) -> tuple[float, float]:
    begin = time.perf_counter()
    found = stages.first(inputs)
    between = time.perf_counter()
    stages.rest(inputs | found)
    return between - begin, time.perf_counter() - between
