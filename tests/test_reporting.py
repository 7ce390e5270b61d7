import json
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.json_yaml import write_json
from kerasfusion.reporting import command_line, table


def test_numbers_go_right_and_text_left():
    rows = [
        {"output": "fusion", "mcc": 0.81354, "n": 626, "auc": None},
        {"output": "vit", "mcc": -0.5, "n": 26, "auc": 0.9},
    ]
    assert table(rows).splitlines() == [
        "output      mcc    n     auc",
        "------  -------  ---  ------",
        "fusion   0.8135  626       -",
        "vit     -0.5000   26  0.9000",
    ]


@pytest.mark.parametrize(
    ("platform", "line"),
    [
        ("linux", r"kerasfusion fit -c 'C:\runs\a b\config.yaml' --set 'x=[1, 2]' --name a"),
        ("win32", r'kerasfusion fit -c "C:\runs\a b\config.yaml" --set "x=[1, 2]" --name a'),
    ],
)
def test_a_command_is_written_for_the_systems_own_shell(monkeypatch, platform, line):
    monkeypatch.setattr(sys, "platform", platform)
    words = ["kerasfusion", "fit", "-c", r"C:\runs\a b\config.yaml", "--set", "x=[1, 2]", "--name", "a"]
    assert command_line(words) == line


def test_a_path_with_backslashes_alone_needs_no_quotes_on_windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert command_line(["fit", "-c", r"C:\runs\a.yaml"]) == r"fit -c C:\runs\a.yaml"


def test_paths_and_numbers_are_words_too(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    assert command_line(("kerasfusion", "report", Path("my runs/a"), "--seed", 7)) == (
        "kerasfusion report 'my runs/a' --seed 7"
    )


def test_columns_choose_and_order_what_is_shown():
    rows = [{"a": 1, "b": "x", "c": 2}, {"a": 10}]
    assert table(rows, columns=["b", "a"]).splitlines() == ["b   a", "-  --", "x   1", "-  10"]


def test_each_column_may_have_digits_of_its_own():
    row = {"ms": 12.345, "mb": 888.9, "dp": 0.12345}
    assert table([row], digits={"ms": 1, "mb": 0}).splitlines()[-1] == "12.3  889  0.1235"


def test_a_key_that_only_a_later_row_has_gets_a_column():
    assert table([{"a": 1}, {"a": 2, "b": 3}]).splitlines() == ["a  b", "-  -", "1  -", "2  3"]


def test_intervals_numpy_scalars_and_flags():
    row = {"ci": [0.12345, None], "value": np.float32(0.5), "count": np.int64(3), "valid": True}
    assert table([row], digits=2).splitlines()[-1] == "[0.12, -]   0.50      3  yes"


def test_no_rows_give_the_header_alone():
    assert table([], columns=["output", "mcc"]) == "output  mcc\n------  ---"


def test_json_keeps_the_order_of_keys_and_ends_with_a_newline(tmp_path):
    path = tmp_path / "run" / "metrics.json"
    write_json(path, {"z": np.float64(0.5), "a": np.arange(2), "path": Path("x"), "name": "Straße", "none": None})
    text = path.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "Straße" in text
    assert list(json.loads(text).items()) == [
        ("z", 0.5),
        ("a", [0, 1]),
        ("path", "x"),
        ("name", "Straße"),
        ("none", None),
    ]


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), object(), {1, 2}])
def test_what_json_cannot_hold_is_an_error_and_the_old_file_stays(tmp_path, value):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(KerasFusionError, match=r"do not fit into JSON(.|\n)*metrics\.json"):
        write_json(path, {"value": value})
    assert path.read_text() == "old"


def test_importing_it_stays_light():
    import subprocess

    code = "import sys, kerasfusion.reporting; print(sorted({'numpy', 'tensorflow', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
