"""What is known of how well a model file does: what `evaluate` and `miner rehearse` kept of this very file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256, lines_sha256
from kerasfusion.files.json_yaml import refuse_other_shape
from kerasfusion.files.kept_answers import predictions_path
from kerasfusion.files.run_files import EVALUATED, METRICS, read_evaluated, read_metrics
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.evaluate.predictions import read_predictions
from kerasfusion.roadwork.evaluate.rehearsal import Rehearsal, read_rehearsals
from kerasfusion.roadwork.report.checks import METRICS as METRICS_SHAPE

SPLIT = "test"


@dataclass(frozen=True)
class Evidence:
    """An evaluation, or why there is none.

    Attributes:
        outputs: {output: {metric: value}} of the test photos, as `full_report` gives; empty without an evaluation.
        record: what evaluated.json says of it.
        photos_sha256: of the list of photos and labels, as precompute names a split's photos.
        missing: why there is none; None if there is one.
        rehearsal: of the subnet's loop with this file, if there is one.
    """

    outputs: dict[str, dict[str, Any]]
    record: dict[str, Any]
    photos_sha256: str | None = None
    missing: str | None = None
    rehearsal: Rehearsal | None = None


def find_evidence(model: Path, metrics: Path | None) -> Evidence:
    """The evaluation of a model file on test/.

    Args:
        model: the file.
        metrics: a metrics.json with evaluated.json beside it; None looks beside the model, and finds nothing where it
            is of another file. A rehearsal is looked for beside it, too.

    Raises:
        RequestError: `metrics` was named and is missing or of another file.
        DamagedError: one of the files is damaged.
    """
    path = metrics or model.parent / METRICS
    reason, rehearsal = _why_not(path, model), _rehearsal_of(model, path.parent)
    if reason is None:
        asked = read_predictions(predictions_path(path.parent, SPLIT))
        listing = (f"{name} {label}" for name, label in zip(asked.sample_ids, asked.labels, strict=True))
        record = read_evaluated(path.parent)[SPLIT]
        return Evidence(_outputs(path), record, lines_sha256(listing), rehearsal=rehearsal)
    if metrics is not None:
        evaluate = command_line(["kerasfusion", "evaluate", model, "--data", "FOLDER", "--out", "FOLDER"])
        raise RequestError(
            f"no evaluation of this model: {reason}",
            where=metrics,
            expected=f"metrics.json with {EVALUATED} beside it, of {model.name} on {SPLIT}/",
            todo=f"{evaluate}, and name its metrics.json",
        )
    return Evidence({}, {}, missing=reason, rehearsal=rehearsal)


def _rehearsal_of(model: Path, folder: Path) -> Rehearsal | None:
    """The rehearsal of the file as it is now: by itself rather than behind a service."""
    digest = file_sha256(model)
    found = [each for each in read_rehearsals(folder).values() if each.model_sha256 == digest]
    return min(found, key=lambda each: each.source != model.name, default=None)


def _outputs(path: Path) -> dict[str, dict[str, Any]]:
    found = {SPLIT: read_metrics(path)[SPLIT]}
    refuse_other_shape(found, METRICS_SHAPE, path, "delete it and run kerasfusion evaluate")
    return found[SPLIT]


def _why_not(path: Path, model: Path) -> str | None:
    if not path.is_file():
        return f"there is no {path.name} beside it"
    record = read_evaluated(path.parent).get(SPLIT)
    if SPLIT not in read_metrics(path) or record is None or not predictions_path(path.parent, SPLIT).is_file():
        return f"{path.name} and {EVALUATED} beside it say nothing of {SPLIT}/"
    if record.get("model_sha256") != file_sha256(model):
        return f"{path.name} is of {record.get('model')}, and not of the file as it is now"
    return None
