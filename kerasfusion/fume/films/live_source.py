"""A camera, a stream or a pipe that sends frames now; through the optional library PyAV (FFmpeg)."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from kerasfusion.errors import RequestError, require
from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.films.film import Film
from kerasfusion.fume.films.video_file import stored_frame
from kerasfusion.images.decoding import ImageError, Stored

SILENCE = 10.0
"""Seconds without a frame from a network's stream after which it has ended."""
_LOOK = 0.1
"""Seconds between two looks at whether it is to end."""
_BETWEEN = 0.002
"""Seconds to the next question where a camera has no frame yet."""
_USUAL_RATE = 25.0
_INTERRUPTED = "it was interrupted before the camera's first frame"
_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


@dataclass(frozen=True)
class Device:
    """What FFmpeg opens.

    Attributes:
        url: path, address, or what the system calls the device.
        form: FFmpeg's name for that kind of input; None finds it out.
        name: for messages and files; without a password.
        options: of the input.
    """

    url: str
    form: str | None
    name: str
    options: dict[str, str] = field(default_factory=dict)


def find_device(source: str) -> Device:
    """What is meant by a camera's number, its name, an address, or the path of a device or pipe.

    Raises:
        RequestError: there is no such camera, or it is a film's file.
    """
    form = _FORMATS.get(sys.platform, "v4l2")
    if "://" in source:
        address = urlsplit(source)
        return Device(source, None, address._replace(netloc=address.netloc.rpartition("@")[2]).geturl())
    if Path(source).is_file():
        raise RequestError("this is a film's file, no camera", where=source, todo=f"name it so: --co2 {source}")
    if form == "v4l2" and source.isdigit():
        return _existing(f"/dev/video{source}", f"camera {source}", form)
    if form == "v4l2" or Path(source).exists():
        return _existing(source, source, form if Path(source).is_char_device() else None)
    if form == "avfoundation":  # its own default rate is one that most cameras refuse
        return Device(f"{source}:none", form, f"camera {source}", {"framerate": "30"})
    if source.isdigit():
        raise RequestError(
            f"there is no camera {source}: cameras have names here",
            where="--camera",
            todo='name it as the device manager does, such as --camera "FLIR Camera"',
        )
    return Device(f"video={source}", form, source)


def _existing(url: str, name: str, form: str | None) -> Device:
    if Path(url).exists():
        return Device(url, form, name)
    there = sorted(str(path) for path in Path("/dev").glob("video*"))
    raise RequestError(
        f"there is no {name}" if name != url else "there is no such camera",
        where=url,
        expected=f"one of {', '.join(there)}" if there else "a camera; this machine has none",
        todo="plug it in, or name its number, its path, or its address, such as rtsp://HOST/STREAM",
    )


@dataclass
class LiveSource:
    """Frames as they come; of those that come while the last one is being answered only the newest is kept.

    Attributes:
        device: where they come from.
        stopped: set it, and there are no more.
        passed_over: frames that came and were not asked for.
    """

    device: Device
    container: object
    stopped: threading.Event
    passed_over: int = 0

    def pictures(self) -> Iterator[tuple[float, Stored]]:
        """(seconds since the first one that came, picture), until `stopped` is set or the sender ends.

        Raises:
            ImageError: the camera fails, was taken away, or no frame of it has come and could be decoded.
        """
        newest = _Newest()
        # A read that waits for the camera cannot be called off: the thread ends with the next frame, or the process.
        threading.Thread(target=self._read, args=(newest,), daemon=True).start()
        answered = False
        while not self.stopped.is_set():
            if not newest.arrived.wait(_LOOK):
                continue
            time, frame, passed_over, error = newest.take()
            self.passed_over += passed_over
            if frame is None:
                if error is not None or not answered:
                    raise ImageError(f"the camera sends no more: {_reason(error)}", where=self.device.name) from error
                return
            answered = True
            yield time, stored_frame(frame)
        if not answered:
            raise ImageError(_INTERRUPTED, where=self.device.name)

    def _read(self, newest: "_Newest") -> None:
        number, first, last = 0, None, -1.0
        try:
            rate = float(self.container.streams.video[0].average_rate or _USUAL_RATE)
            for frame in self._frames():
                time = frame.time if frame.time is not None else number / rate
                first, number = time if first is None else first, number + 1
                if time - first > last:  # a camera's clock may stand still for a frame
                    last = time - first
                    newest.put(last, frame)
                if self.stopped.is_set():
                    break
            newest.end(None)
        except Exception as error:  # whatever it is: nobody else would hear of it
            newest.end(error)
        finally:
            self.container.close()

    def _frames(self) -> Iterator:
        """The frames of PyAV; FFmpeg's macOS cameras say that they have none yet where others wait."""
        not_yet = require("av", extra="video").error.BlockingIOError
        while not self.stopped.is_set():
            try:
                yield from self.container.decode(video=0)
                return
            except not_yet:
                self.stopped.wait(_BETWEEN)


def _reason(error: Exception | None) -> str:
    """Why the frames end, in words."""
    return "it has ended without a frame" if error is None else str(error) or type(error).__name__


class _Newest:
    """The newest frame, given from one thread to another; `arrived` is set while there is one, or the end."""

    def __init__(self):
        self.arrived = threading.Event()
        self._lock = threading.Lock()
        self._frame: tuple[float, object] | None = None
        self._passed_over, self._ended = 0, False
        self._error: Exception | None = None

    def put(self, time: float, frame: object) -> None:
        with self._lock:
            self._passed_over += self._frame is not None
            self._frame = time, frame
            self.arrived.set()

    def end(self, error: Exception | None) -> None:
        with self._lock:
            self._ended, self._error = True, error
            self.arrived.set()

    def take(self) -> tuple[float, object | None, int, Exception | None]:
        """(time, frame, frames passed over since the last one, None); without a frame the end, and why."""
        with self._lock:
            passed_over, self._passed_over = self._passed_over, 0
            if self._frame is None:
                return 0.0, None, passed_over, self._error
            (time, frame), self._frame = self._frame, None
            if not self._ended:
                self.arrived.clear()
            return time, frame, passed_over, None


def open_camera(source: str, how: FrameReading, stopped: threading.Event) -> Film:
    """Open a camera as a film without an end.

    Args:
        source: as `find_device` takes it.
        how: how its frames become levels.
        stopped: ends it, also while it is being opened.

    Raises:
        RequestError: PyAV is not installed, or there is no such camera.
        ImageError: it cannot be opened, or was stopped before it was.
    """
    av = require("av", extra="video")
    device = find_device(source)
    with _naming(device, av):
        container = _open(device, av, stopped)
        if not container.streams.video:
            raise ImageError("there are no pictures in the stream, only sound or data", where=device.name)
        stream = container.streams.video[0]
        rate = float(stream.average_rate or stream.guessed_rate or _USUAL_RATE)
    return Film(device.name, rate, None, 0.0, how, LiveSource(device, container, stopped))


def _open(device: Device, av, stopped: threading.Event):
    """The device's container, opened in a thread, since that waits for the sender and cannot be called off.

    Raises:
        ImageError: stopped meanwhile.
    """
    opening: Future = Future()

    def work() -> None:
        try:
            container = av.open(device.url, format=device.form, options=device.options, timeout=SILENCE)
        except Exception as error:  # whatever it is: nobody else would hear of it
            opening.set_exception(error)
        else:
            opening.set_result(container)
            stopped.wait()  # on Windows a camera (DirectShow, COM) may go with the thread that opened it

    threading.Thread(target=work, daemon=True).start()
    while not stopped.is_set():
        if wait([opening], _LOOK).done and not stopped.is_set():  # the Ctrl-C itself may have ended it
            return opening.result()
    opening.add_done_callback(lambda done: done.exception() or done.result().close())
    raise ImageError(_INTERRUPTED, where=device.name)


@contextmanager
def _naming(device: Device, av):
    try:
        yield
    except (av.error.FFmpegError, ValueError) as error:
        raise ImageError(
            f"the camera cannot be opened: {getattr(error, 'strerror', None) or error}",
            where=device.name,
            expected="a camera that no other program uses and that you may read, or a stream that is sent now",
            todo="end the other program; on Linux, be in the group `video`",
        ) from error
