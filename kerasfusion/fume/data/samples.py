"""What a network is trained on and asked about: pairs of frames, and single frames; and their CSV files."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from kerasfusion.files.csv_table import csv_of_dicts
from kerasfusion.files.writing import write_text
from kerasfusion.fume.data.annotations import GASES, STATES, parse_class, parse_id, parse_ph, relative_path
from kerasfusion.fume.data.csv_rows import parse_rows

COLUMNS = (
    "co2_frame",
    "co2_mask",
    "ch4_frame",
    "ch4_mask",
    "ph_value",
    "class_id",
    "class_name",
    "is_paired",
    "missing_modality",
    "co2_original_sample_id",
    "ch4_original_sample_id",
)
OLDER_COLUMNS = COLUMNS[:9]
"""What the paired files of taminulislam/fume have; they do not say which originals a pair is of."""


@dataclass(frozen=True)
class GasFrame:
    """One gas of a sample.

    Attributes:
        frame_path: POSIX path relative to the dataset's root.
        mask_path: likewise; None where there is no mask (prediction).
        original_id: the filmed frame it is a copy of; "" if unknown.
    """

    frame_path: str
    mask_path: str | None
    original_id: str = ""


@dataclass(frozen=True)
class Sample:
    """A CO2 frame, a CH4 frame, or both, of one state.

    Attributes:
        co2, ch4: None where the sample lacks the gas; at least one is there.
        ph_value: pH of the rumen fluid; NaN if unknown.
        class_id: index into STATES; -1 if unknown (prediction).
        source: where it is listed ("paired_val_annotations.csv line 7"), for messages; no part of what it is.
    """

    co2: GasFrame | None
    ch4: GasFrame | None
    ph_value: float = float("nan")
    class_id: int = -1
    source: str = field(default="", compare=False)

    def __post_init__(self):
        if self.co2 is None and self.ch4 is None:
            raise ValueError("a sample without any gas")

    @property
    def frames(self) -> dict[str, GasFrame]:
        """{gas: frame} of the gases that are there, CO2 first."""
        return {gas: frame for gas in GASES if (frame := getattr(self, gas)) is not None}

    @property
    def is_paired(self) -> bool:
        """Whether both gases are there."""
        return len(self.frames) == 2

    @property
    def sample_id(self) -> str:
        """The frames' paths, joined by " + "."""
        return " + ".join(frame.frame_path for frame in self.frames.values())

    @property
    def group(self) -> str:
        """The original that stands for the sample where originals are drawn: its CO2 frame's, else its CH4 frame's."""
        return next(iter(self.frames.values())).original_id or self.sample_id

    def only(self, gas: str) -> "Sample | None":
        """The sample with this gas alone; None if it lacks it."""
        return replace(self, **{**dict.fromkeys(GASES), gas: frame}) if (frame := getattr(self, gas)) else None


def with_gases(samples: Iterable[Sample], gases: str) -> list[Sample]:
    """What `data.gases` leaves of samples: with "co2" or "ch4" those that have it, with it alone; with "both" all."""
    if gases == "both":
        return list(samples)
    return [only for sample in samples if (only := sample.only(gases)) is not None]


def single_frames(samples: Iterable[Sample]) -> list[Sample]:
    """Each frame of each sample once, as a sample of its own: what single-frame networks learn from."""
    return [only for sample in samples for gas in GASES if (only := sample.only(gas)) is not None]


def paired_path(folder: Path, split: str) -> Path:
    """Where a split's paired CSV lies."""
    return folder / f"paired_{split}_annotations.csv"


def read_samples(path: Path, labelled: bool = True) -> list[Sample]:
    """Read a paired CSV.

    Args:
        path: CSV with OLDER_COLUMNS; a missing gas's cells are empty.
        labelled: whether masks and classes must be there; without (prediction), their cells and ph_value may be empty.

    Raises:
        RequestError: no such file, a missing column, or rows with bad values; names the first ten of them.
    """
    return parse_rows(path, OLDER_COLUMNS, lambda row, source: parse_sample(row, source, labelled))


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples as `read_samples` reads them; what is unknown becomes an empty cell."""
    write_text(path, csv_of_dicts(COLUMNS, map(sample_row, samples)))


def parse_sample(row: dict[str, str], source: str, labelled: bool = True) -> Sample:
    """The sample of a row with OLDER_COLUMNS.

    Args:
        row: {column: text}.
        source: the row's place, for messages.
        labelled: as `read_samples` takes it.

    Raises:
        ValueError: says what is wrong with the row.
    """
    frames = {gas: _gas_frame(row, gas, labelled) for gas in GASES}
    if not any(frames.values()):
        raise ValueError("it has neither a co2_frame nor a ch4_frame")
    unknown = not labelled and not row["class_name"].strip() and not row["class_id"].strip()
    class_id = -1 if unknown else parse_class(row["class_name"], row["class_id"])
    ph_value = math.nan if row["ph_value"].strip().lower() in ("", "nan") else parse_ph(row["ph_value"])
    sample = Sample(**frames, ph_value=ph_value, class_id=class_id, source=source)
    _check_words(row, sample)
    return sample


def _check_words(row: dict[str, str], sample: Sample) -> None:
    """What the row says about its gases must be what its frames say; empty cells say nothing."""
    missing, found = row["missing_modality"].strip().lower(), _missing_gas(sample)
    if missing not in ({"", found} if found else {"", "none", "nan"}):
        raise ValueError(f"missing_modality is {missing!r}, but the frames say {found or 'none'!r}")
    if row["is_paired"].strip().lower() not in ({"", "true", "1"} if sample.is_paired else {"", "false", "0"}):
        raise ValueError(f"is_paired is {row['is_paired']!r}, but the frames say {sample.is_paired}")


def _missing_gas(sample: Sample) -> str:
    return next((gas for gas in GASES if gas not in sample.frames), "")


def _gas_frame(row: dict[str, str], gas: str, labelled: bool) -> GasFrame | None:
    frame, mask = row[f"{gas}_frame"].strip(), row[f"{gas}_mask"].strip()
    if (mask and not frame) or (labelled and frame and not mask):
        raise ValueError(f"{gas} has a {'mask without a frame' if mask else 'frame without a mask'}")
    if not frame:
        return None
    original_id = parse_id(row.get(f"{gas}_original_sample_id") or "")
    return GasFrame(relative_path(frame), relative_path(mask) if mask else None, original_id)


def sample_row(sample: Sample) -> dict[str, object]:
    """The cells of COLUMNS that `parse_sample` makes the sample of; what is unknown has none, or an empty one."""
    known = sample.class_id >= 0
    row: dict[str, object] = {
        "ph_value": "" if math.isnan(sample.ph_value) else sample.ph_value,
        "class_id": sample.class_id if known else "",
        "class_name": STATES[sample.class_id] if known else "",
        "is_paired": sample.is_paired,
        "missing_modality": _missing_gas(sample),
    }
    for gas, frame in sample.frames.items():
        row |= {
            f"{gas}_frame": frame.frame_path,
            f"{gas}_mask": frame.mask_path,
            f"{gas}_original_sample_id": frame.original_id,
        }
    return row
