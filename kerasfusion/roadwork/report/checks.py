"""Whether the files of a run say what a report needs of them, before anything is made from them."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from kerasfusion.errors import DamagedError
from kerasfusion.roadwork.evaluate.predictions import Predictions

Split = Literal["train", "val", "test"]
Asked = Annotated[str, Field(pattern=r"^(train|val|test)(_[a-z0-9_]+)?$")]
"""A split, or one kind of its challenges."""

Count = Annotated[int, Field(ge=0)]
Interval = tuple[float | None, float | None]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class _Comparison:
    reward_difference: float
    reward_difference_ci95: Bounds
    verdict: Literal["better", "worse", "no clear difference"]


@dataclass(frozen=True)
class _Output:
    n: Annotated[int, Field(ge=1)]
    n_valid: Count
    mcc: float
    mcc_ci95: Bounds
    reward: float
    reward_ci95: Bounds
    accuracy: float
    accuracy_ci95: Bounds
    confusion_matrix: tuple[tuple[Count, Count], tuple[Count, Count]]
    roc_auc: float | None = None
    roc_auc_ci95: Interval | None = None
    vs_vit: _Comparison | None = None


@dataclass(frozen=True)
class _Photos:
    no_roadwork: Count
    roadwork: Count
    listing_sha256: str


@dataclass(frozen=True)
class _Record:
    model: str
    model_sha256: str | None
    format: str | None
    precision: str | None
    tta: bool
    data_root: str
    photos: dict[Split, _Photos]
    max_samples: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class _Size:
    width: int
    height: int


@dataclass(frozen=True)
class _Stage:
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class _Stages:
    total: _Stage


@dataclass(frozen=True)
class _Timed:
    load_s: float
    memory_mb: float
    runs: int
    image: _Size
    within_timeout: bool
    stages: _Stages


METRICS = dict[Asked, Annotated[dict[str, _Output], Field(min_length=1)]]
EVALUATED = dict[Split, _Record]
LATENCY = dict[str, _Timed]


def check_answers(kept: Predictions, report: dict[str, Any], path: Path, again: str) -> Predictions:
    """The kept answers, if they are those that the metrics of their split were worked out from.

    Args:
        kept: the answers.
        report: {output: {metric: value}} of the split.
        path: of the answers.
        again: the command that writes both.

    Raises:
        KerasFusionError: other outputs, or more or fewer photos of a class.
    """
    columns = _differ(sorted(kept.answers), sorted(report), "columns of answers")
    photos = [np.sum(values["confusion_matrix"], axis=1).tolist() for values in report.values()]
    found = np.bincount(kept.labels, minlength=2).tolist()
    counts = _differ(_in_words(found), _in_words(photos[0]), "photos")
    once = len(set(kept.sample_ids)) == len(kept.sample_ids)
    wrong = columns or counts or (None if once else ("a photo has two rows", "one row a photo"))
    if wrong is None:
        return kept
    raise DamagedError(
        f"{path.name} does not belong to metrics.json: {wrong[0]}", where=path, expected=wrong[1], todo=again
    )


def _differ(found: object, expected: object, what: str) -> tuple[str, str] | None:
    def shown(value: object) -> str:
        return ", ".join(value) if isinstance(value, list) else str(value)

    return None if found == expected else (f"{what}: {shown(found)}", f"{what}: {shown(expected)}, as metrics.json has")


def _in_words(counts: list[int]) -> str:
    return f"{sum(counts)} rows, {counts[0]} without roadwork and {counts[1]} with it"
