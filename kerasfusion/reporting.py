"""Results as text: aligned tables, and commands to type next."""

import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real


def table(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str] | None = None, digits: int | Mapping[str, int] = 4
) -> str:
    """Plain text table with a header line: numbers to the right, text to the left, two spaces between columns.

    Args:
        rows: one mapping per line; a missing key or None shows as "-".
        columns: keys to show, in order; None: all keys in the order in which they first occur.
        digits: decimals of a float, also inside a list such as an interval; or of each column, 4 where it names none.

    Returns:
        The lines without a trailing newline or trailing spaces; without rows, the header alone.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row)) if columns is None else list(columns)
    decimals = digits if isinstance(digits, Mapping) else dict.fromkeys(columns, digits)
    cells = [[cell_text(row.get(key), decimals.get(key, 4)) for key in columns] for row in rows]
    widths = [max(len(line[i]) for line in [columns, *cells]) for i in range(len(columns))]
    right = [is_numeric([row.get(key) for row in rows]) for key in columns]
    lines = [columns, ["-" * width for width in widths], *cells]
    return "\n".join(_align(line, widths, right) for line in lines)


def command_line(words: Iterable[object]) -> str:
    """Words as one line for this system's shell: cmd knows no single quotes, and others take a backslash away."""
    words = [str(word) for word in words]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def cell_text(value: object, digits: int) -> str:
    """A value as it stands in a table: "-" for None, yes or no, floats and those of lists with `digits` decimals."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(cell_text(item, digits) for item in value) + "]"
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{value:.{digits}f}"
    return str(value)


def is_numeric(values: list[object]) -> bool:
    """Whether a column of these values is set to the right: numbers and lists of them, with gaps."""
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, Real | list | tuple) and not isinstance(value, bool) for value in known
    )


def _align(line: list[str], widths: list[int], right: list[bool]) -> str:
    padded = (
        text.rjust(width) if to_right else text.ljust(width)
        for text, width, to_right in zip(line, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip()
