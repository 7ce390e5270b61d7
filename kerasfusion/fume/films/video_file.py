"""Films in files to pictures with their times, and pictures to a film; through the optional library PyAV (FFmpeg)."""

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from kerasfusion.errors import KerasFusionError, require
from kerasfusion.files.writing import disk_errors, own_partial
from kerasfusion.images.decoding import ImageError, Stored

TICKS = 1000
"""Of the written film's clock, a second: frames may come at any time."""
LOOKED_AT = 100
"""Frames from whose times their usual step is worked out, and a rate that the file does not say."""
PAUSE = 5
"""Usual steps: a longer one is a pause."""
REORDERED = 16
"""Frames that may lie in the file before one that is shown earlier, at most (H.264, H.265)."""
GREYS = {"gray": "u1", **{f"gray{bits}": "u2" for bits in (9, 10, 12, 14, 16)}, "grayf32": "f4"}
"""Grey pixel format, without its byte order -> its numbers; FFmpeg would scale those of one to another's range."""
COUNTS = frozenset({"gray9", "gray10", "gray12", "gray14"})
"""Those of counts; 16 bits may also hold levels."""
_AVI_CHUNKS = re.compile(rb"LIST|JUNK|idx1|ix\d\d|\d\d[A-Za-z]{2}")
"""What an AVI's lists hold from its frames on."""
_FIRST_BOXES = {b"ftyp", b"mdat", b"wide", b"free", b"skip"}
"""With which an MP4 or MOV begins whose index comes later."""


@dataclass(frozen=True)
class Video:
    """A film's file.

    Attributes:
        path: of the file.
        rate: frames a second, on average; 0 where the file does not say.
        interval: seconds from one frame to the next, pauses left out; 0 where the file does not say.
        seconds: how long it says that it is; None where it does not.
    """

    path: Path
    rate: float
    interval: float
    seconds: float | None

    def pictures(self) -> Iterator[tuple[float, Stored]]:
        """(seconds since the first one, picture), one at a time.

        Raises:
            ImageError: what follows cannot be decoded, or the file ends before it says.
        """
        first, last = None, 0.0
        with _opened(self.path) as (container, stream):
            stream.thread_type = "AUTO"
            for number, frame in enumerate(container.decode(stream)):
                time = frame.time if frame.time is not None else number / (self.rate or 25)
                first = time if first is None else first
                last = time - first
                yield last, stored_frame(frame)
        if first is None:
            raise ImageError("the film has no frame that can be decoded", where=self.path)
        said = None
        if self.seconds is not None and self.seconds - last > max(0.05 * self.seconds, 3 / (self.rate or 25)):
            said = f"{self.seconds:.2f} s long"
        elif ends_within_riff(self.path):
            said = "longer"
        if said is not None:
            raise ImageError(
                f"the film ends after {last:.2f} s and says that it is {said}: it was cut",
                where=self.path,
                todo="copy it from the camera again; what came before the end was answered",
            )


def open_video(path: Path) -> Video:
    """Look at a film's head.

    Raises:
        RequestError: PyAV is not installed.
        ImageError: no film that FFmpeg reads, cut before its index, of an unknown codec, or without pictures.
    """
    with _opened(path) as (container, stream):
        times = _first_times(container, stream)
        length = stream.duration * stream.time_base if stream.duration else None
        if length is None and container.duration:
            length = Fraction(container.duration, 1_000_000)
        rate = _rate_of(stream, times)
        return Video(path, rate, _interval_of(times, rate), None if length is None else float(length))


def _rate_of(stream, times: Sequence[float]) -> float:
    """Frames a second, on average; 0 where the file does not say.

    An MKV that was copied from another file may name the ticks of its clock instead, which the times of its first
    frames show.
    """
    average, guessed = stream.average_rate, stream.guessed_rate
    # Files that count their frames know; of others two rates must agree, on less than a frame a tick.
    if average and (stream.frames or (average == guessed and average * stream.time_base < 1)):
        return float(average)
    if len(times) > 1 and times[-1] > times[0]:
        return (len(times) - 1) / (times[-1] - times[0])
    return float(min(filter(None, (average, guessed)), default=0))


def _interval_of(times: Sequence[float], rate: float) -> float:
    """Seconds from one frame to the next, pauses left out; 0 where the file does not say."""
    average = 1 / rate if rate else 0.0
    if len(times) < 2:
        return average
    steps = np.diff(times)
    step = float(steps[steps <= PAUSE * np.median(steps)].mean())  # the median alone is of whole ticks
    return min(step, average or step)  # an AVI may have the times of its key frames alone


def _first_times(container, stream) -> list[float]:
    """Seconds at which the first frames are shown, as far as the file has them."""
    times = []
    with suppress(require_video().error.FFmpegError):  # cut: what follows is said where it is read
        packets = (packet for packet in container.demux(stream) if packet.pts is not None)
        times.extend(
            float(packet.pts * stream.time_base) for packet in itertools.islice(packets, LOOKED_AT + REORDERED)
        )
    return sorted(times)[:LOOKED_AT]


def require_video():
    """PyAV.

    Raises:
        RequestError: it is not installed.
    """
    return require("av", extra="video")


@contextmanager
def _opened(path: Path):
    av = require_video()
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise ImageError("the film is empty", where=path)
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ImageError("there are no pictures in the film, only sound or data", where=path)
            yield container, container.streams.video[0]
    except (av.error.FFmpegError, ValueError) as error:  # an unknown codec is a ValueError
        if lacks_index(path):
            raise ImageError(
                "the film cannot be read: it was cut, and the index of its frames, which is at its end, is gone",
                where=path,
                expected="an MP4 or MOV with its index (moov)",
                todo="copy it from the camera again; if the recording was broken off, record to MKV, AVI or SEQ, which "
                "are answered as far as they go",
            ) from error
        raise ImageError(
            f"the film cannot be read: {getattr(error, 'strerror', None) or error}",
            where=path,
            expected="MP4, AVI, MOV, MKV or another file that FFmpeg decodes, whole; or a TIFF of many pages",
            todo="copy it again, or export it anew, best without loss (FFV1, or a TIFF of 16 bits)",
        ) from error


def lacks_index(path: Path) -> bool:
    """Whether a file is an MP4 or MOV without the index of its frames, or with a part of it: no program can open it."""
    place = 0
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            while place < length:
                file.seek(place)
                head = file.read(16)
                size, kind = int.from_bytes(head[:4], "big"), head[4:8]
                if place == 0 and kind not in _FIRST_BOXES:
                    return False
                size = int.from_bytes(head[8:], "big") if size == 1 else size
                if kind == b"moov" and place + size <= length:
                    return False
                if size < 8:  # 0: up to the file's end
                    break
                place += size
    except OSError:
        return False
    return place > 0


def ends_within_riff(path: Path) -> bool:
    """Whether a file is an AVI that ends before its lists or its last frame do: FFmpeg takes it for a shorter film."""
    place = length = 0
    is_open = False
    with suppress(OSError), path.open("rb") as file:
        length = path.stat().st_size
        while place < length:
            file.seek(place)
            head = file.read(8)
            kind, size = head[:4], int.from_bytes(head[4:], "little")
            if len(head) < 8 or not (kind == b"RIFF" or (is_open and _AVI_CHUNKS.fullmatch(kind))):
                return False
            if kind in (b"RIFF", b"LIST") and size in (0, 2**32 - 1):
                is_open = True  # its writer could not go back: what the list holds says where it ends
                place += 12
            else:
                place += 8 + size + size % 2
    return place > length + 1


def stored_frame(frame) -> Stored:
    """A frame of PyAV as its pixels: (H, W) of grey levels or counts as they are, else (H, W, 3) RGB.

    Raises:
        ImageError: grey of a kind that is not read.
    """
    name = frame.format.name
    if not name.startswith("gray"):
        return Stored(frame.to_ndarray(format="rgb24"), None, b"")
    grey = name.removesuffix("le").removesuffix("be")
    if (kind := GREYS.get(grey)) is None:
        raise ImageError(
            f"the film's frames are of the pixel format {name}, which is not read",
            expected=f"{', '.join(GREYS)}, or colours",
            todo="export it anew, best as FFV1 in gray16le, or as a TIFF of 16 bits",
        )
    order = ">" if frame.format.is_big_endian else "<"
    rows = np.frombuffer(frame.planes[0], order + kind).reshape(frame.planes[0].height, -1)
    return Stored(rows[:, : frame.width].astype(kind), None, b"", grey in COUNTS)


class VideoWriter:
    """Writes an H.264 film that browsers play; a context manager, after which the film is there whole or not at all.

    Args:
        path: the file, ending in .mp4.
        size: width and height of the pictures, pixels; an odd last row or column is cut off.
        rate: frames a second, about.
        quality: H.264's constant rate factor; 0 loses nothing, 51 most.

    Raises:
        KerasFusionError: the disk is full or refuses the write.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float, quality: int = 20):
        self._av, self._path, self._partial = require_video(), path, own_partial(path)
        self._width, self._height = (side // 2 * 2 for side in size)
        self._last = -1
        with self._errors():
            self._container = self._av.open(str(self._partial), "w", format="mp4")
            stream = self._container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1000))
            stream.width, stream.height, stream.pix_fmt = self._width, self._height, "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
            stream.options = {"preset": "veryfast", "crf": str(quality)}
            self._stream = stream

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            with self._errors():
                if kind is None:
                    self._container.mux(self._stream.encode())
                self._container.close()
                if kind is None:
                    self._partial.replace(self._path)
        finally:
            self._partial.unlink(missing_ok=True)

    def write(self, time: float, picture: np.ndarray) -> None:
        """Add an (H, W, 3) uint8 picture that is shown from `time` on, seconds; later than the one before."""
        frame = self._av.VideoFrame.from_ndarray(
            np.ascontiguousarray(picture[: self._height, : self._width]), format="rgb24"
        )
        self._last = frame.pts = max(round(time * TICKS), self._last + 1)
        frame.time_base = Fraction(1, TICKS)
        with self._errors():
            self._container.mux(self._stream.encode(frame))

    @contextmanager
    def _errors(self):
        with disk_errors(self._path):
            try:
                yield
            except self._av.error.FFmpegError as error:
                if isinstance(error, OSError):
                    raise
                raise KerasFusionError(f"the film cannot be written: {error}", where=self._path) from error
