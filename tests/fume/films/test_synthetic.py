"""Generated films: plumes that grow and shrink, and a table that says by how much."""

import csv
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.data.masks import plume_pixels
from kerasfusion.fume.films.film import open_film
from kerasfusion.fume.plumes.film import FilmPlan, draw_film, strength

pytestmark = pytest.mark.commands

SMALL = FilmPlan(size=(96, 72), seconds=4.0, rate=5.0, period=2.0)


def test_a_plume_is_at_its_least_between_bursts_and_whole_in_their_middle():
    assert [strength(SMALL, time) for time in (0, 0.5, 1, 1.5, 2)] == pytest.approx([0.15, 0.575, 1, 0.575, 0.15])


@pytest.mark.parametrize("gas", ["co2", "ch4"])
def test_the_plume_follows_and_the_rest_stands_still(gas):
    pictures = list(draw_film(SMALL, gas))
    areas = np.array([plume_pixels(picture.mask) for picture in pictures])
    strengths = [strength(SMALL, number / SMALL.rate) for number in range(SMALL.frames)]
    assert np.corrcoef(areas, strengths)[0, 1] > 0.8
    assert areas[5] > 1.5 * max(areas[0], 1)
    still = np.all([picture.mask == 0 for picture in pictures], axis=0)
    frames = np.array([picture.frame for picture in pictures], float)
    assert frames[:, still].std(axis=0).mean() < 12  # noise alone
    tubes = [picture.mask == 1 for picture in pictures]
    assert all((tube == tubes[0]).all() for tube in tubes)
    again = next(iter(draw_film(SMALL, gas)))
    np.testing.assert_array_equal(again.frame, pictures[0].frame)


def test_the_command_writes_both_films_and_their_truth(tmp_path):
    out = tmp_path / "film"
    arguments = ["data", "synth", "fume", str(out), "--film", "--size", "64x48"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir()) == ["ch4.mp4", "co2.mp4", "truth.csv"]
    with (out / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 120
    drawn = [plume_pixels(picture.mask) for picture in draw_film(FilmPlan(size=(64, 48), seconds=1.0), "ch4")]
    assert [int(row["ch4_plume_px"]) for row in rows[:10]] == drawn
    for gas in ("co2", "ch4"):
        film = open_film(out / f"{gas}.mp4", FrameReading())
        shots = list(film.shots())
        assert (len(shots), film.trouble) == (120, None)
        assert shots[-1].time == pytest.approx(11.9, abs=2e-3)
        frame = next(iter(draw_film(FilmPlan(size=(64, 48)), gas))).frame.astype(int)
        assert np.abs(shots[0].levels - frame).mean() < 3
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "already in use" in done.output
    done = CliRunner().invoke(main, [*arguments[:3], str(tmp_path / "other"), "--film", "--copies", "2"])
    assert "--copies: not for films" in done.output


def test_without_pyav_no_folder_is_left(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    done = CliRunner().invoke(main, ["data", "synth", "fume", str(tmp_path / "film"), "--film", "--size", "64x48"])
    assert done.exit_code == 2
    assert "needs av, which is not installed" in done.output
    assert not list(tmp_path.iterdir())
