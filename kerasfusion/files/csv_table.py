"""CSV files: the text of our own, reading them back with a message where one is damaged, and those that people edit."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from kerasfusion.errors import DamagedError, KerasFusionError

Row = tuple[int, dict[str, str]]
"""Number of the line on which a row ends, and its cells by column."""


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """What a CSV file holds: the columns' names, then a line for each row. None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def csv_of_dicts(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """As `csv_text`, of rows by column; a column that a row lacks stays empty.

    Raises:
        ValueError: a row has another column.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_rows(path: Path, what: str, needed: Sequence[str] = (), todo: str | None = None) -> list[Row]:
    """The rows of a CSV file; spaces around the columns' names are left out.

    Args:
        path: a file that is there.
        what: what it is, for the message, such as "the training history".
        needed: columns that must be there.
        todo: what to do about a damaged file, for the message.

    Raises:
        KerasFusionError: it cannot be read, is no CSV, lacks a column, or a row has more or fewer cells than columns.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
            columns = [name.strip() for name in reader.fieldnames or ()]
    except OSError as error:
        raise KerasFusionError(f"{what} cannot be read: {error.strerror or error}", where=path) from error
    except (csv.Error, ValueError) as error:
        raise damaged(what, str(error), path, todo) from error
    if lacking := [name for name in needed if name not in columns]:
        raise damaged(what, f"line 1 lacks the column {', '.join(lacking)}", path, todo)
    for line, row in rows:
        if None in row or None in row.values():
            raise damaged(what, f"line {line} has not a cell a column", path, todo)
    return [(line, dict(zip(columns, row.values(), strict=True))) for line, row in rows]


def read_numbers(path: Path, what: str, needed: Sequence[str] = (), todo: str | None = None) -> list[dict[str, float]]:
    """As `read_rows`, with every cell a number; empty cells are left out, but not those of the needed columns.

    Raises:
        KerasFusionError: as `read_rows`, or a cell is no number; names line and column.
    """
    found = []
    for line, row in read_rows(path, what, needed, todo):
        numbers = {}
        for name, cell in row.items():
            if cell.strip() or name in needed:
                try:
                    numbers[name] = float(cell)
                except ValueError:
                    raise damaged(what, f"line {line}: {name} is {cell!r}, not a number", path, todo) from None
        found.append(numbers)
    return found


def edited_table(file: TextIO) -> csv.DictReader:
    """A reader of a table that people edit: its cells are separated as its columns' names are, by commas if by nothing.

    Spreadsheets in countries with a decimal comma write semicolons, and some write tabs.

    Args:
        file: at its beginning, opened with newline="".
    """
    separator = max(",;\t", key=re.sub('"[^"]*"', "", file.readline()).count)
    file.seek(0)
    return csv.DictReader(file, delimiter=separator)


def damaged(what: str, why: str, path: Path, todo: str | None) -> DamagedError:
    """The error about a table that is not what was written."""
    return DamagedError(f"{what} is damaged: {why}", where=path, todo=todo)
