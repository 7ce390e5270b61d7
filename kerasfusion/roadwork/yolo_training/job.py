"""`train-yolo`: what is trained, in which folder, how a killed run goes on, and what it leaves behind.

In RUN/yolo/: `best.pt`, `yolo_history.csv` (one row an epoch), `training.json` (what was trained on what),
`ultralytics.log`; with folds the same in `fold_1/` and so on. While it runs also `work/`, which is removed at the end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kerasfusion.files.digests import file_sha256
from kerasfusion.files.json_yaml import write_json
from kerasfusion.files.one_writer import only_writer
from kerasfusion.images.decoding import MAX_PIXELS
from kerasfusion.roadwork.branches import ultralytics_models
from kerasfusion.roadwork.challenge.views import view_count
from kerasfusion.roadwork.config import PHOTOS_ALONE, Views, Yolo
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.data.folds import Folds
from kerasfusion.roadwork.yolo_training.augmentation import ignored_lines, split_augmentation
from kerasfusion.roadwork.yolo_training.epochs import Epoch, train_epochs
from kerasfusion.roadwork.yolo_training.pictures import write_training_tree
from kerasfusion.roadwork.yolo_training.record import RECORD
from kerasfusion.roadwork.yolo_training.request import Training, YoloTraining, check_photos, plan_trainings
from kerasfusion.roadwork.yolo_training.ultralytics_trainer import trainer_class


def train_yolo(
    train: Sequence[Sample],
    val: Sequence[Sample],
    settings: Yolo,
    run_folder: Path,
    *,
    seed: int,
    views: Views = PHOTOS_ALONE,
    max_pixels: int = MAX_PIXELS,
    folds: Folds | None = None,
    report: Callable[[str], None] = print,
    begin: Callable[[], None] = lambda: None,
) -> YoloTraining:
    """Train a two-class YOLO classifier and choose its best epoch on the validation photos.

    Where photos have views, each epoch learns from a fresh one of each photo, and the best epoch is chosen on the views
    of the validation photos, which stay the same.

    With folds, a classifier is first trained for each of them on the photos of the others alone, in its `fold_K/`.

    The photos are only read. A run that was stopped goes on, when the request is the same, after its last whole
    epoch. It then does not end with the weights of an undisturbed run: ultralytics restarts from the
    averaged weights, kept in 16 bits, and from the seed. A finished classifier is not trained again.

    Args:
        train: photos to learn from.
        val: photos that choose the best epoch (and stop the training after `patience` epochs without a better one).
        settings: the `yolo` section of the configuration.
        run_folder: everything is written to its `yolo/`.
        seed: of initial weights, order, augmentation and fresh views.
        views: the `views` section of the configuration.
        max_pixels: largest photo, width x height.
        folds: of the photos to learn from; None trains on all of them alone.
        report: takes a line for the person who waits: one an epoch and a few before.
        begin: called before the training starts or goes on, once it is not refused.

    Returns:
        What the training on all photos left.

    Raises:
        RequestError: an empty split or class, a size or a starting model that does not suit, ultralytics missing, or
            the folder holds a training that was asked for in another way.
        KerasFusionError: an unreadable photo, a full disk, a failure inside ultralytics, or another run at work.
    """
    check_photos(train, val, settings)
    ultralytics_models.starting_model(settings.model)  # refused, or downloaded, before its digest is taken
    work = plan_trainings(train, val, settings, run_folder / "yolo", seed, views, folds)
    ignored = split_augmentation(asdict(settings.augmentation), views.count > 1)[1]
    with only_writer(run_folder):
        left = []
        for each in work:
            if each.finished() is None:
                left.append(each)
            else:
                each.checkpoints.clean()  # left where the training was killed when all was written
        if not left:
            report(f"YOLO is already trained as asked for: {work[-1].folder / 'best.pt'}")
            return work[-1].finished()
        for line in ignored_lines(ignored):
            report(line)
        for each in left:  # all are refused before the first of them takes its hours
            each.checkpoints.newest()
        begin()
        for each in left:
            if each.title:
                report(each.title)
            _train(each, settings, seed, views, max_pixels, ignored, report)
        return work[-1].finished()


def _train(
    each: Training,
    settings: Yolo,
    seed: int,
    views: Views,
    max_pixels: int,
    ignored: Mapping[str, str],
    report: Callable[[str], None],
) -> None:
    checkpoints, arguments = each.checkpoints, training_arguments(settings, seed, views)
    if checkpoints.restore():
        model = ultralytics_models.load_classifier(checkpoints.session / "weights" / "last.pt")
        arguments = {"resume": True, "device": settings.device, "trainer": arguments["trainer"]}
        report(f"continuing after epoch {checkpoints.epoch} of {settings.epochs}")
    else:
        model = ultralytics_models.starting_model(settings.model)

    def on_epoch(epoch: Epoch) -> None:
        checkpoints.save(epoch)
        report(_line(epoch))

    tree, log = each.folder / "work" / "tree", each.folder / "ultralytics.log"
    try:
        pictures = len(each.val) * view_count(views, "val")
        report(f"preparing {len(each.train):,} training and {pictures:,} validation pictures")
        learned = write_training_tree(each.train, each.val, tree, settings.image_size, views, max_pixels, report)
        top1 = train_epochs(model, tree, checkpoints.session, arguments, log, on_epoch)
        record = each.request | {"train_sha256": learned, "ignored_augmentation": ignored, "val_top1": top1}
        _finish(each.folder, checkpoints.session, record)
    finally:
        checkpoints.clean()


def training_arguments(settings: Yolo, seed: int, views: Views) -> dict[str, Any]:
    """The arguments of ultralytics' `YOLO.train`."""
    with_views = views.count > 1
    return {
        **split_augmentation(asdict(settings.augmentation), with_views)[0],
        # In its last ten epochs ultralytics would start the loaders anew, to close a mosaic that is not there.
        **({"close_mosaic": 0} if with_views else {}),
        "trainer": trainer_class(views),
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


def _finish(folder: Path, session: Path, record: dict[str, Any]) -> None:
    best = session / "weights" / "best.pt"
    (session / "results.csv").replace(folder / "yolo_history.csv")
    write_json(folder / RECORD, record | {"weights_sha256": file_sha256(best)})
    best.replace(folder / "best.pt")  # last: its presence says that the rest is there too


def _line(epoch: Epoch) -> str:
    return (
        f"epoch {epoch.number}/{epoch.epochs}: loss {epoch.loss:.4f}, val loss {epoch.val_loss:.4f}, "
        f"val accuracy {epoch.top1:.1%}{' (best)' if epoch.best else ''}, {epoch.seconds:.1f} s"
    )
