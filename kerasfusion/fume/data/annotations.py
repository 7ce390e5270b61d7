"""The frames of a dataset as its CSV files list them: one row a frame, one file a split."""

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.csv_table import csv_of_dicts
from kerasfusion.files.writing import write_text
from kerasfusion.fume.data.csv_rows import name_ten, parse_rows

GASES = ("co2", "ch4")
"""The gases, in the order of `modality_mask` and of `gas_type`."""

STATES = ("Healthy", "Transitional", "Acidotic")
"""The rumen's states, in the order of their class ids."""

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

_STILL_NAME = re.compile(r"_-?\d{6,}ms\.\w+$")
_STILL_TIME = re.compile(r"-?\d+(\.\d+)?s")


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
        source: the row that it was read from, for messages ("train_annotations.csv line 7"); does not count in ==.
    """

    gas: str
    frame_path: str
    mask_path: str
    ph_value: float
    class_id: int
    original_id: str
    augmentation_id: str = ""
    source: str = field(default="", compare=False)

    @property
    def state(self) -> str:
        """Name of the class."""
        return STATES[self.class_id]

    @property
    def is_still(self) -> bool:
        """Whether `data frames` took it from a film: then original_id is the film, augmentation_id the time."""
        return bool(_STILL_NAME.search(self.frame_path) and _STILL_TIME.fullmatch(self.augmentation_id))

    @property
    def moment(self) -> tuple[str, str]:
        """What a still shares with the other gas's still of one time."""
        return self.original_id, self.augmentation_id


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
    return parse_rows(path, COLUMNS, _frame)


def write_frames(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames as `read_frames` reads them."""
    rows = (
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
    )
    write_text(path, csv_of_dicts(COLUMNS, rows))


def check_files(root: Path, frames: Collection[Frame]) -> None:
    """Make sure that every frame and mask is there.

    Args:
        root: folder that the paths are relative to.

    Raises:
        RequestError: a file is missing; names the first ten with the first row that asks for each.
    """
    asking = {}  # one file may be the mask of many rows
    for frame in frames:
        for path in (frame.frame_path, frame.mask_path):
            asking.setdefault(path, frame.source or "frame")
    absent = {path for path in asking if not (root / path).is_file()}
    if not absent:
        return
    missing = [f"{source}: {path}" for path, source in asking.items() if path in absent]
    inner, undrawn = root / FOREIGN_ROOT, {frame.mask_path for frame in frames if frame.is_still}
    todo = "name the folder that the paths start from, or take the rows out"
    if inner.is_dir():
        todo = (
            f"move the CSV files into {inner} and name that folder: a leading {FOREIGN_ROOT} of the paths is taken away"
        )
    elif absent <= undrawn:
        todo = "draw these masks of the films' stills"
    raise RequestError(
        f"{len(missing)} file(s) of the annotations do not exist:{name_ten(missing)}",
        where=root,
        expected="every frame_path and mask_path as a file below this folder",
        todo=todo,
    )


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
    name, number = class_name.strip(), parse_id(class_id)
    if name not in STATES:
        raise ValueError(f"class_name is {name!r}, not one of {', '.join(STATES)}")
    if number != str(STATES.index(name)):
        raise ValueError(f"class_id is {number!r}, not that of {name} ({STATES.index(name)})")
    return STATES.index(name)


def parse_ph(text: str) -> float:
    """A pH, with a decimal point or, as spreadsheets of many countries save it, a comma.

    Raises:
        ValueError: not a number from 0 to 14.
    """
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not 0 <= value <= 14:
        raise ValueError(f"ph_value is {text.strip()!r}, not a number from 0 to 14")
    return value


def parse_id(text: str) -> str:
    """An id as it stands in a CSV, stripped; 7.0 is 7, because pandas writes a column with gaps so."""
    return re.sub(r"^(\d+)\.0+$", r"\1", text.strip())


def _frame(row: dict[str, str], source: str) -> Frame:
    gas, original_id = row["gas_type"].strip().lower(), parse_id(row["original_sample_id"])
    if gas not in GASES:
        raise ValueError(f"gas_type is {row['gas_type']!r}, not co2 or ch4")
    if not original_id:
        raise ValueError("original_sample_id is empty")
    return Frame(
        gas=gas,
        frame_path=relative_path(row["frame_path"]),
        mask_path=relative_path(row["mask_path"]),
        ph_value=parse_ph(row["ph_value"]),
        class_id=parse_class(row["class_name"], row["class_id"]),
        original_id=original_id,
        augmentation_id=parse_id(row["augmentation_id"]),
        source=source,
    )
