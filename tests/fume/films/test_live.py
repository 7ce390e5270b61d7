"""A live source, played by a pipe and by FFmpeg's own generator in the place of a camera."""

import csv
import errno
import json
import os
import signal
import threading
import time
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.errors import RequestError
from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.detect.answering import open_network
from kerasfusion.fume.films import live_source
from kerasfusion.fume.films.film import open_film
from kerasfusion.fume.films.job import FilmRequest, answer_films
from kerasfusion.fume.films.live import answer_camera
from kerasfusion.fume.films.live_source import Device, LiveSource, find_device
from kerasfusion.images.decoding import ImageError
from tests.fume.detect.answering_material import HEIGHT, WIDTH, save_reader
from tests.fume.films.film_material import plume, write_film

pytestmark = pytest.mark.exports

FILES = ["course.png", "film.csv", "overlay.mp4", "summary.json"]
GREY = f"color=c=0x0a0a0a:s={WIDTH}x{HEIGHT}:r=20,format=gray,realtime"
"""Frames of level 10 or so, without end, 20 a second."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_reader(tmp_path_factory.mktemp("pair") / "fume.keras", "FUMEFastSCNN")


def invoke(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in ("predict", *arguments)])
    assert result.exit_code == code, result.output
    return result


def rows_of(folder):
    with (folder / "film.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def pipe_of(path, content):
    """A pipe that sends this to whoever opens it."""
    os.mkfifo(path)

    def send():
        with path.open("wb") as pipe:
            pipe.write(content)

    threading.Thread(target=send, daemon=True).start()
    return path


def interrupt(rows, table):
    """Ctrl-C, once the table has so many rows."""

    def wait():
        for _ in range(3000):
            if table.is_file() and table.read_text().count("\n") > rows:
                break
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


def test_a_pipe_is_answered_until_its_sender_ends(model, tmp_path):
    widths = [0, 5, 10, 15, 20, 25, 30, 30, 25, 20]
    film = write_film(tmp_path / "film.mkv", [plume(width, 1) for width in widths])
    pipe = pipe_of(tmp_path / "camera", film.read_bytes())
    shown = invoke(model, "--camera", pipe, "--gas", "ch4", "--out", tmp_path / "out", "--json").stdout
    rows, summary = rows_of(tmp_path / "out"), json.loads(shown.splitlines()[-1])
    # The network is slower than the pipe: which frames it looks at is chance, what it says of each is not.
    for row in rows:
        assert int(row["ch4_plume_px"]) == 10 * widths[round(10 * float(row["time_s"]))]
    times = [float(row["time_s"]) for row in rows]
    assert times == sorted(set(times))
    assert times[-1] == pytest.approx(0.9) and rows
    assert [json.loads(line)["time_s"] for line in shown.splitlines()[:-1]] == [row["time_s"] for row in rows]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    assert (summary["moments"], summary["times_its_speed"]) == (len(rows), None)
    passed_over = 10 - len(rows)
    assert summary["notes"] == (
        [f"{passed_over} frames came while others were answered, and were passed over"] if passed_over else []
    )


def test_ctrl_c_ends_it_with_everything_written(model, tmp_path, monkeypatch):
    monkeypatch.setattr(live_source, "find_device", lambda source: Device(GREY, "lavfi", f"camera {source}"))
    before, out = signal.getsignal(signal.SIGINT), tmp_path / "out"
    interrupt(3, out / "film.csv")
    shown = invoke(model, "--camera", 0, "--gas", "co2", "--out", out, "--scale", 2).output
    assert len(rows_of(out)) >= 3
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert json.loads((out / "summary.json").read_text())["films"] == {"co2": "camera 0"}
    assert "end it with Ctrl-C" in shown
    assert "co2_plume_px 0  co2_plume_percent 0.000  co2_plume_mm2 0.00" in shown
    assert f"kept in {out}" in shown
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_before_the_first_frame_leaves_nothing_and_says_so(model, tmp_path, monkeypatch):
    monkeypatch.setattr(live_source, "find_device", lambda source: Device(GREY, "lavfi", f"camera {source}"))
    camera, out = live_source.open_camera, tmp_path / "out"

    def interrupted(source, how, stopped):
        stopped.set()
        return camera(source, how, stopped)

    monkeypatch.setattr("kerasfusion.fume.films.live.open_camera", interrupted)
    done = invoke(model, "--camera", 0, "--gas", "co2", "--out", out, code=1)
    assert "it was interrupted before the camera's first frame\n  where: camera 0" in done.output
    assert not out.exists()


@pytest.mark.parametrize("has_sender", [False, True])
def test_ctrl_c_while_a_camera_is_opened_ends_it_at_once(tmp_path, has_sender):
    pipe, begun = tmp_path / "camera", time.monotonic()
    os.mkfifo(pipe)
    sender = os.open(pipe, os.O_RDWR) if has_sender else None  # sends nothing
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(ImageError, match=r"interrupted before the camera's first frame(.|\n)*where: .*/camera"):
            answer_camera(SimpleNamespace(frames=FrameReading()), str(pipe), "co2", FilmRequest({}, tmp_path), print)
    finally:
        os.close(os.open(pipe, os.O_RDWR) if sender is None else sender)  # the pipe ends, and what waits for it
    assert time.monotonic() - begun < 5  # of the 10 s of silence that end a stream


def test_what_is_sent_and_is_no_film_leaves_no_table(model, tmp_path):
    pipe = pipe_of(tmp_path / "nothing", b"no film" * 99)
    done = invoke(model, "--camera", pipe, "--gas", "co2", "--out", tmp_path / "out", code=1)
    assert "the camera cannot be opened" in done.output
    assert not (tmp_path / "out" / "film.csv").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--camera", "97", "--gas", "co2", "--out", "out"), "there is no camera 97"),
        (("--camera", "/dev/nothing", "--gas", "co2", "--out", "out"), "there is no such camera"),
        (("--camera", "0", "--out", "out"), "not said which gas the camera films"),
        (("--camera", "0", "--gas", "co2"), "need a folder"),
        (("--camera", "0", "--gas", "co2", "--co2", "a.mp4", "--out", "out"), "--co2 beside --camera"),
        (("--camera", "0", "--gas", "co2", "--rate", "5", "--out", "out"), "--rate beside --camera"),
        (("--co2", "a.mp4", "--gas", "co2", "--out", "out"), "--gas is for --camera"),
    ],
)
def test_requests_that_make_no_sense(model, tmp_path, flags, said):
    places = {"out": tmp_path / "out"}
    assert said in invoke(model, *(places.get(flag, flag) for flag in flags), code=2).output
    assert not (tmp_path / "out" / "film.csv").exists()


def test_a_reader_of_the_rows_that_goes_away_is_not_taken_for_a_bad_disk(model, tmp_path):
    def show(cells):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    film = open_film(write_film(tmp_path / "film.mkv", [plume(10)] * 3), FrameReading())
    with pytest.raises(BrokenPipeError):
        answer_films(open_network(model), FilmRequest({}, tmp_path / "out", batch=1), {"co2": film}, show)
    assert [row["co2_plume_px"] for row in rows_of(tmp_path / "out")] == ["100"]


def test_a_camera_whose_first_frame_cannot_be_read_leaves_no_table(model, tmp_path):
    film = write_film(tmp_path / "film.mkv", [12_000 + plume(10).astype(np.uint16)] * 3)
    pipe = pipe_of(tmp_path / "camera", film.read_bytes())
    done = invoke(model, "--camera", pipe, "--gas", "co2", "--out", tmp_path / "out", code=1)
    assert "which have no fixed range" in done.output
    assert not (tmp_path / "out" / "film.csv").exists()


class StandIn:
    """A container of PyAV whose questions have these answers, one after the other: frames, or what is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.streams = SimpleNamespace(video=[SimpleNamespace(average_rate=10)])

    def decode(self, video):
        while self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            yield answer

    def close(self):
        pass


def numbered(number):
    frame = av.VideoFrame.from_ndarray(np.full((6, 8), number, np.uint8), format="gray")
    frame.pts, frame.time_base = number, Fraction(1, 10)
    return frame


def live(*answers):
    return LiveSource(Device("0:none", "avfoundation", "camera 0"), StandIn(*answers), threading.Event())


def test_a_camera_that_has_no_frame_yet_is_asked_again():
    not_yet = av.error.BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    found = [(time, int(stored.pixels[0, 0])) for time, stored in live(not_yet, not_yet, numbered(3)).pictures()]
    assert found == [(0, 3)]
    assert list(live(numbered(1), not_yet, not_yet).pictures())


@pytest.mark.parametrize(
    ("error", "said"), [(MemoryError(), "MemoryError"), (av.error.OSError(errno.EIO, "gone"), "gone")]
)
def test_whatever_ends_the_reading_is_said(error, said):
    with pytest.raises(ImageError, match=rf"the camera sends no more: .*{said}(.|\n)*camera 0"):
        list(live(numbered(0), error).pictures())


def test_a_stream_of_a_network_that_nobody_sends(model, tmp_path):
    flags = ("--gas", "co2", "--out", tmp_path / "out")
    done = invoke(model, "--camera", "tcp://someone:secret@127.0.0.1:9/stream", *flags, code=1)
    assert "the camera cannot be opened" in done.output
    assert "tcp://127.0.0.1:9/stream" in done.output


@pytest.mark.parametrize(
    ("platform", "source", "url", "form"),
    [
        ("darwin", "0", "0:none", "avfoundation"),
        ("win32", "FLIR Camera", "video=FLIR Camera", "dshow"),
        ("linux", "rtsp://user:word@host:554/a?b=c", "rtsp://user:word@host:554/a?b=c", None),
        ("linux", "/dev/null", "/dev/null", "v4l2"),
    ],
)
def test_what_each_system_calls_a_camera(monkeypatch, platform, source, url, form):
    monkeypatch.setattr(live_source.sys, "platform", platform)
    found = find_device(source)
    assert (found.url, found.form) == (url, form)
    assert "word" not in found.name


def test_a_number_on_windows_and_a_films_file_say_what_to_name(monkeypatch, tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(RequestError, match=r"no camera(.|\n)*--co2 .*a\.mp4"):
        find_device(str(tmp_path / "a.mp4"))
    monkeypatch.setattr(live_source.sys, "platform", "win32")
    with pytest.raises(RequestError, match="cameras have names here"):
        find_device("0")
