"""The labels of photos that lie flat in a folder beside a metadata.csv, as Hugging Face's imagefolder has them."""

import csv
import unicodedata
from pathlib import Path, PurePosixPath

from kerasfusion.errors import RequestError
from kerasfusion.files.csv_table import edited_table
from kerasfusion.images.listing import readable_name
from kerasfusion.roadwork.data.label_names import LABEL_SPELLINGS, parse_label

METADATA = "metadata.csv"
_LABEL_COLUMNS = ("label", "labels")


def plain_name(text: str) -> str:
    """A path in one spelling: POSIX, readable, and accents composed (macOS takes them apart in file names)."""
    name = unicodedata.normalize("NFC", readable_name(text.strip().replace("\\", "/")))
    return PurePosixPath(name).as_posix()


def read_labels(path: Path) -> dict[str, int]:
    """Read {file_name: index into CLASS_NAMES}.

    Raises:
        RequestError: not readable, columns that are missing, an unknown label, or a name with two labels.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(edited_table(file))
    except (OSError, ValueError, csv.Error) as error:
        raise RequestError(f"cannot read the CSV: {error}", where=path) from error
    columns = rows[0].keys() if rows else ()
    column = next((name for name in columns if name and name.lower() in _LABEL_COLUMNS), None)
    if column is None or "file_name" not in columns:
        raise RequestError("the CSV lacks columns or rows", where=path, expected="columns file_name,label")
    labels: dict[str, int] = {}
    for number, row in enumerate(rows, 2):
        name, label = plain_name(row["file_name"] or ""), parse_label(row[column])
        if label is None:
            raise RequestError(
                f"unknown label {row[column]!r}", where=f"{path}, line {number}", expected=LABEL_SPELLINGS
            )
        if labels.setdefault(name, label) != label:
            raise RequestError(f"{name} has two labels", where=f"{path}, line {number}", todo="keep one of the rows")
    return labels
