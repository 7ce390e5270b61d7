"""`predict` of a film: a table, a film with the masks, a figure and a summary; memory does not grow with the film."""

import csv
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.figure_style import save_png
from kerasfusion.files.json_yaml import read_json, write_json
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.writing import disk_errors, own_partial, remove_abandoned
from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.detect.answering import Network
from kerasfusion.fume.films.alignment import Moment, moments
from kerasfusion.fume.films.course import Course, course_lines
from kerasfusion.fume.films.figure import draw_course
from kerasfusion.fume.films.film import Film, open_film
from kerasfusion.fume.films.measuring import Measure, cells_of, columns_of, join_answers, names_of
from kerasfusion.fume.films.overlay import OverlayPainter
from kerasfusion.fume.films.video_file import VideoWriter, require_video
from kerasfusion.progress import track

TABLE, OVERLAY, FIGURE, SUMMARY = "film.csv", "overlay.mp4", "course.png", "summary.json"


@dataclass(frozen=True)
class FilmRequest:
    """What is asked for.

    Attributes:
        files: {gas: film}, one or two; none where films are opened already.
        out: folder for the four files.
        offset: seconds by which the CH4 film began after the CO2 film.
        rate: frames a second, of films without times.
        scale: mm that a pixel is wide; None gives no areas in mm2.
        batch: moments a forward pass.
    """

    files: dict[str, Path]
    out: Path
    offset: float = 0.0
    rate: float | None = None
    scale: float | None = None
    batch: int = 8


@dataclass(frozen=True)
class FilmResult:
    """What came of it.

    Attributes:
        summary: what summary.json holds.
        troubles: why a film could not be read to its end.
    """

    summary: dict[str, Any]
    troubles: list[str]

    def lines(self) -> list[str]:
        """For a person."""
        found = self.summary
        speed = f", {found['times_its_speed']:.2f} times the film's own speed" if found["times_its_speed"] else ""
        lines = [
            f"{found['moments']} moments in {found['seconds']:.1f} s{speed}",
            *course_lines(found),
            *found["notes"],
        ]
        return [*lines, f"kept in {found['out']}: {TABLE}, {OVERLAY}, {FIGURE}, {SUMMARY}"]


def refuse_other_films(out: Path, files: Mapping[str, Path]) -> None:
    """Check that a folder holds no results, or those of the same films, which may be answered again.

    Args:
        out: folder for the four files.
        files: {gas: film}; none of a camera, which never shows the same again.

    Raises:
        RequestError: results of other films, or of films that no summary tells, such as the table of a camera whose run
            was killed.
    """
    path = out / SUMMARY
    if not path.exists() and not (out / TABLE).exists():
        return
    asked = {gas: str(file.resolve()) for gas, file in files.items()}
    try:
        known = (read_json(path) or {}).get("films")
    except KerasFusionError:
        known = None
    told = "results, and it cannot be read of which films they are"
    if isinstance(known, dict) and all(isinstance(name, str) for name in known.values()):
        if files and {gas: str(Path(name).resolve()) for gas, name in known.items()} == asked:
            return
        told = f"the results of {' and '.join(f'{name} ({gas.upper()})' for gas, name in known.items())}"
    raise RequestError(
        f"the folder holds {told}",
        where=out,
        expected="a folder without results" + (", or with those of the same films" if files else ""),
        todo=f"name another with --out, or delete the old ones ({TABLE}, {OVERLAY}, {FIGURE}, {SUMMARY})",
    )


def answer_film(network: Network, request: FilmRequest) -> FilmResult:
    """Answer a film, or two of one scene, moment by moment.

    A film that is cut is answered as far as it goes.

    Raises:
        RequestError: no such film, options that make no sense, or a folder that holds the results of other films.
        ImageError: a film cannot be read at all.
        KerasFusionError: the folder cannot be written, or another run is writing it.
    """
    if request.offset and len(request.files) < 2:
        raise RequestError("--offset moves one film against the other", expected="--co2 and --ch4")
    films = {
        gas: open_film(request.files[gas], network.frames, request.rate, request.offset if gas == "ch4" else 0.0)
        for gas in GASES
        if gas in request.files
    }
    return answer_films(network, request, films)


def answer_films(
    network: Network,
    request: FilmRequest,
    films: Mapping[str, Film],
    show: Callable[[dict[str, str]], None] | None = None,
) -> FilmResult:
    """`answer_film` of films that are open, or of a camera.

    Args:
        network: opened.
        request: its `files` are not opened.
        films: {gas: film}, one or two.
        show: told of each row of the table when it is there, which is then written at once and under its own name: a
            live row does not come again. None writes the table whole.
    """
    network.require_gases(films)
    require_video()  # for the overlays; before the folder is made
    with only_writer(request.out):
        refuse_other_films(request.out, request.files)
        request.out.mkdir(parents=True, exist_ok=True)
        remove_abandoned(request.out)
        return _answer(network, request, films, show)


def _answer(network: Network, request: FilmRequest, films: Mapping[str, Film], show) -> FilmResult:
    begin, names = time.monotonic(), names_of(network, tuple(films))
    course, measure = Course(names), Measure()
    with ExitStack() as stack:
        columns = columns_of(names, "state" in network.outputs, request.scale)
        table = stack.enter_context(_Table(request.out / TABLE, columns, is_live=show is not None))
        film = _OverlayFilm(stack, request.out / OVERLAY, films)
        for moment, masks, state in _answered(network, films, request.batch):
            row = measure.row(moment, masks, state)
            course.add(row)
            cells = cells_of(row, request.scale)
            table.write(cells)
            if show is not None:
                show(cells)
            film.write(moment, masks, row)
    title = " and ".join(Path(film.name).name for film in films.values())
    save_png(draw_course(course, title), request.out / FIGURE)
    spent = time.monotonic() - begin
    length = course.times[-1] - course.times[0] if len(course.times) > 1 else 0.0
    troubles = [str(film.trouble) for film in films.values() if film.trouble is not None]
    summary = {
        "films": {
            gas: str(request.files[gas].resolve()) if request.files else film.name for gas, film in films.items()
        },
        "out": str(request.out),
        "offset": request.offset,
        **course.to_json(request.scale),
        "film_seconds": length,
        "seconds": spent,
        "times_its_speed": length / spent if length and show is None else None,
        "notes": _notes(films),
        "troubles": troubles,
    }
    write_json(request.out / SUMMARY, summary)
    return FilmResult(summary, troubles)


def _answered(network: Network, films: Mapping[str, Film], batch: int) -> Iterator[tuple]:
    """(moment, masks, state), a batch of moments at a time."""
    longest = max(films.values(), key=lambda film: film.seconds or 0)
    total = round((longest.seconds or 0) * longest.rate) or None
    stream = track(moments(films), "answer", total=total) if total else moments(films)
    for chunk in _chunks(stream, batch):
        questions = [
            network.parts(network.prepare({gas: shot.levels for gas, shot in moment.shots.items()})) for moment in chunk
        ]
        answers = iter(network.answer([part for parts in questions for part in parts]))
        for moment, parts in zip(chunk, questions, strict=True):
            yield moment, *join_answers(network, moment, list(itertools.islice(answers, len(parts))))


def _chunks(stream: Iterator[Moment], size: int) -> Iterator[list[Moment]]:
    while chunk := list(itertools.islice(stream, size)):
        yield chunk


class _Table:
    """A CSV that is there once it is whole, or, of a live source, with its first row; a context manager.

    Raises:
        KerasFusionError: the disk is full or refuses the write.
    """

    def __init__(self, path: Path, columns: list[str], is_live: bool):
        self._path, self._columns, self._is_live = path, columns, is_live
        self._written_to = path if is_live else own_partial(path)
        self._rows = 0

    def __enter__(self) -> "_Table":
        with disk_errors(self._path):
            self._file = self._written_to.open("w", newline="", encoding="utf-8")
            self._writer = csv.DictWriter(self._file, self._columns, lineterminator="\n")
            self._writer.writeheader()
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            with disk_errors(self._path):
                self._file.close()
                if kind is None and not self._is_live:
                    self._written_to.replace(self._path)
        finally:
            if not self._is_live or not self._rows:  # a live row stays whatever comes after it
                self._written_to.unlink(missing_ok=True)

    def write(self, cells: Mapping[str, str]) -> None:
        with disk_errors(self._path):
            self._writer.writerow(cells)
            if self._is_live:
                self._file.flush()
        self._rows += 1


class _OverlayFilm:
    """The film with the masks; it is begun with the first moment, when each film's first frame has been read."""

    def __init__(self, stack: ExitStack, path: Path, films: Mapping[str, Film]):
        self._stack, self._path, self._films = stack, path, films
        self._painter: OverlayPainter | None = None

    def write(self, moment: Moment, masks: Mapping, row) -> None:
        if self._painter is None:
            self._begin(moment.time)
        self._writer.write(row.time - self._first, self._painter.paint(moment, masks, row))

    def _begin(self, time: float) -> None:
        self._painter = OverlayPainter({gas: film.size for gas, film in self._films.items() if film.size is not None})
        self._first = time
        rate = max(film.rate for film in self._films.values())
        size = (self._painter.width, self._painter.height)
        self._writer = self._stack.enter_context(VideoWriter(self._path, size, rate))


def _notes(films: Mapping[str, Film]) -> list[str]:
    if len(films) < 2:
        return [
            f"{film.passed_over} frames came while others were answered, and were passed over"
            for film in films.values()
            if film.passed_over
        ]
    (first, one), (second, other) = films.items()
    notes = []
    if abs(one.interval - other.interval) > 0.01 * one.interval:
        notes.append(
            f"{first.upper()} has {1 / one.interval:.4g} frames a second and {second.upper()} "
            f"{1 / other.interval:.4g}: each frame of {first.upper()} stands beside the nearest of {second.upper()}"
        )
    if abs(one.end - other.end) > 2 * max(one.interval, other.interval):
        notes.append(
            f"{first.upper()} ends at {one.end:.2f} s and {second.upper()} at {other.end:.2f} s: what only one of them "
            "shows was answered from that gas alone"
        )
    return notes
