"""Two runs, and the photos that both were asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasfusion.files.run_files import different_names
from kerasfusion.roadwork.evaluate.predictions import Predictions
from kerasfusion.roadwork.report.run import Run, main_output, read_run


@dataclass(frozen=True)
class Pair:
    """Two runs and what both answered.

    Attributes:
        runs: the first and the second.
        names: what they are called, always two different ones.
        split: that both were evaluated on; None if there is none.
        outputs: the output of each that is compared.
        kept: the answers of each on the photos that both were asked about, in one order; None without such photos.
        left_out: photos that only one was asked about, or that differ.
    """

    runs: tuple[Run, Run]
    names: tuple[str, str]
    split: str | None
    outputs: tuple[str, str] | None = None
    kept: tuple[Predictions, Predictions] | None = None
    left_out: int = 0

    @property
    def answers(self) -> dict[str, np.ndarray]:
        """{run: (N,) P(roadwork) of what is compared}."""
        parts = zip(self.names, self.kept, self.outputs, strict=True)
        return {name: kept.answers[output] for name, kept, output in parts}

    @property
    def groups(self) -> Sequence[str] | None:
        """N groups of photos that belong together, as one of the two keeps them; None where each is by itself."""
        return self.kept[0].groups or self.kept[1].groups

    @property
    def labels(self) -> np.ndarray:
        """(N,) true classes."""
        return self.kept[0].labels


def read_pair(first: Path, second: Path) -> Pair:
    """Read both runs and join their answers by the photos' ids and digests.

    Raises:
        RequestError: as `read_run`, or one folder twice.
    """
    names, runs = different_names(first, second), (read_run(first), read_run(second))
    split = next((split for split in ("test", "val", "train") if all(split in run.metrics for run in runs)), None)
    if split is None:
        return Pair(runs, names, None)
    outputs = tuple(main_output(run.metrics[split]) for run in runs)
    kept = [run.predictions(split) for run in runs]
    if None in kept:
        return Pair(runs, names, split, outputs)
    rows, left_out = _shared_rows(*kept)
    if not rows[0]:
        return Pair(runs, names, split, outputs, None, left_out)
    joined = tuple(_choose(each, chosen) for each, chosen in zip(kept, rows, strict=True))
    return Pair(runs, names, split, outputs, joined, left_out)


def _shared_rows(a: Predictions, b: Predictions) -> tuple[tuple[list[int], list[int]], int]:
    """Rows of the same photos in both, and how many photos are not of them."""

    def keyed(kept: Predictions) -> dict[tuple, int]:
        labels = kept.labels.tolist()
        return {(name, labels[row], kept.digests.get(name)): row for row, name in enumerate(kept.sample_ids)}

    in_a, in_b = keyed(a), keyed(b)
    shared = [key for key in in_a if key in in_b]
    left_out = len({key[0] for key in in_a.keys() ^ in_b.keys()})
    return ([in_a[key] for key in shared], [in_b[key] for key in shared]), left_out


def _choose(kept: Predictions, rows: list[int]) -> Predictions:
    answers = {name: p[rows] for name, p in kept.answers.items()}
    ids = [kept.sample_ids[row] for row in rows]
    groups = kept.groups and [kept.groups[row] for row in rows]
    return Predictions(ids, kept.labels[rows], answers, kept.unreadable, kept.digests, groups=groups)
