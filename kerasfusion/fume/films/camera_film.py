"""FLIR's own films, SEQ and CSQ: the counts of each frame with the time at which the camera says that it was taken."""

import itertools
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kerasfusion.errors import RequestError
from kerasfusion.fume.films.fff_container import CAMERA, RAW, Records, byte_order, frames_of, read_record
from kerasfusion.fume.films.fff_counts import counts_of
from kerasfusion.images.decoding import ImageError, Stored

SUFFIXES = frozenset({".seq", ".csq", ".fff"})
_TIME, _RATE = 0x384, 0x464
"""Places in the camera's record: seconds since 1970 and thousandths of one; frames a second."""
_LOOKED_AT = 10
"""Frames from whose times the rate is worked out."""


@dataclass(frozen=True)
class CameraFilm:
    """A SEQ or CSQ file.

    Attributes:
        path: of the file.
        rate: frames a second, on average.
        seconds: how long it is, by its size.
        has_times: whether each frame's own time counts; else frames come at the rate.
    """

    path: Path
    rate: float
    seconds: float
    has_times: bool

    def pictures(self) -> Iterator[tuple[float, Stored]]:
        """(seconds since the first one, (H, W) uint16 counts), one at a time.

        Raises:
            RequestError: frames in JPEG-LS, and PyAV is not installed.
            ImageError: what follows is damaged, or the file ends within a frame.
        """
        with _opened(self.path) as file:
            first = last = None
            for number, frame in enumerate(frames_of(file, self.path)):
                time = number / self.rate
                if self.has_times:
                    taken = _time_of(file, frame, self.path)
                    first = taken if first is None else first
                    time = None if taken is None else taken - first
                    if time is None or (last is not None and time <= last):
                        raise ImageError(
                            f"frame {number + 1} was taken {'at no time' if time is None else 'before the last one'}, "
                            "by the camera's clock",
                            where=self.path,
                            todo="say how many frames were taken a second, such as --rate 30",
                        )
                last = time
                yield time, Stored(self._counts(file, frame, number), None, b"")

    def _counts(self, file: BinaryIO, frame: Records, number: int):
        record = read_record(file, frame, RAW, self.path)
        if record is None:
            raise ImageError(f"frame {number + 1} has no counts", where=self.path)
        return counts_of(record, self.path)


def open_camera_film(path: Path, rate: float | None = None) -> CameraFilm:
    """Look at a film's first frames.

    Args:
        path: the file.
        rate: frames a second; None takes each frame's own time, or the rate that the camera wrote.

    Raises:
        RequestError: the film says nothing of times.
        ImageError: no film of this kind, or a damaged one.
    """
    with _opened(path) as file:
        frames = list(itertools.islice(_while_whole(frames_of(file, path)), _LOOKED_AT))
        times = [_time_of(file, frame, path) for frame in frames]
        size = file.seek(0, 2) / (frames[-1].end / len(frames))
        if rate is not None:
            return CameraFilm(path, rate, size / rate, False)
        rising = None not in times and all(one < other for one, other in itertools.pairwise(times))
        if rising and len(times) > 1:
            rate = (len(times) - 1) / (times[-1] - times[0])
            return CameraFilm(path, rate, size / rate, True)
        said = _rate_of(file, frames[0], path)
        if not said:
            raise RequestError(
                "the film does not say when its frames were taken", where=path, todo="add --rate, such as --rate 30"
            )
        return CameraFilm(path, float(said), size / said, False)


def _while_whole(frames: Iterator[Records]) -> Iterator[Records]:
    """The frames before a damage, of which there must be one; the film is answered as far as it goes."""
    yield next(frames)
    try:
        yield from frames
    except ImageError:
        return


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        if path.stat().st_size == 0:
            raise ImageError("the film is empty", where=path)
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise ImageError(f"cannot read the film: {error.strerror or error}", where=path) from error


def _time_of(file: BinaryIO, frame: Records, path: Path) -> float | None:
    """Seconds since 1970; None where the camera has no clock, or did not say."""
    record = read_record(file, frame, CAMERA, path, _TIME + 8)
    if record is None or len(record) < _TIME + 8:
        return None
    seconds, thousandths = struct.unpack_from(f"{byte_order(record)}II", record, _TIME)
    return seconds + (thousandths & 0xFFFF) / 1000 if seconds else None


def _rate_of(file: BinaryIO, frame: Records, path: Path) -> int:
    record = read_record(file, frame, CAMERA, path, _RATE + 2)
    if record is None or len(record) < _RATE + 2:
        return 0
    return struct.unpack_from(f"{byte_order(record)}H", record, _RATE)[0]
