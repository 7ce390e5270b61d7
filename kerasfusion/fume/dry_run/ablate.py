"""`ablate --dry-run`: the time of runs that no earlier run is like, from one short trial."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kerasfusion.fume.ablate.cost import step_kind
from kerasfusion.fume.ablate.plan import Run
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.dry_run.fit import Trial, trial_stages, try_out
from kerasfusion.fume.fit.training_data import read_split
from kerasfusion.machine.probe import process_seconds
from kerasfusion.progress import track

EARLIER, TRIED, SCALED = "earlier runs", "a trial", "the trial, by MACs"

STEP_MACS = 4e9
"""Multiplications of the answers in a step of the trial, at most. 8 pairs at 640 x 480 have 15 GMACs, take 4 s a step
on two AVX2 cores, and a trial has a dozen batches."""


@dataclass(frozen=True)
class AblationTrial:
    """What one trial adds to the table.

    Attributes:
        run: name of the run that was tried; None if earlier runs told everything.
        seconds: that the trial took.
        run_bytes: of a run's folder; None without a trial.
    """

    run: str | None
    seconds: float
    run_bytes: int | None


def complete_costs(runs: Sequence[Run], rows: Sequence[dict[str, Any]]) -> AblationTrial:
    """Fill in the minutes that `costs_of` left open, and say in "told_by" where each row's come from.

    The first run that is left open is tried out, with smaller batches where its own are slow. A step of other networks
    or batches is taken to cost what its multiplications do, so that what they do besides is told less well.

    Args:
        runs: of `plan_runs`.
        rows: of `costs_of`; changed in place.
    """
    begin, start_up = time.perf_counter(), process_seconds()
    open_runs = [run for run, row in zip(runs, rows, strict=True) if row["minutes_left"] is None]
    macs: dict[tuple, int] = {}
    for run in track(open_runs, "count multiplications") if open_runs else ():
        _step_macs(run.config, macs)
    tried = _with_quick_steps(open_runs[0].config, macs) if open_runs else None
    trial = _try(tried) if tried else None
    for run, row in zip(runs, rows, strict=True):
        row["told_by"] = EARLIER
        if row["minutes_left"] is None:
            factor = _step_macs(run.config, macs) / _step_macs(tried, macs)
            row["told_by"] = TRIED if step_kind(run.config) == step_kind(tried) else SCALED
            row["minutes_left"] = _seconds(run, trial, factor, start_up) / 60
    name = open_runs[0].name if open_runs else None
    return AblationTrial(name, time.perf_counter() - begin, trial and trial.run_bytes)


def _with_quick_steps(config: FumeConfig, macs: dict[tuple, int]) -> FumeConfig:
    """The same from random weights, with as many samples a batch as STEP_MACS allow, in validation a like part of its
    batches."""
    size = config.training.batch_size
    part = min(1.0, STEP_MACS / _step_macs(config, macs))
    smaller = max(1, int(size * part))
    validation = max(1, round(config.validation.batch_size * smaller / size))
    return replace(
        config,
        model=replace(config.model, weights=None),  # which an earlier run of the study may have yet to train
        training=replace(config.training, batch_size=smaller),
        validation=replace(config.validation, batch_size=validation),
    )


def _try(config: FumeConfig) -> Trial:
    return try_out(config, read_split(config, "train"), read_split(config, "val"))


def _seconds(run: Run, trial: Trial, factor: float, start_up: float) -> float:
    stages = trial_stages(run.config, run.samples, trial, run.config.training.num_epochs - run.epochs, start_up)
    scaled = {"train", "validate"}
    whole = sum(
        stage.count * stage.seconds_each * (factor if stage.stage in scaled else 1) + stage.seconds_once
        for stage in stages
    )
    return start_up + whole


def _step_macs(config: FumeConfig, known: dict[tuple, int]) -> int:
    """Multiplications of a batch's answers; each network is counted once."""
    from kerasfusion.fume.networks.architectures import build_network
    from kerasfusion.fume.networks.macs import count_macs

    name, shared, (width, height), batch = step_kind(config)
    if (name, shared, width, height) not in known:
        known[name, shared, width, height] = count_macs(build_network(name, height, width, shared))
    return known[name, shared, width, height] * batch
