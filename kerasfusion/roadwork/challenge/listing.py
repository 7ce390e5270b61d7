"""The list of a folder of challenges: which view of which photo each file is. OUT/challenges.csv keeps it."""

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.csv_table import csv_text
from kerasfusion.files.writing import write_text
from kerasfusion.roadwork.data.dataset import CLASS_NAMES

LIST = "challenges.csv"


@dataclass(frozen=True)
class View:
    """One challenge of one photo; the columns of the list.

    Attributes:
        path: POSIX path below OUT.
        group: sha256 of the photo. `data split --group-csv` keeps the views of one photo together by it.
        photo: POSIX path below SRC.
        view: its number, 1 or more.
        layout: of kinds.LAYOUTS.
        level: of kinds.LEVELS.
    """

    path: str
    group: str
    photo: str
    view: int
    layout: str
    level: int

    @property
    def label(self) -> int:
        """Index into CLASS_NAMES, by the folder."""
        return next(CLASS_NAMES.index(part) for part in self.path.split("/") if part in CLASS_NAMES)


COLUMNS = tuple(field.name for field in fields(View))


def write_list(out: Path, views: Iterable[View]) -> None:
    """Write OUT/challenges.csv, whole.

    Raises:
        KerasFusionError: the disk refuses.
    """
    write_text(out / LIST, csv_text(COLUMNS, map(astuple, views)))


def read_list(out: Path) -> list[View]:
    """Read OUT/challenges.csv; empty if there is none.

    Raises:
        RequestError: it is no such list.
    """
    path = out / LIST
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            return [View(**row | {"view": int(row["view"]), "level": int(row["level"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise RequestError(
            f"not a list of challenges: {error!r}",
            where=path,
            expected=f"the columns {','.join(COLUMNS)}",
            todo="choose another OUT",
        ) from error
