"""Let ultralytics train, and hear of each epoch."""

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.branches.ultralytics_library import reason_of
from kerasfusion.roadwork.branches.ultralytics_models import class_columns
from kerasfusion.roadwork.yolo_training.curve import read_curve


@dataclass(frozen=True)
class Epoch:
    """What one finished epoch gave.

    Attributes:
        number: 1 for the first.
        epochs: how many are planned.
        loss: mean cross-entropy over the training batches.
        val_loss: cross-entropy on the validation pictures.
        top1: accuracy on the validation pictures, 0..1.
        best: no earlier epoch was more accurate.
        seconds: time since the epoch before.
    """

    number: int
    epochs: int
    loss: float
    val_loss: float
    top1: float
    best: bool
    seconds: float


def train_epochs(
    model: Any, tree: Path, session: Path, arguments: Mapping[str, Any], log: Path, on_epoch: Callable[[Epoch], None]
) -> float:
    """Let ultralytics train; it leaves weights/best.pt, weights/last.pt and results.csv in `session`.

    Args:
        model: from `starting_model`, or from `load_classifier` on a last.pt with `resume=True` among the arguments.
        tree: folder with train/ and val/, each with the class folders; ultralytics may write into it.
        session: ultralytics' working folder.
        arguments: of ultralytics' `YOLO.train`.
        log: file that gets ultralytics' output.
        on_epoch: called after each epoch, once its files are written.

    Returns:
        Accuracy of best.pt on the validation pictures, 0..1.

    Raises:
        KerasFusionError: ultralytics failed, or left out pictures.
    """
    seconds = _stopwatch()
    counts = {split: sum(path.is_file() for path in (tree / split).rglob("*")) for split in ("train", "val")}
    model.add_callback("on_train_start", lambda trainer: _check_start(trainer, counts))
    model.add_callback("on_model_save", lambda trainer: on_epoch(_epoch(trainer, seconds())))
    with _log_to(log):
        try:
            model.train(data=str(tree), save_dir=str(session), **arguments)
        except KerasFusionError:
            raise
        except Exception as error:
            raise KerasFusionError(
                f"ultralytics stopped while training: {reason_of(error)}",
                where=log,
                todo=_advice(str(error), counts["train"], arguments.get("batch")),
            ) from error
    class_columns(model.names, session)
    return float(model.trainer.metrics["metrics/accuracy_top1"])


def _advice(reason: str, photos: int, batch: int | None) -> str:
    """What to do about an error of torch, by its words."""
    # Batch normalisation has nothing to work out: torch says so, or ultralytics before it begins.
    if "more than 1 value per channel" in reason or "single value per channel" in reason:
        held = f"{photos} photos in batches of {batch}" if batch else f"{photos} photos"
        return f"a batch held one photo ({held}): choose a yolo.batch of 2 or more that leaves no single photo over"
    if any(words in reason.lower() for words in ("out of memory", "can't allocate", "cannot allocate")):
        return "a smaller yolo.batch or yolo.image_size"
    return "the log says more"


def _epoch(trainer: Any, seconds: float) -> Epoch:
    row = read_curve(trainer.csv)[-1]  # what the trainer's own attributes hold is another thing in every few releases
    return Epoch(
        number=row["epoch"],
        epochs=trainer.epochs,
        loss=row["loss"],
        val_loss=row["val_loss"],
        top1=row["val_accuracy"],
        best=trainer.fitness == trainer.best_fitness,
        seconds=seconds,
    )


def _check_start(trainer: Any, counts: Mapping[str, int]) -> None:
    seen = {"train": len(trainer.train_loader.dataset), "val": len(trainer.test_loader.dataset)}
    if seen != counts:
        raise KerasFusionError(f"ultralytics left out pictures: {seen} of {counts}", where=trainer.args.data)
    class_columns(trainer.data["names"], trainer.args.data)


def _stopwatch() -> Callable[[], float]:
    last = time.monotonic()

    def seconds() -> float:
        nonlocal last
        before, last = last, time.monotonic()
        return last - before

    return seconds


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    logger = logging.getLogger("ultralytics")
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_PlainFormatter())
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


class _PlainFormatter(logging.Formatter):
    """Without the colour codes that ultralytics puts into its messages."""

    def format(self, record: logging.LogRecord) -> str:
        return re.sub(r"\x1b\[[0-9;]*[mK]", "", super().format(record))
