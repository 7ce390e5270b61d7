"""CSV files row by row: a bad row is named by its line, all bad rows of a file at once."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from kerasfusion.errors import RequestError
from kerasfusion.files.csv_table import edited_table
from kerasfusion.reporting import command_line

Row = TypeVar("Row")

NAMED = 10
"""Bad rows that an error names; it counts the others."""


def parse_rows(path: Path, columns: Sequence[str], parse: Callable[[dict[str, str], str], Row]) -> list[Row]:
    """Read a CSV with a header line.

    Args:
        path: UTF-8, with or without a byte order mark, separated as `edited_table` says; blank lines are passed over.
        columns: what the header must have; it may have more.
        parse: called with {column: text} and the row's place ("val_annotations.csv line 7"); a ValueError says what
            is wrong with the row.

    Raises:
        RequestError: no such file, not UTF-8, a column missing or there twice, or bad rows.
    """
    problems, parsed = [], []
    for line, row in _numbered_rows(path, columns):
        try:
            if None in row or None in row.values():
                raise ValueError(f"it has {'more' if None in row else 'fewer'} cells than the header")
            parsed.append(parse(row, f"{path.name} line {line}"))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise RequestError(f"{len(problems)} row(s) are not valid:{name_ten(problems)}", where=path)
    return parsed


def name_ten(problems: Sequence[str]) -> str:
    """The first ten as indented lines, each after a line end, and how many more there are."""
    more = [f"and {len(problems) - NAMED} more"] if len(problems) > NAMED else []
    return "".join(f"\n  - {text}" for text in [*problems[:NAMED], *more])


def _numbered_rows(path: Path, columns: Sequence[str]) -> list[tuple[int, dict]]:
    """(line on which the row ends, row)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = edited_table(file)
            header = list(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise RequestError("the annotations do not exist", where=path, todo=_how_to_make(path)) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"cannot read the annotations: {error}", where=path) from error
    for counted, what in ((0, "lack"), (2, "have twice")):
        wrong = [column for column in columns if min(header.count(column), 2) == counted]
        if wrong:
            raise RequestError(
                f"the annotations {what} the column(s) {', '.join(wrong)}", where=path, expected=", ".join(columns)
            )
    return rows


def _how_to_make(path: Path) -> str:
    if path.name.startswith("paired_"):
        pair = command_line(["kerasfusion", "data", "pair", path.parent])
        return f"{pair}, or name the dataset's folder with --data (data.dataset_root)"
    return "name the folder that holds {train,val,test}_annotations.csv"
