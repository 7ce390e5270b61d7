"""`predict --camera`: a live source is answered until it is interrupted, and all files are then written."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kerasfusion.fume.detect.answering import Network
from kerasfusion.fume.films.job import FilmRequest, FilmResult, answer_films
from kerasfusion.fume.films.live_source import open_camera

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def answer_camera(
    network: Network, camera: str, gas: str, request: FilmRequest, show: Callable[[dict[str, str]], None]
) -> FilmResult:
    """Answer what a camera sees, frame by frame, until Ctrl-C (or SIGTERM); a second one ends at once.

    Args:
        network: opened.
        camera: its number or name, a device, a pipe, or an address.
        gas: that it films.
        request: without files; a batch is one frame.
        show: told of each row of the table when it is there.

    Raises:
        RequestError: no such camera.
        ImageError: it cannot be opened, or its first frame not be read.
        KerasFusionError: the folder cannot be written, or another run is writing it.
    """
    with until_interrupted() as stopped:
        return answer_films(network, request, {gas: open_camera(camera, network.frames, stopped)}, show)


@contextmanager
def until_interrupted() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, or the end; what comes after it has its usual effect."""
    stopped, usual = threading.Event(), {}

    def stop(number: int, frame: object) -> None:
        stopped.set()
        restore()

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    try:
        for number in SIGNALS:
            usual[number] = signal.signal(number, stop)
        yield stopped
    finally:
        stopped.set()
        restore()
