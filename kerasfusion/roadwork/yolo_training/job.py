"""`train-yolo`: what is trained, in which folder, how a killed run goes on, and what it leaves behind.

In RUN/yolo/: `best.pt`, `yolo_history.csv` (one row an epoch), `training.json` (what was trained on what),
`ultralytics.log`. While it runs also `work/`, which is removed at the end.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import lines_sha256
from kerasfusion.files.json_yaml import write_json
from kerasfusion.files.one_writer import only_writer
from kerasfusion.images.decoding import MAX_PIXELS
from kerasfusion.roadwork.branches import ultralytics_models
from kerasfusion.roadwork.branches.ultralytics_library import ultralytics_version
from kerasfusion.roadwork.branches.yolo_classifier import check_image_size
from kerasfusion.roadwork.challenge.views import describe_views, view_count
from kerasfusion.roadwork.config import PHOTOS_ALONE, Views, Yolo
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample
from kerasfusion.roadwork.yolo_training.augmentation import split_augmentation
from kerasfusion.roadwork.yolo_training.checkpoints import Checkpoints, refuse_other
from kerasfusion.roadwork.yolo_training.epochs import Epoch, train_epochs
from kerasfusion.roadwork.yolo_training.pictures import write_training_tree
from kerasfusion.roadwork.yolo_training.record import RECORD, read_record
from kerasfusion.roadwork.yolo_training.ultralytics_trainer import view_trainer


@dataclass(frozen=True)
class YoloTraining:
    """What a training left.

    Attributes:
        weights: best.pt, the most accurate epoch on the validation photos.
        history: a CSV with one row an epoch.
        record: the content of training.json.
    """

    weights: Path
    history: Path
    record: dict[str, Any]


def train_yolo(
    train: Sequence[Sample],
    val: Sequence[Sample],
    settings: Yolo,
    run_folder: Path,
    *,
    seed: int,
    views: Views = PHOTOS_ALONE,
    max_pixels: int = MAX_PIXELS,
    report: Callable[[str], None] = print,
    begin: Callable[[], None] = lambda: None,
) -> YoloTraining:
    """Train a two-class YOLO classifier and choose its best epoch on the validation photos.

    Where photos have views, each epoch learns from a fresh one of each photo, and the best epoch is chosen on the views
    of the validation photos, which stay the same.

    The photos are only read. A run that was stopped goes on, when the request is the same, after its last whole
    epoch. It then does not end with the weights of an undisturbed run: ultralytics restarts from the
    averaged weights, kept in 16 bits, and from the seed. A finished run is not repeated.

    Args:
        train: photos to learn from.
        val: photos that choose the best epoch (and stop the training after `patience` epochs without a better one).
        settings: the `yolo` section of the configuration.
        run_folder: everything is written to its `yolo/`.
        seed: of initial weights, order, augmentation and fresh views.
        views: the `views` section of the configuration.
        max_pixels: largest photo, width x height.
        report: takes a line for the person who waits: one an epoch and a few before.
        begin: called before the training starts or goes on, once it is not refused.

    Raises:
        RequestError: an empty split or class, a size or a starting model that does not suit, ultralytics missing, or
            the folder holds a training that was asked for in another way.
        KerasFusionError: an unreadable photo, a full disk, a failure inside ultralytics, or another run at work.
    """
    check_photos(train, val, settings)
    model = ultralytics_models.starting_model(settings.model)
    ignored = split_augmentation(asdict(settings.augmentation), views.count > 1)[1]
    request = describe_request(train, val, settings, seed, views)
    folder = run_folder / "yolo"
    with only_writer(run_folder):
        if (finished := find_finished(folder, request)) is not None:
            Checkpoints(folder / "work", request).clean()  # left where the training was killed when all was written
            report(f"YOLO is already trained as asked for: {finished.weights}")
            return finished
        for name, reason in ignored.items():
            report(f"yolo.augmentation.{name} has no effect: {reason}")

        checkpoints = Checkpoints(folder / "work", request)
        arguments = training_arguments(settings, seed, views)
        goes_on = checkpoints.restore()
        begin()
        if goes_on:
            model = ultralytics_models.load_classifier(checkpoints.session / "weights" / "last.pt")
            arguments = {"resume": True, "device": settings.device, "trainer": arguments["trainer"]}
            report(f"continuing after epoch {checkpoints.epoch} of {settings.epochs}")

        def on_epoch(epoch: Epoch) -> None:
            checkpoints.save(epoch)
            report(_line(epoch))

        tree, log = folder / "work" / "tree", folder / "ultralytics.log"
        try:
            pictures = len(val) * view_count(views, "val")
            report(f"preparing {len(train):,} training and {pictures:,} validation pictures")
            write_training_tree(train, val, tree, settings.image_size, views, max_pixels, report)
            top1 = train_epochs(model, tree, checkpoints.session, arguments, log, on_epoch)
            return _finish(folder, checkpoints.session, request | {"ignored_augmentation": ignored, "val_top1": top1})
        finally:
            checkpoints.clean()


def check_photos(train: Sequence[Sample], val: Sequence[Sample], settings: Yolo) -> None:
    """What can be said before anything is loaded.

    Raises:
        RequestError: an empty split or class, or a size that does not suit.
    """
    check_image_size(settings.image_size)
    for name, samples in (("train", train), ("val", val)):
        _check_classes(name, samples)


def _check_classes(split: str, samples: Sequence[Sample]) -> None:
    counts = Counter(CLASS_NAMES[sample.label] for sample in samples)
    missing = [name for name in CLASS_NAMES if not counts[name]]
    if missing:
        raise RequestError(
            f"no {split} photos of {' and '.join(missing)}",
            where=f"{split}/",
            expected="photos of both classes in train/ and val/ to train YOLO",
            todo="kerasfusion data split SRC OUT makes such splits",
        )


def describe_request(
    train: Sequence[Sample], val: Sequence[Sample], settings: Yolo, seed: int, views: Views
) -> dict[str, Any]:
    """What is asked for, as a JSON value: a training is only gone on with when it is the same.

    Raises:
        RequestError: ultralytics is not installed.
    """
    pretrained = Path(settings.model).suffix.lower() == ".pt"
    return {
        "model": settings.model,
        "model_sha256": _sha256(Path(settings.model).read_bytes()) if pretrained else None,
        "image_size": settings.image_size,
        "epochs": settings.epochs,
        "batch": settings.batch,
        "patience": settings.patience,
        "seed": seed,
        "augmentation": split_augmentation(asdict(settings.augmentation), views.count > 1)[0],
        "views": describe_views(views).get(
            "views"
        ),  # None for photos alone, as of trainings from before there were any
        "class_names": list(CLASS_NAMES),
        "train": _describe(train),
        "val": _describe(val),
        "ultralytics": ultralytics_version(),
    }


def _describe(samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "splits": sorted({sample.split for sample in samples}),
        "n": len(samples),
        "sample_ids_sha256": lines_sha256(sorted(sample.sample_id for sample in samples)),
    }


def training_arguments(settings: Yolo, seed: int, views: Views) -> dict[str, Any]:
    """The arguments of ultralytics' `YOLO.train`."""
    with_views = views.count > 1
    return {
        **split_augmentation(asdict(settings.augmentation), with_views)[0],
        # In its last ten epochs ultralytics would start the loaders anew, to close a mosaic that is not there.
        **({"close_mosaic": 0} if with_views else {}),
        "trainer": view_trainer(views) if with_views else None,
        "imgsz": settings.image_size,
        "epochs": settings.epochs,
        "batch": settings.batch,
        "patience": settings.patience,
        "workers": settings.workers,
        "device": settings.device,
        "seed": seed,
        "amp": False,  # its check downloads a detection model
        "plots": False,  # they download a font
    }


def find_finished(folder: Path, request: dict[str, Any]) -> YoloTraining | None:
    """What an earlier training of the same request left, if it came to its end.

    Raises:
        RequestError: there are weights of another training.
    """
    weights, record_file = folder / "best.pt", folder / RECORD
    if not weights.exists():
        record_file.unlink(missing_ok=True)  # a run that was killed while it finished
        return None
    record = read_record(folder, f"delete the folder {folder} and train again")
    if record.get("weights_sha256") != _sha256(weights.read_bytes()):
        raise RequestError(
            "this file would be overwritten, and no training of this run made it",
            where=weights,
            todo="move it away and set yolo.weights to it, or set another name for the run",
        )
    refuse_other(folder, record, request)
    return YoloTraining(weights, folder / "yolo_history.csv", record)


def _finish(folder: Path, session: Path, record: dict[str, Any]) -> YoloTraining:
    weights, history = folder / "best.pt", folder / "yolo_history.csv"
    best = session / "weights" / "best.pt"
    (session / "results.csv").replace(history)
    record = record | {"weights_sha256": _sha256(best.read_bytes())}
    write_json(folder / RECORD, record)
    best.replace(weights)  # last: its presence says that the rest is there too
    return YoloTraining(weights, history, record)


def _line(epoch: Epoch) -> str:
    return (
        f"epoch {epoch.number}/{epoch.epochs}: loss {epoch.loss:.4f}, val loss {epoch.val_loss:.4f}, "
        f"val accuracy {epoch.top1:.1%}{' (best)' if epoch.best else ''}, {epoch.seconds:.1f} s"
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
