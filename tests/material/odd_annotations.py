"""Annotations of frames as spreadsheets and Windows save them, and what `data pair` is to say of each."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

Rows = list[list[str]]

PH, CLASS_NAME, CLASS_ID = 3, 4, 5
"""Columns."""


def table(rows: Rows, separator: str = ",", line_end: str = "\n") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=line_end).writerows(rows)
    return text.getvalue().encode()


def cells(change: Callable[[str], str], *columns: int, header: bool = False) -> Callable[[Rows], Rows]:
    """Changes these columns (all without any), in the header or in the rows below it."""

    def changed(rows: Rows) -> Rows:
        return [
            [change(cell) if (number == 0) == header and (not columns or at in columns) else cell
             for at, cell in enumerate(row)]
            for number, row in enumerate(rows)
        ]  # fmt: skip

    return changed


def upper_suffix(path: str) -> str:
    return path.replace(".png", ".PNG")


SAME, REFUSED = 0, 2
"""Exit codes: pairs as from the plain files, or a sentence."""

ANNOTATIONS: dict[str, tuple[Callable[[Rows], bytes], int, str]] = {
    "BOM and CRLF": (lambda rows: b"\xef\xbb\xbf" + table(rows, line_end="\r\n"), SAME, ""),
    "backslashes": (lambda rows: table(cells(lambda path: path.replace("/", "\\"), 0, 1)(rows)), SAME, ""),
    "an index in front": (
        lambda rows: table([[str(n - 1 if n else ""), *row] for n, row in enumerate(rows)]),
        SAME,
        "",
    ),
    "class ids of floats": (lambda rows: table(cells(lambda text: f"{text}.0", CLASS_ID)(rows)), SAME, ""),
    "a line end in a path": (lambda rows: table(cells(lambda path: f"{path}\n", 0)(rows)), SAME, ""),
    "UTF-16": (lambda rows: table(rows).decode().encode("utf-16"), REFUSED, "cannot read the annotations"),
    "semicolons": (lambda rows: table(rows, ";"), SAME, ""),
    "tabs": (lambda rows: table(rows, "\t"), SAME, ""),
    "spaces in the header": (
        lambda rows: table(cells(lambda name: f" {name}", header=True)(rows)),
        REFUSED,
        "lack the column(s) frame_path",
    ),
    "capitals in the header": (
        lambda rows: table(cells(str.upper, header=True)(rows)),
        REFUSED,
        "lack the column(s) frame_path",
    ),
    "paths of a drive": (
        lambda rows: table(cells(lambda path: "C:\\data\\" + path, 0)(rows)),
        REFUSED,
        "is not a path relative to the dataset's root",
    ),
    "paths that lead out": (
        lambda rows: table(cells(lambda path: "../" + path, 0)(rows)),
        REFUSED,
        "is not a path relative to the dataset's root",
    ),
    "another suffix in capitals": (lambda rows: table(cells(upper_suffix, 0)(rows)), REFUSED, "do not exist"),
    "classes in small letters": (
        lambda rows: table(cells(str.lower, CLASS_NAME)(rows)),
        REFUSED,
        "not one of Healthy, Transitional, Acidotic",
    ),
    "a decimal comma": (lambda rows: table(cells(lambda text: text.replace(".", ","), PH)(rows), ";"), SAME, ""),
    "a row twice": (lambda rows: table([*rows, rows[1]]), REFUSED, "listed more than once"),
    "one frame in two classes": (
        lambda rows: table([*rows, [*rows[1][:PH], "5.0", "Acidotic", "2", *rows[1][CLASS_ID + 1 :]]]),
        REFUSED,
        "listed more than once",
    ),
    "a header alone": (lambda rows: table(rows[:1]), REFUSED, "the annotations have no rows"),
    "an empty file": (lambda rows: b"", REFUSED, "lack the column(s) frame_path"),
}
"""What -> (rows of the plain file -> bytes of the odd one, exit code, words)."""


def rewrite(path: Path, what: str) -> None:
    """Replace a CSV by an odd one of the same rows."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    path.write_bytes(ANNOTATIONS[what][0](rows))
