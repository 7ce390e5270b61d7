"""YOLO classifiers in a process of their own.

They work at the same time as the ViT, their memory is given back at the end, and TensorFlow and a CUDA build of torch,
which each carry an LLVM and can abort a process that loads both, stay apart.
"""

import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np

from kerasfusion.errors import KerasFusionError

_classifiers = None  # in the child process alone


class YoloProcess:
    """YOLO classifiers that answer from another process, until it is closed.

    Args:
        weights: `.pt` files of classifiers with the two classes.
        device: "cpu", or a CUDA device number.

    Attributes:
        image_size: side of the square crops that it takes, pixels.

    Raises:
        RequestError: ultralytics is not installed, or a file is not such a classifier.
    """

    def __init__(self, weights: Sequence[Path], device: str = "cpu"):
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        try:
            self.image_size: int = self._pool.submit(_load, weights, device).result()
        except BaseException:
            self._pool.shutdown(wait=False)
            raise

    def submit(self, crops: np.ndarray, answering: Sequence[tuple[int, ...]]):
        """Like `YoloClassifiers.predict`, but returns at once; calling what it returns waits for the answer."""
        future = self._pool.submit(_predict, crops, answering)
        return lambda: _answer(future)

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _answer(future: Future) -> np.ndarray:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise KerasFusionError(
            "the process that runs YOLO died", todo="a smaller batch needs less memory: --batch 4 or 2"
        ) from error


def _load(weights: Sequence[Path], device: str) -> int:
    global _classifiers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; the parent ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from kerasfusion.roadwork.branches.yolo_classifier import YoloClassifiers

    _classifiers = YoloClassifiers(weights, device)
    return _classifiers.image_size


def _end_with_parent() -> None:
    """A parent that is killed cannot end this process; without it the process would wait for work forever."""
    parent_process().join()
    os._exit(1)


def _predict(crops: np.ndarray, answering: Sequence[tuple[int, ...]]) -> np.ndarray:
    return _classifiers.predict(crops, answering)
