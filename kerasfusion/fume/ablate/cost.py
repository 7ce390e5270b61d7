"""What an ablation would take: parameters, steps, and time as far as earlier runs tell it."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasfusion.fume.ablate.plan import Run
from kerasfusion.fume.config import FumeConfig
from kerasfusion.machine.probe import duration


def costs_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """What is there and what is left of each run.

    Returns:
        One mapping a run: "name", "network", "parameters", "steps_per_epoch", "epochs" at most, "done" epochs,
        "status", and "minutes_left" of training: None where no run has shown how long an epoch takes, 0 where training
        is over. Times are the run's own, or those of a run with the same network, frame size and batch size, by the
        step.
    """
    known: dict[tuple, float] = {}
    own = [_seconds_per_step(run) for run in runs]
    for run, seconds in zip(runs, own, strict=True):
        if seconds is not None:
            known.setdefault(step_kind(run.config), seconds)
    parameters: dict[tuple, int] = {}
    rows = []
    for run, seconds in zip(runs, own, strict=True):
        model = run.config.model
        key = (model.name, model.shared_encoder, run.config.data.image_size)
        if key not in parameters:
            parameters[key] = _parameters(run)
        rows.append(_row(run, parameters[key], known.get(step_kind(run.config)) if seconds is None else seconds))
    return rows


def total_line(rows: Sequence[dict[str, Any]]) -> str:
    """How much is left of all runs together."""
    left = [row for row in rows if row["status"] != "finished"]
    known = [row["minutes_left"] for row in left if row["minutes_left"] is not None]
    if not left:
        return f"all {len(rows)} runs are finished"
    counted = f"{len(left)} of {len(rows)} runs are left"
    steps = sum(row["steps_per_epoch"] * (row["epochs"] - row["done"]) for row in left if row["minutes_left"] != 0)
    if not known:
        return f"{counted}: {steps:,} training steps at most; no earlier run here tells how long a step takes"
    rest = "" if len(known) == len(left) else f", without {len(left) - len(known)} that no earlier run is like"
    return f"{counted}: {steps:,} training steps at most; about {duration(60 * sum(known))} of training{rest}"


def _row(run: Run, parameters: int, seconds: float | None) -> dict[str, Any]:
    epochs = run.config.training.num_epochs
    steps = 0 if run.is_trained else run.steps * (epochs - run.epochs)
    left = 0.0 if run.is_trained else None if seconds is None else seconds * steps / 60
    return {
        "name": run.name,
        "network": run.config.model.name,
        "parameters": parameters,
        "steps_per_epoch": run.steps,
        "epochs": epochs,
        "done": run.epochs,
        "status": status(run),
        "minutes_left": left,
    }


def status(run: Run) -> str:
    """How far a run has come, in a few words."""
    if run.is_finished:
        return "finished"
    if run.is_trained:
        return "trained, to be evaluated"
    return f"begun, {run.epochs} epochs done" if run.epochs else "to be trained"


def step_kind(config: FumeConfig) -> tuple:
    """Network, encoders, frame size (width, height) and batch size: of one kind, steps take the same time."""
    return config.model.name, config.model.shared_encoder, config.data.image_size, config.training.batch_size


def _parameters(run: Run) -> int:
    from kerasfusion.fume.networks.architectures import build_network, count_trainable

    width, height = run.config.data.image_size
    return count_trainable(build_network(run.config.model.name, height, width, run.config.model.shared_encoder))


def _seconds_per_step(run: Run) -> float | None:
    """By the times at which the epochs' values were written; the median passes over breaks of a run that was killed."""
    times = _epoch_times(run.config.run_folder / "tensorboard" / "train")
    apart = [times[epoch + 1] - times[epoch] for epoch in times if epoch + 1 in times]
    return statistics.median(apart) / run.steps if apart else None


def _epoch_times(folder: Path) -> dict[int, float]:
    """{epoch: when it ended, seconds}, from TensorBoard's event files."""
    files = sorted(str(path) for path in folder.glob("events.out.tfevents.*"))
    if not files:
        return {}
    import tensorflow as tf
    from tensorflow.core.util.event_pb2 import Event

    events = (Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(files))
    return {event.step: event.wall_time for event in events if event.summary.value}
