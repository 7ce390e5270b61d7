"""One `evaluate`: open what is asked for, answer the split, keep metrics and figures, and put it into words."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.figure_style import save_png
from kerasfusion.files.kept_answers import answers_record, predictions_path
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.run_files import (
    METRICS,
    keep_metrics,
    read_evaluated,
    read_metrics,
    record_evaluation,
    run_folder_of,
)
from kerasfusion.files.run_folder import require_folder
from kerasfusion.images.decoding import read_image
from kerasfusion.images.png import write_png
from kerasfusion.machine.device import use_device
from kerasfusion.reporting import table
from kerasfusion.roadwork.challenge.views import describe_views, view_kinds, views_of
from kerasfusion.roadwork.cluster.ray_library import LOCAL, refuse_other_address
from kerasfusion.roadwork.config import RoadworkConfig, with_absolute_paths
from kerasfusion.roadwork.data.dataset import samples_at_home
from kerasfusion.roadwork.data.split_groups import read_groups
from kerasfusion.roadwork.detect.detector import Detector, open_default, open_detector
from kerasfusion.roadwork.evaluate.answers import Answers, cached_branches, choose
from kerasfusion.roadwork.evaluate.challenge_figures import challenge_sheet, sheet_name
from kerasfusion.roadwork.evaluate.challenges import main_mix
from kerasfusion.roadwork.evaluate.comparison import in_words_of_test
from kerasfusion.roadwork.evaluate.figures import history_columns, history_curves
from kerasfusion.roadwork.evaluate.on_cluster import answer_on_cluster
from kerasfusion.roadwork.evaluate.predictions import Predictions, write_predictions
from kerasfusion.roadwork.evaluate.record import describe_evaluation
from kerasfusion.roadwork.evaluate.split import BASELINE, Evaluation, draw_figures, evaluate
from kerasfusion.roadwork.scoring.window import FIRST

SHOWN = ("accuracy", "mcc", "reward_raw", "reward", "precision", "recall", "f1", "roc_auc", "n", "n_valid")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        model: `fusion.keras`, an export of it, or `trained_parts.keras` (the branch cache then answers for ViT and
            YOLO); None with `default_only`.
        config: data, weights and cache.
        split: which split.
        default_only: the ViT alone.
        no_default: without the ViT's own answers.
        max_samples: a random part of the split; None is all of it.
        batch: photos a forward pass.
        tta, full: see `open_detector`.
        device: "auto", "cpu" or "gpu".
        out: folder for metrics.json, figures/ and the answers; None is the model's run folder, if it lies in one.
        on: "local", or the address of a Ray cluster whose machines ask the model.
    """

    model: Path | None
    config: RoadworkConfig
    split: str = "test"
    default_only: bool = False
    no_default: bool = False
    max_samples: int | None = None
    batch: int = 16
    tta: bool = False
    full: bool = False
    device: str = "auto"
    out: Path | None = None
    on: str = LOCAL


def run(request: Request, report: Callable[[str], None] = print) -> Evaluation:
    """Evaluate, and keep what came of it.

    Args:
        request: what is asked for.
        report: takes a line for the person who waits.

    Raises:
        RequestError: a combination that makes no sense, a missing model, photos or weights, or a cache of others.
        KerasFusionError: another run is writing the folder that it is kept in.
    """
    if request.default_only == (request.model is not None):
        raise RequestError(
            "give either a model, or --default-only", expected="kerasfusion evaluate MODEL --data FOLDER"
        )
    if request.default_only and request.no_default:
        raise RequestError("--default-only and --no-default leave nothing to evaluate")
    refuse_other_address(request.on)
    if request.on != LOCAL:
        if request.default_only:
            raise RequestError("a cluster is sent a model's file", where="--default-only", expected="MODEL")
        request = replace(request, config=with_absolute_paths(request.config))
    if request.out is not None:
        require_folder(request.out)
    folder = request.out or (request.model and run_folder_of(request.model))
    with only_writer(folder) if folder is not None else nullcontext():
        return _run(request, folder, report)


def _run(request: Request, folder: Path | None, report: Callable[[str], None]) -> Evaluation:
    if folder is not None:
        _look_at_kept(request, folder, report)
    config = request.config
    samples = choose(config.data.root, request.split, request.max_samples, config.seed)
    keys = read_groups(config.data.root)
    if request.on == LOCAL:
        samples = samples_at_home(samples)
    use_device(request.model, request.device)
    detector, records = _open(request)
    result = evaluate(
        detector,
        samples,
        views=config.views,
        records=records,
        batch=request.batch,
        max_pixels=config.data.max_pixels,
        with_default=not request.no_default,
        keys=keys,
        seed=config.seed,
        ask=_asks_elsewhere(request),
    )
    if BASELINE in result.report and BASELINE not in detector.outputs:
        result = replace(result, default_from=config.cache.folder)
    for name, reason in result.unreadable.items():
        report(f"unreadable, counted as an answer of 0.0: {name}: {reason}")
    if folder is not None:
        _keep(result, detector, request, folder)
        report(f"kept in {folder / 'metrics.json'} and {folder / 'figures'}")
    return result


def _asks_elsewhere(request: Request) -> Callable[..., Answers] | None:
    """What asks the model on a cluster; None where it is asked here."""
    if request.on == LOCAL:
        return None
    return partial(answer_on_cluster, request.on, request.model, request.tta, request.device)


def as_text(result: Evaluation) -> str:
    """The report as a table of outputs, the intervals, the confusion matrices and who is better."""
    rows = [{"output": _title(name), **{key: values[key] for key in SHOWN}} for name, values in result.report.items()]
    if result.default_from is not None:
        rows = [row | {"answers": "branch cache" if row["output"] == _title(BASELINE) else "model"} for row in rows]
    parts = [table(rows)]
    if result.cascaded is not None:
        parts += [result.cascaded.in_words(), "--full asks all branches about every photo"]
    if result.default_from is not None:
        parts.append(f"the model goes without the ViT; the ViT's answers are those of {result.default_from}")
    unit = "photo" if result.groups is None else "group of photos (copies, one drive or place)"
    by = "" if result.groups is None else f" by {unit}"
    parts += ["", f"95 % bootstrap intervals{by}", table(_intervals(result.report)), "", "confusion matrices"]
    parts += [table(_confusion(result.report)), ""]
    parts += _verdicts(result.report) if BASELINE in result.report else []
    if result.challenges:
        mix = main_mix(result.split, result.challenges)
        parts += ["", "challenges, as a validator would make them of these photos: MCC / reward"]
        parts += [table(_challenge_rows(result)), "", f"on {mix}, with intervals by {unit}:"]
        parts += _verdicts(result.challenges[mix])
    return "\n".join(parts).rstrip()


def _open(request: Request) -> tuple[Detector, dict | None]:
    config = request.config
    if request.default_only:
        return open_default(config.vit.weights, config.vit.class_names), None
    detector = open_detector(request.model, request.tta, full=request.full)
    compares = BASELINE not in detector.outputs and not request.no_default
    if not (detector.other_inputs or compares):
        return detector, None
    try:
        return detector, cached_branches(config, request.split, detector.description, detector.other_inputs)
    except RequestError as error:
        if detector.other_inputs:
            raise
        raise RequestError(
            f"the model goes without the ViT, whose answers the branch cache would give to compare with: {error.what}",
            where=error.where,
            expected=error.expected,
            todo=f"{error.todo or 'run precompute'}; or evaluate --no-default, which compares with nothing",
        ) from error


def _look_at_kept(request: Request, folder: Path, report: Callable[[str], None]) -> None:
    """Find damaged files before the work, and say where the metrics of another file are to be replaced."""
    read_metrics(folder / METRICS)
    if (folder / "history.csv").is_file():
        history_columns(folder / "history.csv")
    before = read_evaluated(folder).get(request.split, {}).get("model")
    now = request.model.name if request.model is not None else request.config.vit.weights
    if before not in (None, now):
        report(f"note: what {folder} keeps of {request.split}/ was of {before}, and will be of {now}; --out keeps both")


def _keep(result: Evaluation, detector: Detector, request: Request, folder: Path) -> None:
    keep_metrics(folder, lambda known: metrics_with(known, result))
    ids = [sample.sample_id for sample in result.samples]
    stages = result.cascaded.stages if result.cascaded is not None else None
    answered = Predictions(ids, result.labels, result.answers, result.unreadable, result.digests, stages, result.groups)
    write_predictions(predictions_path(folder, result.split), answered)
    record_evaluation(
        folder,
        result.split,
        describe_evaluation(detector, request.model, request.config, request.tta, request.max_samples)
        | ({"cascade": "window" if detector.window is not None else "full"} if FIRST in detector.outputs else {})
        | ({"default_from": "branch cache"} if result.default_from is not None else {})
        | describe_views(request.config.views)
        | answers_record(folder, result.split),
    )
    draw_figures(result, folder / "figures")
    _draw_sheet(result, request.config, folder / "figures")
    if (folder / "history.csv").is_file():
        save_png(history_curves(folder / "history.csv"), folder / "figures" / "history.png")


def _draw_sheet(result: Evaluation, config: RoadworkConfig, folder: Path) -> None:
    """A photo with roadwork, if there is one, and its challenges."""
    readable = sorted(
        (sample for sample in result.samples if sample.sample_id in result.digests), key=lambda sample: -sample.label
    )
    if not (result.challenges and readable):
        return
    sample = readable[0]
    photo, digest = read_image(sample.path, config.data.max_pixels)
    views = views_of(photo, digest, sample.split, config.views)
    sheet = challenge_sheet(photo, views, view_kinds(config.views, sample.split, digest))
    write_png(folder / sheet_name(result.split), sheet)


def metrics_with(metrics: dict, result: Evaluation) -> dict:
    """metrics.json with this evaluation's split and the challenges of that split, and what was there of others."""
    others = {name: kept for name, kept in metrics.items() if name.split("_")[0] != result.split}
    return others | {result.split: result.report} | result.challenges


def _challenge_rows(result: Evaluation) -> list[dict]:
    """MCC and reward on each kind of challenge: a row a kind."""
    return [
        {"asked": name.removeprefix(f"{result.split}_").replace("_", " ")}
        | {_title(output): f"{values['mcc']:.3f} / {values['reward']:.3f}" for output, values in report.items()}
        for name, report in result.challenges.items()
    ]


def _title(output: str) -> str:
    return f"{output} (default)" if output == BASELINE else output


def _intervals(report: dict) -> list[dict]:
    return [
        {"output": _title(name), **{key: values[f"{key}_ci95"] for key in ("accuracy", "mcc", "reward", "roc_auc")}}
        for name, values in report.items()
    ]


def _confusion(report: dict) -> list[dict]:
    names = ("true negative", "false positive", "false negative", "true positive")
    return [
        {"output": _title(name)} | dict(zip(names, (n for row in values["confusion_matrix"] for n in row), strict=True))
        for name, values in report.items()
    ]


def _verdicts(report: dict) -> list[str]:
    lines = []
    for name, values in report.items():
        versus = values.get(f"vs_{BASELINE}")
        if versus:
            low, high = versus["reward_difference_ci95"]
            lines.append(
                f"{name} against the default ViT: {versus['verdict']} (reward {versus['reward_difference']:+.4f}, "
                f"95 % interval {low:+.4f} to {high:+.4f}, {in_words_of_test(versus)})"
            )
    return lines
