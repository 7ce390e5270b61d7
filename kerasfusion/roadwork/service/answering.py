"""What runs in the worker's process: the model, and batches of photos that are decoded and answered.

An error that is not one photo's own ends the process: the service then starts another one.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import files_sha256
from kerasfusion.formats.measuring import model_parts
from kerasfusion.formats.opening import open_model
from kerasfusion.images.decoding import ImageError, TooManyPixelsError, decode_image
from kerasfusion.machine.device import use_device
from kerasfusion.roadwork.detect.detector import Detection, Detector
from kerasfusion.roadwork.service.settings import ServiceSettings

PATIENCE_S = 0.25
"""So long the photos of a batch wait for those that are still being decoded; then they are answered without them."""


@dataclass(frozen=True)
class Opened:
    """The model is open.

    Attributes:
        model_sha256: see `model_digest`.
        precision: what the file says that it computes in.
    """

    model_sha256: str
    precision: str


@dataclass(frozen=True)
class NotOpened:
    """The model cannot be opened; the attributes are those of the error."""

    what: str
    expected: str | None = None
    todo: str | None = None
    exit_code: int = 1


@dataclass(frozen=True)
class Unreadable:
    """A photo that cannot be answered.

    Attributes:
        too_large: more pixels than are decoded.
        what, expected: as the error has them.
    """

    too_large: bool
    what: str
    expected: str


@dataclass(frozen=True)
class Broken:
    """What the model said of a photo is no probability; the attributes are those of the error."""

    what: str
    expected: str
    todo: str


@dataclass(frozen=True)
class Answers:
    """What came of a batch, or of those of its photos that were decoded first.

    Attributes:
        places: of these photos in the batch.
        found: in the order of `places`.
        seconds: since the batch was begun.
    """

    places: list[int]
    found: list[Detection | Unreadable | Broken]
    seconds: float


def run(connection: Connection, settings: ServiceSettings, prepare: Callable[[], None] | None) -> None:
    """Open the model, say so (Opened or NotOpened), and answer batches until the service ends.

    Args:
        connection: to the service. A batch comes as the number of its photos and then the bytes of each; the replies
            are Answers, until all photos have theirs.
        settings: the service's.
        prepare: called before the model is opened.
    """
    for name in (signal.SIGINT, signal.SIGTERM):  # reach the whole group; the service ends this process when it is done
        signal.signal(name, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        if prepare is not None:
            prepare()
        detector, opened = _open(settings)
    except KerasFusionError as error:
        connection.send(NotOpened(error.what, error.expected, error.todo, error.exit_code))
        return
    except Exception as error:  # whatever a library raises on a damaged file
        connection.send(NotOpened(f"{type(error).__name__}: {error}"))
        return
    connection.send(opened)
    threads = max(2, min(settings.batch, os.cpu_count() or 1))  # beside one photo that takes long, others are decoded
    with ThreadPoolExecutor(threads) as pool:
        while True:
            photos = [connection.recv_bytes() for _ in range(connection.recv())]
            for answers in answer_batch(detector, pool, photos, settings.max_pixels):
                connection.send(answers)


def answer_batch(
    detector: Detector, pool: ThreadPoolExecutor, photos: Sequence[bytes], max_pixels: int
) -> Iterator[Answers]:
    """Answer photos in one forward pass; one that cannot be read or answered does not touch the others.

    Those that take longer than PATIENCE_S to decode are answered afterwards.

    Args:
        detector: opened model.
        pool: decodes.
        photos: encoded files.
        max_pixels: largest photo that is decoded.
    """
    begin = time.perf_counter()
    places = {pool.submit(_view, detector, max_pixels, photo): place for place, photo in enumerate(photos)}
    while places:
        done = wait(places, PATIENCE_S).done or wait(places, return_when=FIRST_COMPLETED).done
        decoded = {places.pop(future): future.result() for future in sorted(done, key=places.__getitem__)}
        yield Answers(list(decoded), _answers(detector, list(decoded.values())), time.perf_counter() - begin)


def _answers(
    detector: Detector, views: Sequence[dict[str, np.ndarray] | Unreadable]
) -> list[Detection | Unreadable | Broken]:
    readable = [view for view in views if not isinstance(view, Unreadable)]
    detections = iter(_detect(detector, readable) if readable else ())
    return [view if isinstance(view, Unreadable) else next(detections) for view in views]


def _detect(detector: Detector, readable: Sequence[dict[str, np.ndarray]]) -> list[Detection | Broken]:
    try:
        return list(detector.detect_prepared(readable))
    except RequestError as error:  # of one photo; which one, each by itself shows
        if len(readable) == 1:
            return [Broken(error.what, error.expected, error.todo)]
        return [found for views in readable for found in _detect(detector, [views])]


def model_digest(path: Path) -> str:
    """The sha256 of a model's file as hex; of the digests of both files, one a line, where OpenVINO has two."""
    return files_sha256([part for part in model_parts(path) if part.is_file()])


def _open(settings: ServiceSettings) -> tuple[Detector, Opened]:
    path = settings.model
    digest = model_digest(path)
    use_device(path, settings.device)
    model = open_model(path)
    if any(len(shape) != 3 for shape in model.inputs.values()):
        raise RequestError("trained parts alone cannot answer a photo", where=path, todo="name fusion.keras")
    detector = Detector(model, settings.tta, settings.max_pixels, path, settings.full)
    if model_digest(path) != digest:
        raise KerasFusionError("the model's file changed while it was opened", where=path)
    return detector, Opened(digest, model.description.get("precision", "float32"))


def _view(detector: Detector, max_pixels: int, photo: bytes) -> dict[str, np.ndarray] | Unreadable:
    try:
        return detector.prepare(decode_image(photo, max_pixels))
    except TooManyPixelsError as error:
        return Unreadable(True, error.what, f"at most {max_pixels:,} pixels")
    except ImageError as error:
        return Unreadable(False, error.what, error.expected)


def _end_with_parent() -> None:
    """A service that is killed cannot end this process; without it the process would wait for work forever."""
    parent_process().join()
    os._exit(1)
