"""Several trainings of each configuration that differ in their seed alone: mean and spread of what they reach."""

import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, stdev
from typing import Any

from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.evaluate.paper import MASKS

Row = dict[str, Any]

METRICS = (
    *(f"{metric}_{mask}" for metric in ("miou", "iou_gas", "boundary_f_gas", "boundary_f_tube") for mask in MASKS),
    *("accuracy", "balanced_accuracy", "macro_f1", "f1_transitional", "joint", "best_epoch"),
)
"""Columns of the table that a seed changes."""
SAME = ("network", "differs", "parameters", "gmacs", "per", "states")
"""Columns that it does not change, but for its own value in "differs"."""
_NAME = re.compile(r"(.+)-seed\d+")
_SEED = re.compile(r"experiment\.seed: \d+(, )?|, experiment\.seed: \d+$")
"""In "differs": the seed, with the comma that parts it from the others."""


def with_seeds(configs: Sequence[FumeConfig], count: int) -> list[FumeConfig]:
    """Each configuration `count` times, with its own seed and those that follow; all of one stand together.

    Args:
        configs: in the table's order.
        count: of trainings; 1 leaves the configurations as they are.
    """
    if count == 1:
        return list(configs)
    return [_seeded(config, config.experiment.seed + step) for config in configs for step in range(count)]


def configuration_of(name: str) -> str:
    """The name that a configuration had before `with_seeds` named its runs."""
    return _NAME.fullmatch(name)[1]


def gather(rows: Sequence[Row]) -> list[Row]:
    """One row a configuration from the rows of its seeds.

    Args:
        rows: of `table.rows_of`, of runs that `with_seeds` named.

    Returns:
        Rows with "name", SAME ("differs" without the seed), "seeds" (finished trainings), and of METRICS the mean under
        its own name and the sample standard deviation under NAME_sd; None without values, and without a spread where
        there is but one.
    """
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(configuration_of(row["name"]), []).append(row)
    return [_gathered(name, of_seeds) for name, of_seeds in found.items()]


def _seeded(config: FumeConfig, seed: int) -> FumeConfig:
    name = f"{config.experiment.name}-seed{seed}"
    return replace(config, experiment=replace(config.experiment, name=name, seed=seed))


def _gathered(name: str, rows: Sequence[Row]) -> Row:
    gathered: Row = {"name": name, **{column: rows[0][column] for column in SAME}, "seeds": len(rows)}
    gathered["differs"] = _SEED.sub("", gathered["differs"] or "") or None
    for metric in METRICS:
        values = [row[metric] for row in rows if row[metric] is not None]
        gathered[metric] = mean(values) if values else None
        gathered[f"{metric}_sd"] = stdev(values) if len(values) > 1 else None
    return gathered
