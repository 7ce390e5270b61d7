"""A film's table, figure, film and summary, from networks that read the answer off the frames."""

import csv
import errno
import json
import re
import sys

import av
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasfusion.cli.main import main
from kerasfusion.fume.films.course import find_bursts
from tests.fume.detect.answering_material import HEIGHT, WIDTH, save_reader
from tests.fume.films.camera_material import write_seq
from tests.fume.films.film_material import plume, write_film, write_pages

pytestmark = pytest.mark.exports

PIXELS = WIDTH * HEIGHT
WIDTHS = [0, 0, 10, 20, 30, 30, 20, 10, 0, 0]
"""Of the CO2 plume, moment by moment; it is ten pixels high."""


def invoke(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def rows_of(folder):
    with (folder / "film.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_reader(tmp_path_factory.mktemp("pair") / "fume.keras", "FUMEFastSCNN")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    co2 = write_film(folder / "co2.mkv", [plume(width, 1) for width in WIDTHS])
    return co2, write_film(folder / "ch4.mkv", [plume(5, 1) for _ in WIDTHS[:6]])


@pytest.fixture(scope="module")
def answered(model, films, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "film"
    flags = ("--scale", 0.5, "--batch", 3, "--out", out)
    return out, invoke("predict", model, "--co2", films[0], "--ch4", films[1], *flags).stdout


def test_the_table_has_the_truth_of_every_frame(answered):
    rows = rows_of(answered[0])
    assert [float(row["time_s"]) for row in rows] == pytest.approx([number / 10 for number in range(10)])
    assert [int(row["co2_plume_px"]) for row in rows] == [10 * width for width in WIDTHS]
    assert [float(row["co2_plume_mm2"]) for row in rows] == [2.5 * width for width in WIDTHS]
    assert float(rows[4]["co2_plume_percent"]) == pytest.approx(100 * 300 / PIXELS, abs=5e-4)
    assert [row["co2_mean_level"] for row in rows] == ["230.0" if width else "" for width in WIDTHS]
    assert [row["ch4_plume_px"] for row in rows] == ["50"] * 6 + [""] * 4
    assert {row["state"] for row in rows} == {row["smoothed_state"] for row in rows} == {"Transitional"}


def test_the_overlay_the_figure_and_the_summary(answered):
    out, shown = answered
    assert sorted(path.name for path in out.iterdir()) == ["course.png", "film.csv", "overlay.mp4", "summary.json"]
    with av.open(str(out / "overlay.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 10
    assert pictures[0].shape[1] == 2 * WIDTH
    gas = pictures[4][40 + 25, 40].astype(int)  # 40 for the words; the plume stands at 20..30 x 20..50
    assert gas[0] > gas[2] + 30  # orange
    assert (pictures[9][50:, WIDTH + 5 :] < 12).all()  # CH4 has ended
    assert (out / "course.png").read_bytes()[:4] == b"\x89PNG"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["plumes"]["co2"]["mean_percent"] == pytest.approx(100 * 1200 / PIXELS / 10, abs=1e-3)
    assert len(summary["plumes"]["co2"]["bursts"]) == 1
    assert summary["smoothed_states"] == {"Healthy": 0, "Transitional": 10, "Acidotic": 0}
    assert "10 moments" in shown
    assert "CO2: plume 1.95 % of the frame on average, 4.88 % at most; 1 bursts" in shown
    assert "CO2 ends at 0.90 s and CH4 at 0.50 s" in shown


def test_one_gas_is_enough_and_a_tiff_has_the_rate_that_is_said(model, tmp_path):
    film = write_pages(tmp_path / "ch4.tif", [plume(width) for width in (4, 0, 8)])
    shown = invoke("predict", model, "--ch4", film, "--rate", 2, "--out", tmp_path / "out", "--json").stdout
    assert [row["ch4_plume_px"] for row in rows_of(tmp_path / "out")] == ["40", "0", "80"]
    assert json.loads(shown.splitlines()[-1])["film_seconds"] == 1.0
    assert "co2_plume_px" not in rows_of(tmp_path / "out")[0]


def test_the_cameras_own_films_are_answered_by_the_range_of_counts(model, tmp_path):
    counts = [12_000 + 8 * plume(width).astype(np.uint16) for width in WIDTHS[:6]]
    files = [write_seq(tmp_path / "co2.seq", counts), write_seq(tmp_path / "ch4.csq", counts[2:])]
    asked = ("predict", model, "--co2", files[0], "--ch4", files[1], "--out", tmp_path / "out")
    assert "counts from 12,000 to 13,840" in invoke(*asked, code=1).output
    invoke(*asked, "--frame-range", 12_000, 14_040)
    rows = rows_of(tmp_path / "out")
    assert [float(row["time_s"]) for row in rows] == pytest.approx([number / 10 for number in range(6)])
    assert [int(row["co2_plume_px"]) for row in rows] == [10 * width for width in WIDTHS[:6]]
    assert [row["ch4_plume_px"] for row in rows] == ["100", "200", "300", "300", "", ""]
    assert {row["co2_mean_level"] for row in rows} == {"", "230.0"}


def test_a_network_of_single_frames_answers_a_film_of_both(films, tmp_path):
    model = save_reader(tmp_path / "fume.keras", "MultiTaskFastSCNN")
    invoke("predict", model, "--co2", films[0], "--ch4", films[1], "--out", tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert [int(row["co2_plume_px"]) for row in rows] == [10 * width for width in WIDTHS]
    assert [row["ch4_plume_px"] for row in rows] == ["50"] * 6 + [""] * 4


def test_what_a_network_did_not_learn_is_no_column_and_a_gas_that_it_never_saw_no_film(films, tmp_path):
    model = save_reader(tmp_path / "fume.keras", "FUMEFastSCNN", "data", "training.loss.cls_weight=0", "data.gases=co2")
    shown = invoke("predict", model, "--co2", films[0], "--out", tmp_path / "out").stdout
    assert list(rows_of(tmp_path / "out")[0]) == ["time_s", "co2_plume_px", "co2_plume_percent", "co2_mean_level"]
    assert "state" not in shown
    refused = invoke("predict", model, "--ch4", films[1], "--out", tmp_path / "other", code=2).output
    assert "the network never saw CH4: it was trained on CO2 alone" in refused
    assert not (tmp_path / "other").exists()
    masks_off = save_reader(tmp_path / "state.keras", "FUMEFastSCNN", "data", "training.loss.seg_weight=0")
    invoke("predict", masks_off, "--co2", films[0], "--ch4", films[1], "--out", tmp_path / "state")
    assert not [name for name in rows_of(tmp_path / "state")[0] if "plume" in name]


def test_films_of_another_size_and_rate(model, films, tmp_path):
    large = write_film(tmp_path / "ch4.mkv", [np.kron(plume(5), np.ones((2, 2), np.uint8))] * 5, rate=5)
    shown = invoke("predict", model, "--co2", films[0], "--ch4", large, "--out", tmp_path / "out").stdout
    # The network's own size is half of it: its corners are rounded.
    assert {row["ch4_plume_px"] for row in rows_of(tmp_path / "out")} == {"196"}
    assert "CO2 has 10 frames a second and CH4 5" in shown


def test_each_film_has_its_own_size_in_the_overlay_also_before_it_begins(model, films, tmp_path):
    large = write_film(tmp_path / "ch4.mkv", [np.kron(plume(5), np.ones((2, 2), np.uint8))] * 3)
    for offset, first in ((0.3, "co2"), (-0.3, "ch4")):
        out = tmp_path / first
        invoke("predict", model, "--co2", films[0], "--ch4", large, "--offset", offset, "--out", out)
        assert (rows_of(out)[0]["ch4_plume_px"] == "") == (first == "co2")
        with av.open(str(out / "overlay.mp4")) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) == (WIDTH + 2 * WIDTH, 40 + 2 * HEIGHT)


def test_a_film_that_is_cut_is_answered_as_far_as_it_goes(model, tmp_path):
    rng = np.random.default_rng(0)
    noisy = [np.maximum(plume(10), rng.integers(0, 70, (HEIGHT, WIDTH), np.uint8)) for _ in range(40)]
    film = write_film(tmp_path / "co2.mkv", noisy)
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    done = invoke("predict", model, "--co2", film, "--out", tmp_path / "out", code=1)
    assert "error: the film" in done.output
    assert 10 < len(rows_of(tmp_path / "out")) < 30


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--co2", "co2.mkv"), "need a folder"),
        (("--co2", "co2.mkv", "--ch4", "frame.png", "--out", "out"), "a film and a frame"),
        (("--co2", "frame.png", "--scale", 1), "--scale: for films"),
        (("--co2", "co2.mkv", "--offset", 1, "--out", "out"), "--offset moves one film against the other"),
        (("--co2", "gone.mp4", "--out", "out"), "no such file or folder"),
        (("--co2", "co2.mkv", "--rate", 5, "--out", "out"), "--rate is for TIFFs"),
    ],
)
def test_requests_that_make_no_sense(model, films, tmp_path, flags, said):
    places = {"co2.mkv": films[0], "frame.png": tmp_path / "frame.png", "out": tmp_path / "out"}
    (tmp_path / "frame.png").touch()
    assert said in invoke("predict", model, *(places.get(flag, flag) for flag in flags), code=2).output
    assert not (tmp_path / "out" / "film.csv").exists()


def test_a_film_that_cannot_be_read_leaves_no_part_of_an_answer(model, tmp_path):
    (tmp_path / "co2.mp4").write_bytes(b"no film" * 99)
    done = invoke("predict", model, "--co2", tmp_path / "co2.mp4", "--out", tmp_path / "out", code=1)
    assert "the film cannot be read" in done.output
    assert not list((tmp_path / "out").glob("*"))


def test_without_pyav_a_tiff_is_refused_before_a_folder_is_made(model, tmp_path, monkeypatch):
    film = write_pages(tmp_path / "ch4.tif", [plume(10), plume(20)])
    monkeypatch.setitem(sys.modules, "av", None)
    done = invoke("predict", model, "--ch4", film, "--rate", 2, "--out", tmp_path / "out", code=2)
    assert "needs av, which is not installed" in done.output
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_what_was_there_before(model, films, tmp_path, monkeypatch):
    out, rows = kept(tmp_path / "out", co2=films[0]), []

    def write(writer, cells):
        rows.append(cells)
        if len(rows) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerow", write)
    done = invoke("predict", model, "--co2", films[0], "--out", out, code=1)
    assert "no space left on the disk" in done.output
    assert sorted(path.name for path in out.iterdir()) == ["film.csv", "summary.json"]
    assert (out / "film.csv").read_text() == "of an earlier run"


@pytest.fixture
def not_loaded(monkeypatch):
    """Fails where TensorFlow would be loaded."""
    monkeypatch.setattr("kerasfusion.cli.fume_results.load_libraries", lambda model: pytest.fail("it was loaded"))


def kept(out, **films):
    """A folder with the results of films, as far as its summary goes."""
    out.mkdir()
    (out / "summary.json").write_text(json.dumps({"films": {gas: str(film) for gas, film in films.items()}}))
    (out / "film.csv").write_text("of an earlier run")
    return out


def test_the_same_films_are_answered_again_in_their_folder(model, films, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.chdir(films[0].parent)
    invoke("predict", model, "--co2", films[0].name, "--out", out)
    assert json.loads((out / "summary.json").read_text())["films"] == {"co2": str(films[0].resolve())}
    monkeypatch.chdir(tmp_path)
    invoke("predict", model, "--co2", films[0], "--out", out, "--scale", 2)
    assert "co2_plume_mm2" in rows_of(out)[0]


def test_results_of_other_films_stay(model, films, tmp_path, not_loaded):
    co2, ch4 = films
    out = kept(tmp_path / "out", co2=co2, ch4=ch4)
    for asked in (("--co2", co2), ("--ch4", ch4), ("--co2", ch4, "--ch4", co2), ("--camera", 0, "--gas", "co2")):
        shown = invoke("predict", model, *asked, "--out", out, code=2).output
        assert f"the folder holds the results of {co2} (CO2) and {ch4} (CH4)" in shown
        assert f"where: {out}" in shown
        assert "what to do: name another with --out, or delete the old ones (film.csv, overlay.mp4" in shown
    assert sorted(path.name for path in out.iterdir()) == ["film.csv", "summary.json"]
    assert (out / "film.csv").read_text() == "of an earlier run"


def test_a_camera_never_shows_the_same_again(model, films, tmp_path, not_loaded):
    out = kept(tmp_path / "out", co2="camera 0")
    shown = invoke("predict", model, "--camera", 0, "--gas", "co2", "--out", out, code=2).output
    assert "the folder holds the results of camera 0 (CO2)" in shown
    (out / "summary.json").unlink()  # a run that was killed leaves its rows
    for asked in (("--camera", 0, "--gas", "co2"), ("--co2", films[0])):
        shown = invoke("predict", model, *asked, "--out", out, code=2).output
        assert "the folder holds results, and it cannot be read of which films they are" in shown
        assert (out / "film.csv").read_text() == "of an earlier run"


def test_a_film_that_was_killed_before_its_summary_is_answered_again_as_advised(model, films, tmp_path, monkeypatch):
    def killed(*arguments):
        raise KeyboardInterrupt

    asked = ("predict", model, "--co2", films[0], "--out", tmp_path / "out")
    with monkeypatch.context() as patched:
        patched.setattr("kerasfusion.fume.films.job.save_png", killed)
        CliRunner().invoke(main, [str(argument) for argument in asked])
    refused = invoke(*asked, code=2).output
    for name in re.search(r"delete the old ones \((.*)\)", refused)[1].split(", "):
        (tmp_path / "out" / name).unlink(missing_ok=True)
    invoke(*asked)
    assert len(rows_of(tmp_path / "out")) == 10


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"films": 3}', '{"films": {"co2": 3}}', "\xff"])
def test_results_of_films_that_cannot_be_told_stay(model, films, tmp_path, not_loaded, text):
    out = kept(tmp_path / "out")
    (out / "summary.json").write_bytes(text.encode("latin-1"))
    shown = invoke("predict", model, "--co2", films[0], "--out", out, code=2).output
    assert "the folder holds results, and it cannot be read of which films they are" in shown
    assert "what to do: name another with --out" in shown
    assert (out / "film.csv").read_text() == "of an earlier run"


def test_frames_are_answered_into_a_folder_with_a_films_results(model, tmp_path):
    Image.fromarray(plume(10)).save(tmp_path / "co2.png")
    out = kept(tmp_path / "out", co2="other.mp4")
    invoke("predict", model, "--co2", tmp_path / "co2.png", "--out", out)
    assert (out / "masks").is_dir()


def test_a_film_that_pauses_has_its_bursts_on_either_side():
    times = np.concatenate([np.arange(20), 60 + np.arange(20)])
    found = find_bursts(times, np.float32([0] * 10 + [5] * 20 + [0] * 10))
    assert [(burst.begin, burst.end) for burst in found] == [(10, 19), (60, 69)]


@pytest.mark.parametrize(("slow", "fast", "seconds"), [(5, 30, 20), (2, 25, 10), (10, 60, 15)])
def test_a_slower_film_that_ends_earlier_makes_no_pauses(slow, fast, seconds):
    times = np.concatenate([np.arange(0, 60, 1 / slow), np.arange(60, 60 + seconds, 1 / fast)])
    areas = np.float32(5 - 5 * np.cos(2 * np.pi * times / 4))  # largest every 4 s, from the second on
    found = find_bursts(times, areas)
    assert len(found) == (60 + seconds + 2) // 4
    assert [(burst.begin + burst.end) / 2 for burst in found[:15]] == pytest.approx(np.arange(2, 60, 4), abs=1 / slow)


@pytest.mark.parametrize(("first", "second"), [(0.2, 1 / 30), (1 / 30, 0.2), (0.2, 0.2)])
def test_a_pause_ends_a_burst_whatever_the_rates_beside_it(first, second):
    times = np.concatenate([np.arange(20) * first, 10 + np.arange(20) * second, [60.0], 70 + np.arange(5) * second])
    found = find_bursts(times, np.float32([0] * 10 + [5] * 30 + [5] + [0] * 5))
    expected = [(times[10], times[19]), (10, times[39]), (60, 60)]
    np.testing.assert_allclose([(burst.begin, burst.end) for burst in found], expected)


@pytest.mark.parametrize(
    ("areas", "bursts"),
    [
        ([0] * 9 + [5] * 7 + [0] * 9, [(9, 15, 5)]),
        ([0] * 9 + [5] * 7 + [0] * 9 + [4] * 6 + [0] * 6, [(9, 15, 5), (25, 30, 4)]),
        ([0] * 9 + [5] + [0] * 9, []),  # a flicker
        ([3.0, 3.1] * 20, []),  # steady
        ([np.nan] * 20, []),
        ([0] * 6 + [np.nan] * 3 + [5] * 6, [(9, 14, 5)]),
        ([0] * 9 + [5] * 7 + [np.nan] * 9 + [5] * 7 + [0] * 9, [(9, 15, 5), (25, 31, 5)]),  # not filmed between
        ([0] * 9 + [5] * 7 + [np.nan] * 2 + [5] * 7 + [0] * 9, [(9, 24, 5)]),  # two frames were dropped
    ],
)
def test_bursts(areas, bursts):
    found = find_bursts(np.arange(len(areas), dtype=float), np.array(areas, np.float32))
    assert [(burst.begin, burst.end, burst.peak) for burst in found] == bursts
