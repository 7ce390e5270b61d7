"""Ultralytics: import it without its side effects, open classifiers, train them.

The one file that imports ultralytics (optional, AGPL-3.0) and torch, and only inside functions. Checked against
ultralytics 8.4.190 (https://github.com/ultralytics/ultralytics).
"""

import functools
import importlib.metadata
import logging
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasfusion.errors import KerasFusionError, RequestError, install_command
from kerasfusion.roadwork.dataset import CLASS_NAMES

_IMPORT_SETTINGS = {
    "YOLO_OFFLINE": "1",  # no name look-ups, telemetry or update checks
    "YOLO_AUTOINSTALL": "0",  # never runs pip
    "YOLO_VERBOSE": "0",  # no progress bars on stdout
    "ULTRALYTICS_SAFE_LOAD": "1",  # checkpoints may only contain known model classes
}


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


def class_columns(names: Mapping[int, str], where: object) -> list[int]:
    """The position of each of CLASS_NAMES in a model's output, found by name.

    Raises:
        RequestError: the model's classes are not exactly CLASS_NAMES.
    """
    if sorted(names.values()) != sorted(CLASS_NAMES):
        shown = ", ".join(list(names.values())[:10]) + (", ..." if len(names) > 10 else "")
        raise RequestError(
            f"the YOLO weights have other classes: {shown}",
            where=where,
            expected=" and ".join(CLASS_NAMES),
            todo="kerasfusion train-yolo trains weights with these classes",
        )
    positions = {name: index for index, name in names.items()}
    return [positions[name] for name in CLASS_NAMES]


def load_classifier(path: Path) -> Any:
    """Load a `.pt` file as ultralytics' YOLO object.

    Raises:
        RequestError: ultralytics is missing, or the file is missing, damaged or not a classifier.
    """
    if not path.is_file():
        raise RequestError(
            "the YOLO weights do not exist",
            where=path,
            todo="kerasfusion train-yolo makes them, or set yolo.weights to a trained .pt file",
        )
    return _open_classifier(str(path))


def starting_model(model: str, download: bool = True) -> Any:
    """What a training starts from: pretrained weights (`.pt`) or random ones (`.yaml`), as a YOLO object.

    Pretrained weights that ultralytics publishes are downloaded to the very path that was asked for; without
    `download` random ones stand in for them.

    Raises:
        RequestError: neither `.pt` nor `.yaml`, unknown, damaged, not a classifier, or not to be downloaded.
    """
    suffix = Path(model).suffix.lower()
    if suffix in (".yaml", ".yml") and "://" not in model:
        return _open_classifier(model)
    if suffix != ".pt" or "://" in model:
        raise RequestError(
            f"{model!r} is not a model that YOLO can start from",
            where="yolo.model",
            expected="a file such as yolo11n-cls.pt (pretrained) or a name such as yolo11n-cls.yaml (random weights)",
        )
    if not Path(model).is_file():
        _check_published(Path(model))
        if not download:
            return _open_classifier(f"{Path(model).stem}.yaml")
        _download(Path(model))
    return _open_classifier(model)


def train_epochs(
    model: Any, tree: Path, session: Path, arguments: Mapping[str, Any], log: Path, on_epoch: Callable[[Epoch], None]
) -> float:
    """Let ultralytics train; it leaves weights/best.pt, weights/last.pt and results.csv in `session`.

    Args:
        model: from `starting_model`, or from `load_classifier` on a last.pt with `resume=True` among the arguments.
        tree: folder with train/ and val/, each with the class folders; ultralytics may write into it.
        session: ultralytics' working folder.
        arguments: ultralytics' own training arguments.
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
                f"ultralytics stopped while training: {_reason(error)}",
                where=log,
                todo="out of memory: a smaller yolo.batch or yolo.image_size; else see the log",
            ) from error
    class_columns(model.names, session)
    return float(model.trainer.metrics["metrics/accuracy_top1"])


def ultralytics_version() -> str:
    """The installed version.

    Raises:
        RequestError: ultralytics is not installed.
    """
    _import_ultralytics()
    return importlib.metadata.version("ultralytics")


def _open_classifier(source: str) -> Any:
    ultralytics = _import_ultralytics()
    try:
        model = ultralytics.YOLO(source)
    # A damaged, foreign or unknown file ends in one of many kinds of error (TypeError, KeyError, OSError, ...).
    except Exception as error:
        raise RequestError(
            f"ultralytics cannot open the model: {_reason(error)}",
            where=source,
            expected="a YOLO classifier, for example yolo11n-cls.pt or yolo11n-cls.yaml",
        ) from error
    if model.task != "classify":
        raise RequestError(
            f"the YOLO model is made to {model.task}, not to classify",
            where=source,
            expected="a classifier; ultralytics' names for them end in -cls",
        )
    return model


def _check_published(path: Path) -> None:
    _import_ultralytics()
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    if path.name not in GITHUB_ASSETS_NAMES or not path.stem.endswith("-cls"):
        raise RequestError(
            f"the weights {path.name} are not there, and ultralytics publishes no classifier of that name",
            where=path.absolute(),
            todo="put the file there or name yolo11n-cls.pt, or set yolo.model to its path; "
            "yolo.model: yolo11n-cls.yaml trains from random weights on purpose",
        )


def _download(path: Path) -> None:
    from ultralytics.utils.downloads import attempt_download_asset

    try:
        attempt_download_asset(path, retry=0, progress=False)
    except Exception as error:  # whatever the network stack raises
        raise RequestError(
            f"the pretrained weights {path.name} are not there, and downloading them failed: {_reason(error)}",
            where=path.absolute(),
            todo="put the file there (it is on https://github.com/ultralytics/assets/releases), or set yolo.model to "
            f"its path; yolo.model: {path.stem}.yaml trains from random weights on purpose",
        ) from error


def _reason(error: Exception) -> str:
    lines = re.sub(r"ERROR |[❌\ufe0f]", "", str(error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _epoch(trainer: Any, seconds: float) -> Epoch:
    (loss,) = trainer.tloss.values()
    return Epoch(
        number=trainer.epoch + 1,
        epochs=trainer.epochs,
        loss=float(loss),
        val_loss=float(trainer.metrics["val/loss"]),
        top1=float(trainer.metrics["metrics/accuracy_top1"]),
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


@functools.cache
def _import_ultralytics() -> Any:
    """Import ultralytics with its telemetry, downloads and installs off.

    Raises:
        RequestError: ultralytics or torch is missing or broken.
    """
    if "tensorflow" in sys.modules:
        # TensorFlow and triton, which torch's CUDA builds bring along, each carry an LLVM, and the second one loaded
        # aborts the process. Without triton only torch.compile is missing, which nothing here uses.
        sys.modules.setdefault("triton", None)
    try:
        with _import_traces_undone():
            import torch
            import ultralytics
            from ultralytics.utils import LOGGER, NUM_THREADS, SETTINGS

            _ = ultralytics.YOLO  # it is imported on first access
    # A torchvision that does not match torch raises RuntimeError, a missing system library OSError.
    except (ImportError, RuntimeError, OSError) as error:
        raise RequestError(
            f"ultralytics cannot be imported: {error}",
            where="train-yolo and YOLO's predictions",
            todo=f"in the folder of the source: {install_command('yolo')}",
        ) from error
    # Ultralytics does this itself when it trains or predicts (all cores but one); until then threads that wait for a
    # core that another program uses would make opening a model many times slower.
    torch.set_num_threads(NUM_THREADS)
    # dict.update goes past the method that writes the settings file.
    off = ("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")
    dict.update(SETTINGS, dict.fromkeys(off, False))
    LOGGER.handlers = [logging.lastResort]  # warnings to stderr; stdout belongs to results
    LOGGER.setLevel(logging.INFO)
    return ultralytics


@contextmanager
def _import_traces_undone() -> Iterator[None]:
    """Undo what importing ultralytics changes in the process, and give it another settings file than the user's.

    It sets OMP_NUM_THREADS=1 and TensorFlow's log level, replaces PIL.Image.open by a function that may run pip,
    changes numpy's print options and warning filters, and writes a settings file.
    """
    environment, open_image, print_options = dict(os.environ), Image.open, np.get_printoptions()
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            os.environ.update(_IMPORT_SETTINGS, YOLO_CONFIG_DIR=folder)
            yield
    finally:
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
        Image.open = open_image
        np.set_printoptions(**print_options)
