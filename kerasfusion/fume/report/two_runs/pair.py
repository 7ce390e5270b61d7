"""Two runs, and what both answered."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.files.run_files import different_names
from kerasfusion.fume.data.annotations import SPLITS
from kerasfusion.fume.evaluate.comparison import compare_answers, same_samples
from kerasfusion.fume.evaluate.split import Answers
from kerasfusion.fume.report.run import Run, read_run


@dataclass(frozen=True)
class Pair:
    """Two runs.

    Attributes:
        runs: the first and the second.
        names: what they are called, always two different ones.
        split: that both were evaluated on; None if there is none.
        shared: {view: (rows of the first's answers, rows of the second's) about the same samples}; empty if the answers
            of one were not kept.
        left_out: samples as they are that are not shared.
    """

    runs: tuple[Run, Run]
    names: tuple[str, str]
    split: str | None
    shared: dict[str, tuple[np.ndarray, np.ndarray]]
    left_out: int

    @property
    def answers(self) -> tuple[Answers, Answers]:
        """Of both, on the split; only where some are shared."""
        first, second = self.runs
        return first.answers[self.split], second.answers[self.split]


def read_pair(first: Path, second: Path) -> Pair:
    """Read both runs and join their answers by the samples' ids.

    Raises:
        RequestError: as `read_run`, or one folder twice.
    """
    names, runs = different_names(first, second), (read_run(first), read_run(second))
    split = next((split for split in reversed(SPLITS) if all(split in run.report for run in runs)), None)
    kept = [run.answers.get(split) for run in runs]
    if None in kept:
        return Pair(runs, names, split, {}, 0)
    shared = same_samples(*kept)
    sizes = [len(answers.rows("")) for answers in kept]
    return Pair(runs, names, split, shared, sum(sizes) - 2 * len(shared.get("", ((), ()))[0]))


def compared_views(pair: Pair) -> dict[str, dict[str, Any]]:
    """{view: the second's values minus the first's}, of the views in which both have something to compare."""
    found = {}
    for view, (rows_a, rows_b) in pair.shared.items():
        a, b = pair.answers
        groups = [a.asked[row].sample.group for row in rows_a]
        parts = compare_answers(a, rows_a, b, rows_b, groups, seed=pair.runs[0].config.experiment.seed)
        if parts:
            found[view] = parts
    return found
