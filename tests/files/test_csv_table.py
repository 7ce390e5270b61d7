"""Damaged tables of our own: which one, which line and column, what to do."""

import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.csv_table import read_numbers, read_rows


def test_rows_come_with_their_lines_and_without_spaces_in_names(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch, loss,note\n1,0.5,\n2, 0.25,late\n")
    assert read_rows(path, "the history") == [
        (2, {"epoch": "1", "loss": "0.5", "note": ""}),
        (3, {"epoch": "2", "loss": " 0.25", "note": "late"}),
    ]
    path.write_text("epoch, loss,lr\n1,0.5,\n2, 0.25,1e-3\n")
    assert read_numbers(path, "the history", ("epoch",)) == [
        {"epoch": 1, "loss": 0.5},
        {"epoch": 2, "loss": 0.25, "lr": 0.001},
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "line 1 lacks the column epoch"),
        (b"loss\n1\n", "line 1 lacks the column epoch"),
        (b"epoch,loss\n1\n", "line 2 has not a cell a column"),
        (b"epoch,loss\n1,2\n1,2,3\n", "line 3 has not a cell a column"),
        (b"epoch,loss\n,2\n", "line 2: epoch is '', not a number"),
        (b"epoch,loss\n1,x\n", "line 2: loss is 'x', not a number"),
        (b"epoch,loss\n1,\xff\n", "can't decode byte"),
        (b'epoch,loss\n1,"' + b"2" * 200_000, "field larger than"),
    ],
)
def test_damage_is_named_by_line_and_column(tmp_path, content, why):
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    with pytest.raises(KerasFusionError, match="the history is damaged: ") as error:
        read_numbers(path, "the history", ("epoch",), "delete it")
    assert why in error.value.what
    assert (error.value.where, error.value.todo) == (path, "delete it")


def test_what_may_not_be_read_is_not_called_damaged(tmp_path):
    with pytest.raises(KerasFusionError, match="the history cannot be read: Is a directory"):
        read_rows(tmp_path, "the history")
