"""Tables of our own: what is written, and of a damaged one which it is, which line and column, what to do."""

import io

import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.csv_table import csv_of_dicts, csv_text, edited_table, read_numbers, read_rows


def test_cells_are_quoted_where_they_must_be_and_lines_end_in_a_line_feed():
    assert csv_text(["path", "why"], [("a.jpg", None), ("b.jpg", 'cut, "half"')]) == (
        'path,why\na.jpg,\nb.jpg,"cut, ""half"""\n'
    )
    assert csv_text(["epoch"], []) == csv_of_dicts(["epoch"], []) == "epoch\n"


def test_rows_by_column_may_lack_some_but_have_no_others():
    assert csv_of_dicts(["epoch", "loss"], [{"loss": 0.5, "epoch": 1}, {"epoch": 2}]) == "epoch,loss\n1,0.5\n2,\n"
    with pytest.raises(ValueError, match="lr"):
        csv_of_dicts(["epoch", "loss"], [{"epoch": 1, "lr": 0.1}])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("note", ["note", '"one, two, three"', '"one; two; three"'])
def test_cells_are_separated_as_the_names_of_columns_are_whatever_quotes_hold(separator, note):
    header = separator.join(["path", "group", note])
    reader = edited_table(io.StringIO(f"{header}\n{separator.join('abc')}\n", newline=""))
    assert list(reader) == [{"path": "a", "group": "b", note.strip('"'): "c"}]


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
