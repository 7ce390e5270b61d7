"""Whether the files of an evaluation are whole and belong together, before anything is said of them."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic

from kerasfusion.errors import DamagedError
from kerasfusion.files.json_yaml import AGAIN, refuse_other_shape
from kerasfusion.fume.data.annotations import SPLITS
from kerasfusion.fume.evaluate.split import VIEWS, Answers
from kerasfusion.fume.evaluate.tallies import tallies_of, values_of

COUNTED = ("n", "n_groups", "confusion_matrix")
SIZE = ("image_size", "trainable_parameters", "macs", "per")
SPEED = ("total_ms", "forward_ms", "p95_ms", "fps", "runs")


def check_metrics(path: Path, report: Mapping[str, Any], outputs: Collection[str], again: str) -> None:
    """Refuse a metrics.json that an evaluation did not leave so.

    Args:
        path: of the file.
        report: what it holds.
        outputs: that the network learned, "state" and masks.
        again: the command that makes it anew.

    Raises:
        KerasFusionError: a part or a value is missing; names the first.
    """
    lacking = next(_lacking(report, outputs), None)
    if lacking is not None:
        raise DamagedError(f"the metrics are damaged or incomplete: no {lacking}", where=path, todo=again)


class _Record(pydantic.BaseModel):
    # Pydantic before 2.10 warns of names that begin as model_sha256 does.
    model_config = pydantic.ConfigDict(protected_namespaces=())

    model: str
    model_sha256: str
    data_root: str
    gases: Literal["both", "co2", "ch4"] = "both"
    flips: bool = False
    samples: int
    format: str | None = None
    precision: str | None = None
    splits: dict[str, list[dict[str, str | int | None]]] = {}
    leak: dict[str, Any] | None = None
    dependence: dict[str, dict[str, Any]] = {}


def check_records(path: Path, records: dict[str, Any]) -> dict[str, Any]:
    """What was read of evaluated.json, as it was.

    Raises:
        KerasFusionError: something is missing or of another kind; says which key.
    """
    refuse_other_shape(records, dict[str, _Record], path, AGAIN)
    return records


def check_answers(path: Path, answers: Answers, parts: Mapping[str, Mapping[str, Any]], again: str) -> None:
    """Refuse kept answers that are not those which the metrics were worked out from.

    Args:
        path: of the answers.
        answers: to all questions, in all views.
        parts: {part: values} of their split as its samples are, from metrics.json.
        again: the command that makes both anew.

    Raises:
        KerasFusionError: there are more or fewer of them, or they are others.
    """
    kept = tallies_of(answers, answers.rows("")).counts
    for part, values in parts.items():
        if part == "joint":
            continue
        each = kept.get(part, np.zeros((0, 3, 3), np.int64))
        found = int(each.any(axis=(1, 2)).sum())
        if found != values["n"]:
            raise DamagedError(
                f"the kept answers are not complete: {found} samples ({part})",
                where=path,
                expected=f"{values['n']} samples, as in metrics.json beside it",
                todo=again,
            )
        if each.sum(axis=0).tolist() != values["confusion_matrix"]:
            raise DamagedError(
                f"the kept answers are others than those that were counted: {part}",
                where=path,
                expected="the confusion matrix of metrics.json beside it",
                todo=again,
            )


def _lacking(report: Mapping[str, Any], outputs: Collection[str]) -> Iterator[str]:
    """Names of what is missing, such as "test.state.n"."""
    yield from (f"values of {name}" for name, parts in report.items() if not isinstance(parts, dict))
    for name in (f"{split}{view}" for split in SPLITS for view in VIEWS if f"{split}{view}" in report):
        parts = report[name]
        if "state" in outputs and "state" not in parts:
            yield f"{name}.state"
        if len(outputs) > ("state" in outputs) and not any(part.endswith("mask") for part in parts):
            yield f"{name}: values of a mask"
        for part, values in parts.items():
            yield from _without(f"{name}.{part}", values, _needed(part))
    if "network" in report:
        for part, needed in (("size", SIZE), ("speed", SPEED)):
            yield from _without(f"network.{part}", report["network"].get(part), needed)


def _needed(part: str) -> tuple[str, ...]:
    if part == "joint":
        return ("score", "miou", "balanced_accuracy")
    of_part = "state" if part == "state" else "mask"
    return (*values_of({of_part: np.zeros((3, 3), np.int64)})[of_part], *COUNTED)


def _without(name: str, values: Any, needed: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(values, dict):
        yield name
    else:
        yield from (f"{name}.{each}" for each in needed if each not in values)
