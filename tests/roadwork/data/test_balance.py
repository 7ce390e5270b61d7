"""The share of roadwork in source and splits, beside what validators draw."""

import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.roadwork.data.balance import balance_rows, in_all, percent
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.scenes.street import write_dataset


@pytest.mark.parametrize(("held", "share"), [((3, 1), 25.0), ((0, 4), 100.0), ((4, 0), 0.0), ((0, 0), None)])
def test_the_share_of_roadwork(held, share):
    assert percent(dict(zip(CLASS_NAMES, held, strict=True))) == share


def test_rows_end_with_what_a_validator_draws():
    counts = {"train": {"no_roadwork": 3, "roadwork": 1}, "val": {"no_roadwork": 1, "roadwork": 0}}
    assert in_all(counts) == {"no_roadwork": 4, "roadwork": 1}
    assert balance_rows(counts | {"all": in_all(counts)}) == [
        {"split": "train", "no_roadwork": 3, "roadwork": 1, "total": 4, "roadwork, %": 25.0},
        {"split": "val", "no_roadwork": 1, "roadwork": 0, "total": 1, "roadwork, %": 0.0},
        {"split": "all", "no_roadwork": 4, "roadwork": 1, "total": 5, "roadwork, %": 20.0},
        {"split": "a validator draws", "roadwork, %": 50.0},
    ]


def test_both_commands_show_it(tmp_path):
    write_dataset(tmp_path / "set", {"train": 12, "val": 4, "test": 4}, seed=1)
    run = CliRunner().invoke
    checked = run(main, ["data", "check", str(tmp_path / "set")]).output.splitlines()
    split = run(main, ["data", "split", str(tmp_path / "set"), str(tmp_path / "out")]).output.splitlines()
    for lines, first in ((checked, "train"), (split, "source")):
        table = [line.split() for line in lines if "%" in line or "50.0" in line]
        assert table[0][-2:] == ["roadwork,", "%"]
        assert table[1][0] == first
        assert ["a", "validator", "draws", "-", "-", "-", "50.0"] in table
    assert ["source", "10", "10", "20", "50.0"] in [line.split() for line in split]
    assert ["all", "10", "10", "20", "50.0"] in [line.split() for line in checked]
