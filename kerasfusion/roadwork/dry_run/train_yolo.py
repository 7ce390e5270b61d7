"""`train-yolo --dry-run`: what it would take, from a short real training in a folder that is deleted."""

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasfusion.images.decoding import MAX_PIXELS
from kerasfusion.machine.probe import Estimate, Stage, process_seconds, spread, timed
from kerasfusion.machine.stage_clock import peak_memory_mb, resident_memory_mb
from kerasfusion.roadwork.branches import ultralytics_models
from kerasfusion.roadwork.challenge.views import view_count
from kerasfusion.roadwork.config import PHOTOS_ALONE, Views, Yolo
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample
from kerasfusion.roadwork.data.folds import Folds
from kerasfusion.roadwork.yolo_training.epochs import train_epochs
from kerasfusion.roadwork.yolo_training.job import training_arguments
from kerasfusion.roadwork.yolo_training.pictures import write_training_tree
from kerasfusion.roadwork.yolo_training.request import Training, check_photos, plan_trainings

TRAIN_BATCHES = 5
VAL_PHOTOS = 128
EPOCHS = 2


@dataclass(frozen=True)
class Trial:
    """What was measured, in seconds.

    Attributes:
        copy: making the small copy of a training photo.
        pictures: making the pictures of a validation photo, one of each view.
        set_up: until the first step, and what the first epoch takes longer than others.
        step: a training step.
        validation: a picture in validation.
        epoch: what an epoch takes besides.
        end: the last look at the best epoch, without its pictures.
        copy_bytes: of a training photo's copy.
        pictures_bytes: of a validation photo's pictures.
        weights_bytes: of one saved state.
        parameters: of the network.
        memory: of this process and its loaders, bytes.
        steps: how many were measured.
    """

    copy: float
    pictures: float
    set_up: float
    step: float
    validation: float
    epoch: float
    end: float
    copy_bytes: float
    pictures_bytes: float
    weights_bytes: int
    parameters: int
    memory: int
    steps: int


def estimate_yolo(
    train: Sequence[Sample],
    val: Sequence[Sample],
    settings: Yolo,
    run_folder: Path,
    *,
    seed: int,
    views: Views = PHOTOS_ALONE,
    max_pixels: int = MAX_PIXELS,
    folds: Folds | None = None,
) -> Estimate:
    """Check what `train_yolo` checks, and measure what it would take. Nothing is written but to a temporary folder.

    Nor are pretrained weights downloaded: where they are not there, the trial starts from random ones.

    Args:
        train, val, settings, run_folder, seed, views, max_pixels, folds: as for `train_yolo`.

    Raises:
        RequestError, KerasFusionError: as `train_yolo`.
    """
    start_up = process_seconds()
    begin = time.perf_counter()
    check_photos(train, val, settings)
    model, load = timed(lambda: ultralytics_models.starting_model(settings.model, download=False))
    here = Path(settings.model).suffix.lower() != ".pt" or Path(settings.model).is_file()
    if here:
        planned = plan_trainings(train, val, settings, run_folder / "yolo", seed, views, folds)
        work = [(len(each.train), settings.epochs - _done(each, settings.epochs)) for each in planned]
    else:
        kept = [folds.divide(train, number)[0] for number in range(1, folds.count + 1)] if folds else []
        work = [(len(each), settings.epochs) for each in (*kept, train)]
    trial = _try_out(model, train, val, settings, seed, views, max_pixels)
    left = [(photos, epochs) for photos, epochs in work if epochs]
    return Estimate(
        "train-yolo",
        _facts(train, val, settings, views, trial, work, here),
        _stages(left, val, settings, views, trial, start_up + load),
        _disk(left, val, run_folder, trial),
        trial.memory,
        f"{trial.steps} training steps in batches of {settings.batch}",
        time.perf_counter() - begin,
    )


def _done(training: Training, epochs: int) -> int:
    """Epochs of an earlier training of the same request."""
    if (training.folder / "best.pt").exists() and training.finished() is not None:
        return epochs
    training.checkpoints.newest()
    return training.checkpoints.epoch


def _try_out(model, train, val, settings: Yolo, seed: int, views: Views, max_pixels: int) -> Trial:
    chosen = _some(train, TRAIN_BATCHES * settings.batch), _some(val, VAL_PHOTOS)
    times: dict[str, list[float]] = {name: [] for name in ("train_batch_end", "val_start", "val_end", "fit_epoch_end")}
    for name, stamps in times.items():
        model.add_callback(f"on_{name}", lambda trainer, stamps=stamps: stamps.append(time.perf_counter()))
    memory: list[float] = []
    model.add_callback(
        "on_train_epoch_end", lambda trainer: memory.append(resident_memory_mb(children_only=True) + peak_memory_mb())
    )
    small = replace(settings, epochs=EPOCHS, patience=EPOCHS)
    with tempfile.TemporaryDirectory() as folder:
        tree, session = Path(folder, "tree"), Path(folder, "session")
        making = [
            timed(
                lambda split=split: write_training_tree(*split, tree, settings.image_size, views, max_pixels, _silent)
            )[1]
            for split in ((chosen[0], []), ([], chosen[1]))
        ]
        sizes = [_bytes_below(tree / split) for split in ("train", "val")]
        begin = time.perf_counter()
        log = Path(folder, "log")
        train_epochs(model, tree, session, training_arguments(small, seed, views), log, lambda epoch: None)
        end = time.perf_counter()
        weights = (session / "weights" / "last.pt").stat().st_size
    return Trial(
        copy=making[0] / len(chosen[0]),
        pictures=making[1] / len(chosen[1]),
        copy_bytes=sizes[0] / len(chosen[0]),
        pictures_bytes=sizes[1] / len(chosen[1]),
        weights_bytes=weights,
        parameters=sum(value.numel() for value in model.model.parameters()),
        memory=round(max(memory) * 2**20),
        **_pace(times, begin, end, len(chosen[1]) * view_count(views, "val")),
    )


def _silent(line: str) -> None:
    pass


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _pace(times: dict[str, list[float]], begin: float, end: float, validated: int) -> dict[str, Any]:
    """The part of Trial that the training's own times tell."""
    ends = times["fit_epoch_end"][:EPOCHS]
    steps = len(times["train_batch_end"]) // EPOCHS
    epochs = [times["train_batch_end"][:steps], times["train_batch_end"][steps:]]
    # A step's time is the one before it to its own end; an epoch's first one has none before it.
    step = (
        sum(stamps[-1] - stamps[0] for stamps in epochs) / (EPOCHS * (steps - 1))
        if steps > 1
        else epochs[1][0] - ends[0]
    )
    validation = (times["val_end"][1] - times["val_start"][1]) / validated
    known = steps * step + validated * validation
    epoch = max(0.0, ends[1] - ends[0] - known)
    return {
        "step": step,
        "validation": validation,
        "epoch": epoch,
        "set_up": max(0.0, ends[0] - begin - known - epoch),
        "end": max(0.0, end - ends[1] - validated * validation),
        "steps": EPOCHS * (steps - 1) if steps > 1 else 1,
    }


def _some(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Some of the photos, of both classes like all of them."""
    return spread(sorted(samples, key=lambda sample: (sample.label, sample.sample_id)), max(count, len(CLASS_NAMES)))


def _facts(
    train, val, settings: Yolo, views: Views, trial: Trial, work: Sequence[tuple[int, int]], here: bool
) -> dict[str, Any]:
    """`work` has (photos to learn from, epochs left) of each classifier."""
    facts: dict[str, Any] = {}
    for name, samples in (("train", train), ("held_out", val)):
        labels = Counter(sample.label for sample in samples)
        size = sum(sample.path.stat().st_size for sample in samples)
        counts = {label: labels[number] for number, label in enumerate(CLASS_NAMES)}
        facts[name] = {"photos": len(samples), **counts, "bytes": size}
    steps, epochs = -(-len(train) // settings.batch), sum(epochs for _, epochs in work)
    return facts | {
        "starts_from": settings.model if here else f"{settings.model}, which is not here and would be downloaded first",
        "network": {"parameters": trial.parameters, "trained": trial.parameters},
        **({"classifiers": {"without_a_fold": len(work) - 1, "of_all_photos": 1}} if len(work) > 1 else {}),
        "steps": {"epochs": epochs, "steps_an_epoch": steps, "batch": settings.batch},
        **({"views": {"a_photo": views.count, "layout": views.layout}} if views.count > 1 else {}),
        "done_before": {"epochs": len(work) * settings.epochs - epochs},
    }


def _stages(
    left: Sequence[tuple[int, int]], val, settings: Yolo, views: Views, trial: Trial, start_up: float
) -> list[Stage]:
    stages = [Stage("start, with torch", 1, "process", start_up)]
    if not left:
        return stages
    learned, runs = sum(photos for photos, _ in left), len(left)
    copied = learned + runs * len(val)
    copying = (learned * trial.copy + runs * len(val) * trial.pictures) / copied
    steps = sum(epochs * -(-photos // settings.batch) for photos, epochs in left)
    epochs = sum(epochs for _, epochs in left)
    pictures = len(val) * view_count(views, "val")
    return [
        *stages,
        Stage("make small copies", copied, "photos", copying),
        Stage("set up", runs, "run", trial.set_up),
        Stage("train", steps, "batches", trial.step),
        Stage("validate", (epochs + runs) * pictures, "pictures", trial.validation),
        Stage("keep the state", epochs, "epochs", trial.epoch),
        Stage("choose the best epoch", runs, "run", trial.end),
    ]


def _disk(left: Sequence[tuple[int, int]], val, run_folder: Path, trial: Trial) -> dict[str, int]:
    if not left:
        return {}
    # While one runs: best.pt and last.pt of the session, and both again in the checkpoint; of others best.pt is left.
    pictures = max(photos for photos, _ in left) * trial.copy_bytes + len(val) * trial.pictures_bytes
    return {str(run_folder / "yolo"): round(pictures + (3 + len(left)) * trial.weights_bytes)}
