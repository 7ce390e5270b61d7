"""The sets that both sides learn from and are asked about: generated ones, or one that is there."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.fume.data.annotations import SPLITS
from kerasfusion.fume.data.frames import file_digests, list_files, refuse_missing, samples_digest
from kerasfusion.fume.data.pair_job import pair_dataset
from kerasfusion.fume.data.samples import paired_path, read_samples
from kerasfusion.fume.plumes.dataset import write_dataset

GENERATED = ("imbalanced", "balanced")
"""As `data synth fume` makes them: the public set's shares of states and gases, or as many originals of each state."""
SHARES = {"train": 1.0, "val": 1 / 3, "test": 5 / 4}
"""Originals of each split by those of training; the test split is large, for rare states decide what is compared."""
SEED = 42


@dataclass(frozen=True)
class GasSet:
    """A set with paired CSVs.

    Attributes:
        name: in the table.
        root: its folder.
        digest: sha256 of its files and rows, hex.
    """

    name: str
    root: Path
    digest: str


def generated_set(name: str, folder: Path, originals: int, size: tuple[int, int], report: Callable) -> GasSet:
    """A generated set, each frame an original of its own; made unless an earlier run has.

    Args:
        name: of GENERATED.
        folder: of all generated sets.
        originals: in the training split.
        size: width and height of the frames, pixels.
        report: takes a line for the person who waits.
    """
    root = folder / f"{name}-{originals}-{size[0]}x{size[1]}"
    counts = {split: max(3, round(originals * share)) for split, share in SHARES.items()}
    if not all(paired_path(root, split).is_file() for split in SPLITS):
        if not (root / f"{SPLITS[-1]}_annotations.csv").is_file():  # the last file of a set that is whole
            shutil.rmtree(root, ignore_errors=True)  # of a drawing that was stopped
            report(f"{name}: drawing frames of {sum(counts.values())} originals")
            write_dataset(root, counts, SEED, size=size, copies=0, balanced=name == "balanced")
        pair_dataset(root, strategy="original_based", seed=SEED)
    return _described(name, root)


def given_set(root: Path) -> GasSet:
    """A set of the user's own.

    Raises:
        RequestError: no paired CSVs, or files that are missing.
    """
    return _described(root.name, root.resolve())


def _described(name: str, root: Path) -> GasSet:
    digests = []
    for split in SPLITS:
        samples = read_samples(paired_path(root, split))
        if not samples:
            raise RequestError("no samples", where=paired_path(root, split), expected="rows with frames")
        refuse_missing(samples, root)
        digests.append(samples_digest(samples, file_digests(list_files(samples), root, split)))
    return GasSet(name, root, " ".join(digests))
