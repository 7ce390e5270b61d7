"""The frames of a dataset as its CSV files list them: one row a frame, one file a split."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.errors import RequestError

GASES = ("co2", "ch4")
"""The gases, in the order of `modality_mask` and of `gas_type`."""

STATES = ("Healthy", "Transitional", "Acidotic")
"""The rumen's states, in the order of their class ids."""

PIXEL_CLASSES = ("background", "tube", "gas")
"""What a pixel of a mask can be, in the order of its values."""

SPLITS = ("train", "val", "test")
COLUMNS = (
    "frame_path",
    "mask_path",
    "gas_type",
    "ph_value",
    "class_name",
    "class_id",
    "original_sample_id",
    "augmentation_id",
)
FOREIGN_ROOT = "mmseg_dataset"
"""Folder at the front of the public files' paths; it is not below the dataset's root."""


@dataclass(frozen=True)
class Frame:
    """One frame with its mask.

    Attributes:
        gas: "co2" or "ch4".
        frame_path, mask_path: POSIX paths relative to the dataset's root.
        ph_value: pH of the rumen fluid.
        class_id: index into STATES.
        original_id: the filmed frame that this is a copy of.
        augmentation_id: which copy; "" if the file does not say.
    """

    gas: str
    frame_path: str
    mask_path: str
    ph_value: float
    class_id: int
    original_id: str
    augmentation_id: str = ""

    @property
    def state(self) -> str:
        """Name of the class."""
        return STATES[self.class_id]


def annotation_path(folder: Path, split: str) -> Path:
    """Where a split's CSV lies."""
    return folder / f"{split}_annotations.csv"


def read_frames(path: Path) -> list[Frame]:
    """Read a split's CSV.

    Args:
        path: CSV with COLUMNS; more columns are passed over. Paths may have Windows separators and start with
            `mmseg_dataset`.

    Raises:
        RequestError: no such file, a missing column, or rows with bad values; names the first ten of them.
    """
    rows, problems, frames = read_rows(path, COLUMNS), [], []
    for line, row in enumerate(rows, start=2):
        try:
            frames.append(_frame(row))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise rows_error(path, problems)
    return frames


def write_frames(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames as `read_frames` reads them."""
    write_rows(
        path,
        COLUMNS,
        (
            {
                "frame_path": frame.frame_path,
                "mask_path": frame.mask_path,
                "gas_type": frame.gas,
                "ph_value": frame.ph_value,
                "class_name": frame.state,
                "class_id": frame.class_id,
                "original_sample_id": frame.original_id,
                "augmentation_id": frame.augmentation_id,
            }
            for frame in frames
        ),
    )


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV's rows.

    Raises:
        RequestError: no such file, not UTF-8, or one of `columns` is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except FileNotFoundError:
        raise RequestError("the annotations do not exist", where=path) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"cannot read the annotations: {error}", where=path) from error
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise RequestError(
            f"the annotations lack the column(s) {', '.join(missing)}", where=path, expected=", ".join(columns)
        )
    return rows


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[dict[str, object]]) -> None:
    """Write a CSV in one step."""
    import io

    from kerasfusion.file_writing import write_text

    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def rows_error(path: Path, problems: list[str]) -> RequestError:
    """One error for all bad rows of a file; shows ten of them."""
    shown = problems[:10] + ([f"and {len(problems) - 10} more"] if len(problems) > 10 else [])
    return RequestError(f"{len(problems)} row(s) are not valid:\n  - " + "\n  - ".join(shown), where=path)


def relative_path(text: str) -> str:
    """A path as it stands in a public CSV, relative to the dataset's root and with slashes.

    Raises:
        ValueError: empty, absolute, or with `..`.
    """
    parts = [part for part in text.strip().replace("\\", "/").split("/") if part != "."]
    if parts and parts[0] == FOREIGN_ROOT:
        parts = parts[1:]
    if not any(parts) or parts[0] == "" or ":" in parts[0] or ".." in parts:
        raise ValueError(f"{text!r} is not a path relative to the dataset's root")
    return "/".join(part for part in parts if part)


def parse_class(class_name: str, class_id: str) -> int:
    """The class id, which must be the name's.

    Raises:
        ValueError: they differ, or no such class.
    """
    if class_name not in STATES:
        raise ValueError(f"class_name is {class_name!r}, not one of {', '.join(STATES)}")
    if int(class_id) != STATES.index(class_name):
        raise ValueError(f"class_id {class_id} is not that of {class_name} ({STATES.index(class_name)})")
    return int(class_id)


def _frame(row: dict[str, str]) -> Frame:
    gas = row["gas_type"].strip().lower()
    if gas not in GASES:
        raise ValueError(f"gas_type is {row['gas_type']!r}, not co2 or ch4")
    if not row["original_sample_id"].strip():
        raise ValueError("original_sample_id is empty")
    return Frame(
        gas=gas,
        frame_path=relative_path(row["frame_path"]),
        mask_path=relative_path(row["mask_path"]),
        ph_value=float(row["ph_value"]),
        class_id=parse_class(row["class_name"].strip(), row["class_id"]),
        original_id=row["original_sample_id"].strip(),
        augmentation_id=(row["augmentation_id"] or "").strip(),
    )
