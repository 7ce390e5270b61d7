"""The rows of the comparison: what is asked, the ratio, the table, the CSV file."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.reporting import table

FIELDS = ("row", "form", "ours", "peer", "unit", "ratio", "asked", "reached", "note")


@dataclass(frozen=True)
class Asked:
    """What is to be reached.

    Attributes:
        compare: "times" the peer takes, "rate" over the peer's, "share" of the peer's, or "value" without a peer.
        bound: least ratio of "times" and "rate"; largest of "share" and "value"; None only compares.
    """

    compare: str
    bound: float | None = None

    def ratio(self, ours: float, peer: float | None) -> float:
        """Above 1 is better for "times" and "rate", below 1 for "share"."""
        if self.compare == "value":
            return ours
        return peer / ours if self.compare == "times" else ours / peer

    def is_met(self, ratio: float) -> bool | None:
        """Whether a ratio reaches the bound; None where there is none."""
        if self.bound is None:
            return None
        return ratio >= self.bound if self.compare in ("times", "rate") else ratio <= self.bound

    def __str__(self) -> str:
        if self.bound is None:
            return ""
        return f">= {self.bound:g}" if self.compare in ("times", "rate") else f"<= {self.bound:g}"


@dataclass(frozen=True)
class Row:
    """One line of the comparison.

    Attributes:
        row: what was measured.
        form: format and precision of ours.
        unit: of both values.
        ours: None if it could not be measured; `note` says why.
        peer: None where there is nothing to compare with.
        asked: None for a row without comparison.
        allowed: False if the answers differ more than they may, so that speed does not count.
        note: what else there is to know.
    """

    row: str
    form: str
    unit: str
    ours: float | None
    peer: float | None = None
    asked: Asked | None = None
    allowed: bool = True
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How ours compares with the peer; None where there is no peer or no value."""
        if self.ours is None or self.peer is None or self.asked is None:
            return None
        return self.asked.ratio(self.ours, self.peer)

    @property
    def reached(self) -> bool | None:
        """Whether what is asked is reached; None where nothing is asked. What was not measured is not reached."""
        if self.asked is None or self.asked.bound is None:
            return None
        return self.ours is not None and self.allowed and self.asked.is_met(self.asked.ratio(self.ours, self.peer))

    def to_dict(self) -> dict[str, object]:
        """The values of FIELDS; an empty string for one that is not there."""
        asked = "" if self.asked is None else str(self.asked)
        reached = {None: "", True: "yes", False: "no"}[self.reached]
        found = (self.row, self.form, self.ours, self.peer, self.unit, self.ratio, asked, reached, self.note)
        return {name: "" if value is None else value for name, value in zip(FIELDS, found, strict=True)}


def as_table(rows: Sequence[Row]) -> str:
    """The rows as aligned text, three significant digits."""
    return table([{name: _text(value) for name, value in row.to_dict().items()} for row in rows])


def append_csv(path: Path, facts: Mapping[str, object], rows: Sequence[Row]) -> None:
    """Add the rows to a CSV file, each with the same facts (date, machine, versions) before it.

    Raises:
        RequestError: the file is there and has other columns.
    """
    refuse_other_columns(path, facts)
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*facts, *FIELDS], lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows({**facts, **row.to_dict()} for row in rows)


def refuse_other_columns(path: Path, facts: Iterable[str]) -> None:
    """Raise RequestError if the file exists and does not begin with the columns of these facts and of rows."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        found = next(csv.reader(file), [])
    if found != [*facts, *FIELDS]:
        raise RequestError("the file has other columns", where=path, todo="name another file with --csv, or move it")


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
