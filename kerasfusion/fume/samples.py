"""What a network is trained on and asked about: pairs of frames, and single frames; and their CSV files."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.fume.annotations import GASES, STATES, parse_class, read_rows, relative_path, rows_error, write_rows

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
    """

    co2: GasFrame | None
    ch4: GasFrame | None
    ph_value: float = float("nan")
    class_id: int = -1

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
        frame = getattr(self, gas)
        return frame and Sample(**{**dict.fromkeys(GASES), gas: frame}, ph_value=self.ph_value, class_id=self.class_id)


def single_frames(samples: Iterable[Sample]) -> list[Sample]:
    """Each frame of each sample once, as a sample of its own: what single-frame networks learn from."""
    return [only for sample in samples for gas in GASES if (only := sample.only(gas)) is not None]


def paired_path(folder: Path, split: str) -> Path:
    """Where a split's paired CSV lies."""
    return folder / f"paired_{split}_annotations.csv"


def read_samples(path: Path) -> list[Sample]:
    """Read a paired CSV.

    Raises:
        RequestError: no such file, a missing column, or rows with bad values; names the first ten of them.
    """
    problems, samples = [], []
    for line, row in enumerate(read_rows(path, OLDER_COLUMNS), start=2):
        try:
            samples.append(_sample(row))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise rows_error(path, problems)
    return samples


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples as `read_samples` reads them."""
    write_rows(path, COLUMNS, (_row(sample) for sample in samples))


def _sample(row: dict[str, str]) -> Sample:
    frames = {gas: _gas_frame(row, gas) for gas in GASES}
    class_id = parse_class(row["class_name"].strip(), row["class_id"])
    sample = Sample(**frames, ph_value=float(row["ph_value"]), class_id=class_id)
    missing = row["missing_modality"].strip().lower()
    found = "" if sample.is_paired else next(gas for gas in GASES if gas not in sample.frames)
    if missing not in ({found} if found else {"", "none", "nan"}):
        raise ValueError(f"missing_modality is {missing!r}, but the frames say {found or 'none'!r}")
    return sample


def _gas_frame(row: dict[str, str], gas: str) -> GasFrame | None:
    frame, mask = row[f"{gas}_frame"].strip(), row[f"{gas}_mask"].strip()
    if bool(frame) != bool(mask):
        raise ValueError(f"{gas} has a frame without a mask or a mask without a frame")
    original_id = (row.get(f"{gas}_original_sample_id") or "").strip()
    return GasFrame(relative_path(frame), relative_path(mask), original_id) if frame else None


def _row(sample: Sample) -> dict[str, object]:
    row: dict[str, object] = {
        "ph_value": sample.ph_value,
        "class_id": sample.class_id,
        "class_name": STATES[sample.class_id],
        "is_paired": sample.is_paired,
        "missing_modality": "" if sample.is_paired else next(gas for gas in GASES if gas not in sample.frames),
    }
    for gas, frame in sample.frames.items():
        row |= {
            f"{gas}_frame": frame.frame_path,
            f"{gas}_mask": frame.mask_path,
            f"{gas}_original_sample_id": frame.original_id,
        }
    return row
