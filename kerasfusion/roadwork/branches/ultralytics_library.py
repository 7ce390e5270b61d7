"""Ultralytics, imported without its side effects.

Beside `yolo_training/ultralytics_trainer.py`, which builds on it, the one file that imports ultralytics (optional,
AGPL-3.0) and torch, and only inside functions. Checked against ultralytics 8.4.67 and 8.4.190
(https://github.com/ultralytics/ultralytics).
"""

import functools
import importlib.metadata
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasfusion.errors import RequestError, install_hint

# Many releases take nothing but "true" for true.
_IMPORT_SETTINGS = {
    "YOLO_OFFLINE": "true",  # no name look-ups, telemetry or update checks
    "YOLO_AUTOINSTALL": "0",  # never runs pip
    "YOLO_VERBOSE": "0",  # no progress bars on stdout
    "ULTRALYTICS_SAFE_LOAD": "true",  # checkpoints may only contain known model classes
}


def ultralytics_version() -> str:
    """The installed version.

    Raises:
        RequestError: ultralytics is not installed.
    """
    import_ultralytics()
    return importlib.metadata.version("ultralytics")


def check_published(path: Path) -> None:
    import_ultralytics()
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    if path.name not in GITHUB_ASSETS_NAMES or not path.stem.endswith("-cls"):
        raise RequestError(
            f"the weights {path.name} are not there, and ultralytics publishes no classifier of that name",
            where=path.absolute(),
            todo="put the file there or name yolo11n-cls.pt, or set yolo.model to its path; "
            "yolo.model: yolo11n-cls.yaml trains from random weights on purpose",
        )


def download_published(path: Path) -> None:
    from ultralytics.utils.downloads import attempt_download_asset

    try:
        attempt_download_asset(path, retry=0, progress=False)
    except Exception as error:  # whatever the network stack raises
        raise RequestError(
            f"the pretrained weights {path.name} are not there, and downloading them failed: {reason_of(error)}",
            where=path.absolute(),
            todo="put the file there (it is on https://github.com/ultralytics/assets/releases), or set yolo.model to "
            f"its path; yolo.model: {path.stem}.yaml trains from random weights on purpose",
        ) from error


def reason_of(error: Exception) -> str:
    lines = re.sub(r"ERROR |[❌\ufe0f]", "", str(error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@functools.cache
def import_ultralytics() -> Any:
    """Import ultralytics with its telemetry, downloads and installs off.

    Raises:
        RequestError: ultralytics or torch is missing or broken, or so old that a weights file could run code.
    """
    if "tensorflow" in sys.modules:
        # TensorFlow and triton, which torch's CUDA builds bring along, each carry an LLVM, and the second one loaded
        # aborts the process. Without triton only torch.compile is missing, which nothing here uses.
        sys.modules.setdefault("triton", None)
    # Torch's default build is one for GPUs, and complains where there is none. A CPU is what is asked for here; where a
    # GPU is named and not there, ultralytics itself refuses.
    warnings.filterwarnings("ignore", "CUDA initialization: Unexpected error from cudaGetDeviceCount", UserWarning)
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
            todo=install_hint("yolo"),
        ) from error
    _guard(ultralytics, torch)
    # Ultralytics does this itself when it trains or predicts (all cores but one); until then threads that wait for a
    # core that another program uses would make opening a model many times slower.
    torch.set_num_threads(NUM_THREADS)
    # dict.update goes past the method that writes the settings file.
    off = ("sync", "clearml", "comet", "dvc", "hub", "mlflow", "neptune", "raytune", "tensorboard", "wandb")
    dict.update(SETTINGS, dict.fromkeys(off, False))
    LOGGER.handlers = [logging.lastResort]  # warnings to stderr; stdout belongs to results
    LOGGER.setLevel(logging.INFO)
    return ultralytics


def _guard(ultralytics: Any, torch: Any) -> None:
    """Refuse what would run whatever a `.pt` file asks for, with which ULTRALYTICS_SAFE_LOAD is without effect."""
    needed = (ultralytics.utils, "SAFE_LOAD"), (torch.serialization, "get_unsafe_globals_in_checkpoint")
    if not all(hasattr(*each) for each in needed):
        raise RequestError(
            f"ultralytics {ultralytics.__version__} with torch {torch.__version__} runs whatever a weights file asks "
            "for, so that opening someone else's is not safe",
            where="train-yolo and YOLO's predictions",
            expected="ultralytics 8.4.67 and torch 2.6, or newer ones",
            todo=install_hint("yolo"),
        )
    from ultralytics.utils.loss import v8ClassificationLoss

    # What a checkpoint to resume from holds beside the network; many releases leave it out of what they allow.
    rate = np.float64(0)
    torch.serialization.add_safe_globals([v8ClassificationLoss, rate.__reduce__()[0], np.dtype, type(rate.dtype)])


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
