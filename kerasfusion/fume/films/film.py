"""A film of one gas as the levels that a network is given, whatever file it lies in."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol, TypeVar

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.data.frame_reading import levels_of
from kerasfusion.fume.films.camera_film import SUFFIXES as FLIR_SUFFIXES
from kerasfusion.fume.films.camera_film import open_camera_film
from kerasfusion.fume.films.video_file import open_video
from kerasfusion.images.decoding import ImageError, Stored, read_pages
from kerasfusion.images.formats import open_image

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".mts", ".ts"})
REFUSED_SUFFIXES = frozenset({".ats", ".sfmov"})
"""Of films of FLIR's programs, whose layout is not public."""
Frame = TypeVar("Frame")
_TIFF = frozenset({".tif", ".tiff"})
_RECENT = 5
"""Steps between frames whose median tells how fast a film is now."""


@dataclass(frozen=True)
class Shot:
    """One frame of a film.

    Attributes:
        time: seconds since the film's first frame, plus its offset.
        levels: (H, W) uint8.
    """

    time: float
    levels: np.ndarray


class Source(Protocol):
    """What a film is read from."""

    def pictures(self) -> Iterator[tuple[float, Stored]]:
        """(seconds since the first one, picture as the file has it), one at a time."""


@dataclass(frozen=True)
class _Pages:
    """A TIFF of many pages."""

    path: Path
    rate: float

    def pictures(self) -> Iterator[tuple[float, Stored]]:
        return ((number / self.rate, stored) for number, stored in enumerate(read_pages(self.path)))


@dataclass
class Film:
    """One gas's film, or what a camera sees now.

    Attributes:
        name: its file, or what the camera is called.
        rate: frames a second, on average.
        seconds: how long it is, about; None where that is not known.
        offset: seconds that are added to its times.
        how: how its frames become levels.
        source: what its frames come from.
        size: (H, W) of its first frame, pixels; None before that was read.
        frames: how many were read so far.
        end: time of the last one, offset included.
        trouble: why it could not be read to its end; None if it could.
        interval: seconds from one frame to the next as it begins, pauses left out; that of its rate unless said.
    """

    name: str
    rate: float
    seconds: float | None
    offset: float
    how: FrameReading
    source: Source
    size: tuple[int, int] | None = None
    frames: int = 0
    end: float = field(default=0.0)
    trouble: ImageError | None = None
    interval: float = 0.0
    _steps: deque = field(default_factory=lambda: deque(maxlen=_RECENT), repr=False)

    def __post_init__(self):
        self.interval = self.interval or 1 / self.rate

    @property
    def step(self) -> float:
        """Seconds from one frame to the next where it was read to: the interval, or more where it has become slower."""
        return max(self.interval, median(self._steps) if len(self._steps) == _RECENT else 0.0)

    def shots(self) -> Iterator[Shot]:
        """Its frames as levels, one at a time; one that cannot be read ends the film, and `trouble` says why.

        Raises:
            ImageError: not even the first frame can be read.
        """
        return self._until_trouble(
            Shot(time, levels_of(stored, self.how, self.name)) for time, stored in self._at_their_times()
        )

    @property
    def passed_over(self) -> int:
        """Frames of a live source that were not answered."""
        return getattr(self.source, "passed_over", 0)

    def pictures(self) -> Iterator[tuple[float, Stored]]:
        """(time, frame as the file has it), one at a time; else as `shots`."""
        return self._until_trouble(self._at_their_times())

    def _until_trouble(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        try:
            yield from frames
        except ImageError as error:
            if self.frames == 0:
                raise
            self.trouble = error

    def _at_their_times(self) -> Iterator[tuple[float, Stored]]:
        for time, stored in self.source.pictures():
            self.size = self.size or stored.pixels.shape[:2]
            time += self.offset
            if self.frames:
                self._steps.append(time - self.end)
            yield time, stored
            self.end, self.frames = time, self.frames + 1


def is_film(path: Path, how: FrameReading | None = None) -> bool:
    """Whether a file is a film: by its ending, or a TIFF of several pages of which none is chosen."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES | FLIR_SUFFIXES | REFUSED_SUFFIXES:
        return True
    return suffix in _TIFF and (how is None or how.page is None) and _page_count(path) > 1


def open_film(path: Path, how: FrameReading, rate: float | None = None, offset: float = 0.0) -> Film:
    """Look at a film's head.

    Args:
        path: its file.
        how: how its frames become levels.
        rate: frames a second, of a TIFF, which has no times, or of a camera's film whose times are wrong.
        offset: seconds that are added to its times.

    Raises:
        RequestError: no such file, a format that is not read, a TIFF without a rate, or a rate for another file.
        ImageError: it cannot be read.
    """
    if not path.is_file():
        if path.is_dir():
            raise RequestError("it is a folder", where=path, expected="a film's file", todo="name the films in it")
        raise RequestError("there is no such film", where=path)
    suffix = path.suffix.lower()
    if suffix in REFUSED_SUFFIXES:
        raise RequestError(
            f"{suffix[1:].upper()} is the camera's own format, which is not read here",
            where=path,
            expected="SEQ, CSQ, another film, or a TIFF of many pages",
            todo="export it in the camera's program as a TIFF of 16 bits (counts or degrees), or as MP4 or AVI in grey",
        )
    if suffix in FLIR_SUFFIXES:
        camera = open_camera_film(path, rate)
        return Film(str(path), camera.rate, camera.seconds, offset, how, camera)
    if suffix not in _TIFF:
        if rate is not None:
            raise RequestError("--rate is for TIFFs, SEQ and CSQ: this film has times of its own", where=path)
        video = open_video(path)
        return Film(str(path), video.rate or 25.0, video.seconds, offset, how, video, interval=video.interval)
    if rate is None:
        raise RequestError(
            "a TIFF does not say when its pages were filmed", where=path, todo="add --rate, such as --rate 30"
        )
    return Film(str(path), rate, _page_count(path) / rate, offset, how, _Pages(path, rate))


def _page_count(path: Path) -> int:
    try:
        with open_image(path) as image:
            return getattr(image, "n_frames", 1)
    except (OSError, SyntaxError, ValueError):
        return 1  # its reader says what is wrong with it
