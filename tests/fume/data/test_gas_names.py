"""Which gas a path names, and what a film shows whatever the gas."""

from pathlib import Path, PurePosixPath

import pytest

from kerasfusion.fume.data.gas_names import misnamed, named_gas, original_of


@pytest.mark.parametrize(
    ("path", "gas"),
    [
        ("a_co2_1.png", "co2"),
        ("CH4-b.png", "ch4"),
        ("ch4/frames/0001.png", "ch4"),
        ("ch4/a_co2_1.png", "co2"),
        ("co2/old/CH4/0001.png", "ch4"),
        ("co2_study/0001.png", None),
        ("co2x.png", None),
        ("co2_and_ch4.png", None),
        ("0001.png", None),
    ],
)
def test_the_gas_of_a_path(path, gas):
    assert named_gas(PurePosixPath(path)) == gas


@pytest.mark.parametrize(
    ("film", "original"),
    [
        ("cow7_co2.mp4", "cow7"),
        ("cow7_co2_night.mp4", "cow7_night"),
        ("film.mp4", "film"),
        ("cowA/co2.mp4", "cowA"),
        ("cowA/CO2/co2.mp4", "cowA"),
        ("cowA_co2/co2.mp4", "cowA"),
        ("cowA/other/../CO2.mp4", "cowA"),
    ],
)
def test_the_original_of_a_film(film, original):
    assert original_of(Path(film), "co2") == original


def test_the_first_that_is_misnamed_is_shown_and_the_others_counted():
    paths = [PurePosixPath(name) for name in ("a_ch4.png", "b_co2.png", "ch4/c.png", "d.png")]
    assert misnamed(("co2", path) for path in paths) == [
        "a_ch4.png is taken for CO2, and its name says CH4, and 1 more"
    ]
    assert misnamed(("co2", path) for path in paths[:1]) == ["a_ch4.png is taken for CO2, and its name says CH4"]
    assert misnamed(("co2", path) for path in (paths[1], paths[3])) == []
