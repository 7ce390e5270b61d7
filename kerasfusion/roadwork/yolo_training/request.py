"""What `train-yolo` is asked for: which classifiers, on which photos, in which folders, and which are there already."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256, lines_sha256
from kerasfusion.roadwork.branches.ultralytics_library import ultralytics_version
from kerasfusion.roadwork.branches.yolo_classifier import check_image_size
from kerasfusion.roadwork.challenge.views import describe_views
from kerasfusion.roadwork.config import Views, Yolo, fold_folder
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample
from kerasfusion.roadwork.data.folds import Folds
from kerasfusion.roadwork.yolo_training.augmentation import split_augmentation
from kerasfusion.roadwork.yolo_training.checkpoints import Checkpoints, refuse_other
from kerasfusion.roadwork.yolo_training.record import RECORD, read_record


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


@dataclass(frozen=True)
class Training:
    """One classifier that is asked for.

    Attributes:
        folder: where it is left.
        train, val: photos.
        request: what is asked for, as a JSON value; see `describe_request`.
        title: what distinguishes it from the others, for the person who waits; "" where it is the only one.
    """

    folder: Path
    train: Sequence[Sample]
    val: Sequence[Sample]
    request: dict[str, Any]
    title: str = ""

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """Of this training."""
        return Checkpoints(self.folder / "work", self.request)

    def finished(self) -> YoloTraining | None:
        """As `find_finished`."""
        return find_finished(self.folder, self.request)


def plan_trainings(
    train: Sequence[Sample],
    val: Sequence[Sample],
    settings: Yolo,
    folder: Path,
    seed: int,
    views: Views,
    folds: Folds | None,
) -> list[Training]:
    """The classifiers that are asked for: one without each fold, then that of all photos.

    Args:
        train, val, settings, seed, views, folds: as for `train_yolo`.
        folder: the run's `yolo/`.

    Raises:
        RequestError: ultralytics is not installed.
    """
    planned = []
    for number in range(1, folds.count + 1) if folds else ():
        kept, left_out = folds.divide(train, number)
        request = describe_request(kept, val, settings, seed, views)
        request["fold"] = describe_fold(folds, number, left_out)
        title = f"fold {number} of {folds.count}: without {len(left_out):,} of {len(train):,} training photos"
        planned.append(Training(fold_folder(folder, number), kept, val, request, title))
    request = describe_request(train, val, settings, seed, views)
    title = f"the classifier of all {len(train):,} training photos" if folds else ""
    return [*planned, Training(folder, train, val, request, title)]


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
            todo="kerasfusion data split SRC OUT makes such splits; where there is no val/, data.validation_fraction "
            "holds a part of train/ out",
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
        "model_sha256": file_sha256(Path(settings.model)) if pretrained else None,
        "image_size": settings.image_size,
        "epochs": settings.epochs,
        "batch": settings.batch,
        "patience": settings.patience,
        "seed": seed,
        "augmentation": split_augmentation(asdict(settings.augmentation), views.count > 1)[0],
        # None for photos alone, as of trainings from before there were any.
        "views": describe_views(views).get("views"),
        "class_names": list(CLASS_NAMES),
        "train": describe_photos(train),
        "val": describe_photos(val),
        "ultralytics": ultralytics_version(),
    }


def describe_fold(folds: Folds, number: int, left_out: Sequence[Sample]) -> dict[str, Any]:
    """What the record of a classifier says that has not seen one fold: number and photos of it."""
    return {"number": number, "of": folds.count, "left_out": describe_photos(left_out)}


def describe_photos(samples: Sequence[Sample]) -> dict[str, Any]:
    """By what a record tells photos."""
    return {
        "splits": sorted({sample.split for sample in samples}),
        "n": len(samples),
        "sample_ids_sha256": lines_sha256(sorted(sample.sample_id for sample in samples)),
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
    if record.get("weights_sha256") != file_sha256(weights):
        raise RequestError(
            "this file would be overwritten, and no training of this run made it",
            where=weights,
            todo="move it away and set yolo.weights to it, or set another name for the run",
        )
    refuse_other(folder, record, request)
    return YoloTraining(weights, folder / "yolo_history.csv", record)
