"""One `calibrate`: answer a split, fit temperature and threshold, write the model that has both inside; or undo it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError, require
from kerasfusion.figure_style import save_png
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.run_folder import require_folder
from kerasfusion.files.saving import load_model, save_model
from kerasfusion.formats.opening import read_description
from kerasfusion.machine.device import use_device
from kerasfusion.metrics import classification
from kerasfusion.metrics.reliability import reliability
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.branches.ensemble import OUTPUTS
from kerasfusion.roadwork.branches.one_file import comparison_inputs, model_digest
from kerasfusion.roadwork.calibrate.graph import both_columns, calibrated, is_calibrated, uncalibrated
from kerasfusion.roadwork.cascade.figure import NAME, cascade_curve
from kerasfusion.roadwork.cascade.job import Answered, add_cascade, first_branches
from kerasfusion.roadwork.cascade.record import read_cascade
from kerasfusion.roadwork.challenge.views import describe_views
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample, listing_sha256, samples_at_home
from kerasfusion.roadwork.data.split_groups import drawn_together, photo_groups, read_groups
from kerasfusion.roadwork.detect.detector import Detector
from kerasfusion.roadwork.evaluate.answers import answer, choose
from kerasfusion.roadwork.head.logistic import refuse_missing_library
from kerasfusion.roadwork.scoring.calibration import MIN_PER_CLASS, RESAMPLES, Calibration, fit, flat, sigmoid
from kerasfusion.roadwork.scoring.probability_scores import SMALLEST, brier, negative_log_likelihood
from kerasfusion.roadwork.scoring.reward import decide, metrics_of
from kerasfusion.roadwork.scoring.window import FIRST

ENDING, UNDONE = "-calibrated", "-uncalibrated"
SCORES = ("accuracy", "mcc", "reward")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        model: `fusion.keras`, calibrated or not.
        config: data and seed.
        split: the photos to fit on.
        batch: photos a forward pass.
        device: "auto", "cpu" or "gpu".
        out: the file to write; None is beside the model.
        disagree: the share of decisions that a cascade may change, above 0 and below 1; None makes no cascade.
    """

    model: Path
    config: RoadworkConfig
    split: str = "val"
    batch: int = 16
    device: str = "auto"
    out: Path | None = None
    disagree: float | None = None


def run(request: Request, report: Callable[[str], None] = print) -> tuple[Path, dict[str, Any]]:
    """Calibrate. A model that is calibrated already is fitted anew from its uncalibrated fusion, without its cascade.

    Args:
        request: what is asked for.
        report: takes a line for the person who waits.

    Returns:
        The file, and what its description keeps of it: `calibration`, and `cascade` and `outputs` if it was asked for.

    Raises:
        RequestError: no model that can be calibrated, or too few photos.
        KerasFusionError: no photo may skip the ViT; or the file does not answer as it should and is not kept, or
            another run is writing it.
    """
    out = refuse_model(request.model, request.out)
    with only_writer_of(out):
        return out, _run(request, out, report)


def _run(request: Request, out: Path, report: Callable[[str], None]) -> dict[str, Any]:
    samples = choose_photos(request)
    use_device(request.model, request.device)
    model, description = _plain(request.model)
    for line in _warnings(request.split, description, listing_sha256(samples)):
        report(f"warning: {line}")
    asked_first = first_branches(tuple(model.output), request.model) if request.disagree is not None else ()
    answered, known, logits = _answer(model, samples, asked_first, request)
    labels, prior = answered.labels[known], request.config.fusion.prior
    for name, reason in answered.unreadable.items():
        report(f"unreadable, left out: {name}: {reason}")
    read = [sample for sample, is_known in zip(samples, known, strict=True) if is_known]
    digests = {sample.sample_id: answered.digests[sample.sample_id] for sample in read}
    groups = list(photo_groups(digests, read_groups(request.config.data.root)).values())
    _refuse_few(labels, groups, request)
    found = fit(labels, logits, prior, request.config.seed, drawn_together(groups))
    said = _describe(found, labels, logits, prior) | {
        "split": request.split,
        "data_sha256": listing_sha256(samples),
        "unreadable": len(answered.unreadable),
        **describe_views(request.config.views),
        "seed": request.config.seed,
        "uncalibrated_sha256": model_digest(model),
    }
    model, said = calibrated(model, found.temperature, found.threshold_logit), {"calibration": said}
    if request.disagree is not None:
        branches = {name: answered.views[name][known] for name in asked_first}
        held = Answered(labels, branches, found.answers(logits), groups)
        model, said["cascade"] = add_cascade(model, held, request.disagree, prior, request.config.seed, report)
        said["outputs"] = [*description.get("outputs", OUTPUTS), FIRST]
    report(f"writing {out} and comparing it in a clean process")
    _save(model, description | said, out)
    if "cascade" in said and (out.parent / "config.yaml").is_file():
        figure = out.parent / "figures" / NAME
        save_png(cascade_curve(read_cascade(said, out)), figure)
        report(f"kept in {figure}")
    return said


def _plain(path: Path) -> tuple[Any, dict[str, Any]]:
    """A model as it was before `calibrate`, and its description."""
    model, description = load_model(path)
    if not is_calibrated(model):
        return model, description
    model = uncalibrated(model)
    kept = {key: value for key, value in description.items() if key not in ("calibration", "cascade")}
    return model, kept | {"outputs": [name for name in kept.get("outputs", model.output) if name != FIRST]}


def undo(path: Path, out: Path | None = None) -> Path:
    """Write the model as it was before it was calibrated, and before it was made a cascade.

    Raises:
        RequestError: it is not calibrated.
        KerasFusionError: the file does not answer as it should and is not kept, or another run is writing it.
    """
    out = refuse_model(path, out, UNDONE)
    with only_writer_of(out):
        if "calibration" not in read_description(path):
            raise RequestError("the model is not calibrated", where=path, todo="nothing is to be undone")
        _save(*_plain(path), out)
    return out


def refuse_model(path: Path, out: Path | None, ending: str = ENDING) -> Path:
    """Check, without loading TensorFlow, that a file can be calibrated.

    Returns:
        The file to write: `out`, or MODEL-calibrated.keras beside the model.

    Raises:
        RequestError: an export, trained parts, a model of fume, or a name that cannot be written: one that is taken by
            another file than what this command made of this model earlier.
    """
    description = read_description(path)
    if description.get("system", "roadwork") != "roadwork":
        raise RequestError("calibrate is for roadwork models", where=path, expected="fusion.keras")
    if path.suffix != ".keras" or description.get("precision", "float32") != "float32":
        raise RequestError(
            "an export cannot be calibrated", where=path, todo="calibrate the float32 .keras file, then export that"
        )
    if "model_sha256" not in description:
        raise RequestError(
            "trained parts cannot be calibrated: what is fitted is the whole model's answer",
            where=path,
            todo=f"{command_line(['kerasfusion', 'export', path.parent])} makes fusion.keras; calibrate that",
        )
    stem = path.stem.removesuffix(ENDING).removesuffix(UNDONE)
    out = out or path.with_name(f"{stem}{ending}.keras")
    if out.suffix != ".keras":
        raise RequestError("the file's name must end in .keras", where=out)
    require_folder(out.parent)
    if out.exists():
        _refuse_replacing(path, description, out, ending)
    return out


def refuse_no_cascade(request: Request) -> None:
    """Check, without loading TensorFlow, that a cascade can be made of the model, if one is asked for.

    Raises:
        RequestError: it has no ViT, or nothing but that; or scikit-learn or matplotlib is not installed.
    """
    if request.disagree is not None:
        first_branches(read_description(request.model).get("outputs", OUTPUTS), request.model)
        refuse_missing_library()
        require("matplotlib.figure", extra="train")


def _refuse_replacing(path: Path, description: dict[str, Any], out: Path, ending: str) -> None:
    """Only what the same command would make of the same model anew may be replaced."""
    if out.samefile(path) and ("calibration" in description) != (ending == ENDING):
        raise RequestError("this would overwrite the model itself", where=out, todo="name another --out")
    try:
        found = read_description(out)
    except RequestError:
        found = {}
    same_kind = ("calibration" in found) == (ending == ENDING) and found.get("precision") == "float32"
    if not (same_kind and _fusion_of(found) == _fusion_of(description)):
        raise RequestError(
            "another file would be lost",
            where=out,
            expected=f"a name that is not taken, or {path.name}'s own copy with the ending {ending}",
            todo="move that file away, or name another --out",
        )


def _fusion_of(description: dict[str, Any]) -> str | None:
    """Digest of the uncalibrated fusion."""
    return description.get("calibration", {}).get("uncalibrated_sha256", description.get("model_sha256"))


def choose_photos(request: Request) -> list[Sample]:
    """The photos of the split.

    Raises:
        RequestError: none, or fewer than MIN_PER_CLASS of a class.
    """
    samples = choose(request.config.data.root, request.split, None)
    ids = {sample.sample_id: sample.sample_id for sample in samples}  # copies are told when the photos are read
    groups = list(photo_groups(ids, read_groups(request.config.data.root)).values())
    _refuse_few(np.array([sample.label for sample in samples]), groups, request)
    return samples_at_home(samples)


def _refuse_few(labels: np.ndarray, groups: Sequence[str], request: Request) -> None:
    counts = [len({group for group, of in zip(groups, labels, strict=True) if of == label}) for label in (0, 1)]
    if min(counts) < MIN_PER_CLASS:
        as_one = " (copies, and photos of one drive or place, count as one)" if drawn_together(groups) else ""
        raise RequestError(
            f"too few photos to fit on: {_counted(counts)}{as_one}",
            where=request.config.data.root / request.split,
            expected=f"at least {MIN_PER_CLASS} of each class: what is fitted on fewer is chance",
            todo="name another --split or --data, or keep the model as it is",
        )


def _counted(counts: Sequence[int]) -> str:
    return ", ".join(f"{count} {name}" for count, name in zip(counts, CLASS_NAMES, strict=True))


def _answer(model, samples: list[Sample], beside: Sequence[str], request: Request):
    """The evaluation, which photos could be read, (N,) bool, and the (N, V) logits of the views of those.

    `beside` are the branches whose answers are kept too.
    """
    from kerasfusion.formats.keras_serving import serve

    detector = Detector(serve(both_columns(model, beside), {}))
    config = request.config
    answered = answer(detector, samples, config.views, batch=request.batch, max_pixels=config.data.max_pixels)
    columns = np.stack([answered.views[name] for name in ("no_roadwork", "roadwork")])
    known = ~np.isnan(columns[0, :, 0])
    no, yes = np.log(np.maximum(columns[:, known], SMALLEST))
    return answered, known, yes - no


def _describe(found: Calibration, labels: np.ndarray, logits: np.ndarray, prior: float | None) -> dict[str, Any]:
    scaled = sigmoid(logits / found.temperature)
    after = found.answers(logits)
    return {
        "temperature": found.temperature,
        "temperature_fitted": found.temperature_fitted,
        "best_temperature": found.best_temperature,
        "nll_gain": _gain(found.nll_gain),
        "threshold": float(sigmoid(found.threshold_logit)),
        "threshold_moved": found.threshold_moved,
        "best_threshold": float(sigmoid(found.best_logit)),
        "mcc_gain": _gain(found.mcc_gain),
        "n": len(labels),
        "n_per_class": dict(zip(CLASS_NAMES, np.bincount(labels, minlength=2).tolist(), strict=True)),
        "prior": prior,
        "before": _scores(*flat(labels, sigmoid(logits), prior)),
        "temperature_alone": _scores(*flat(labels, scaled, prior)),
        "after": _scores(*flat(labels, after, prior)),
    }


def _gain(low_and_middle: tuple[float, float]) -> dict[str, float]:
    return {"q05": low_and_middle[0], "median": low_and_middle[1], "resamples": RESAMPLES}


def _scores(labels: np.ndarray, p: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    counted = np.tensordot(weights, classification.confusion_per_sample(labels, decide(p), n_classes=2), 1)
    found = metrics_of(counted)
    return {
        **{name: float(found[name]) for name in SCORES},
        "roc_auc": float(classification.roc_auc(labels, p)),  # the classes' shares do not move it
        "nll": negative_log_likelihood(labels, p, weights),
        "brier": brier(labels, p, weights),
        "ece": reliability(p, labels, weights=weights).ece,
    }


def _warnings(split: str, description: dict, listing: str) -> list[str]:
    head_saw = description.get("config", {}).get("fusion", {}).get("fit_on")
    if split == "val" and head_saw in ("val", "all") and description.get("data", {}).get("val") == listing:
        return [
            f"the fusion's head was fitted on these same photos (fusion.fit_on: {head_saw}): they flatter its answers"
        ]
    if split == "train":
        return ["the branches learned from train/: their answers there are surer than elsewhere"]
    if split == "test":
        return ["what is fitted on test/ can no longer be measured on it"]
    return []


def _save(model, description: dict[str, Any], out: Path) -> None:
    save_model(model, out, description | {"model_sha256": model_digest(model)}, comparison_inputs(model))
