"""`fit --dry-run` for fume: what it would take, from a few real steps in a folder that is deleted."""

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kerasfusion.files.run_folder import refuse_other_settings, require_folder
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.frames import file_digests, frames_path, list_files, refuse_missing, samples_digest
from kerasfusion.fume.data.samples import Sample
from kerasfusion.fume.fit.initial_weights import refuse_other_network
from kerasfusion.fume.fit.loss_check import refuse_unfit_loss
from kerasfusion.fume.fit.training_data import load_split, read_split
from kerasfusion.machine.probe import Estimate, Stage, process_seconds, spread, timed
from kerasfusion.machine.stage_clock import peak_memory_mb
from kerasfusion.machine.step_clock import Pace, StepClock
from kerasfusion.progress import note, silent
from kerasfusion.trackers.wandb_run import refuse_unusable

TRAIN_BATCHES = 25
VAL_BATCHES = 6


@dataclass(frozen=True)
class Split:
    """What is known of a split without decoding it.

    Attributes:
        samples: as the network looks at them.
        files: frames with their masks, each once.
        digest: as `Frames.digest`.
        is_decoded: an earlier run has kept its pictures.
        check_seconds: that reading all files took.
    """

    samples: list[Sample]
    files: int
    digest: str
    is_decoded: bool
    check_seconds: float


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Attributes:
        pace: of the training.
        around: seconds of building networks before and after it.
        decode: seconds a frame with its mask.
        run_bytes: of the run folder that it left.
        parameters: of the network, and how many of them are trained.
        trained_on: samples.
    """

    pace: Pace
    around: float
    decode: float
    run_bytes: int
    parameters: int
    trainable: int
    trained_on: int


def estimate_fit(config: FumeConfig, restart: bool = False) -> Estimate:
    """Check what `fit` checks, and measure what it would take. Nothing is written but to a temporary folder.

    Raises:
        RequestError: as `fit`.
    """
    start_up = process_seconds()
    begin = time.perf_counter()
    refuse_unusable(config.experiment.tracking)
    require_folder(config.run_folder, config.data.frame_cache)
    refuse_unfit_loss(config)
    refuse_other_network(config)
    splits = {split: look_at(config, split) for split in ("train", "val")}
    from kerasfusion.fume.fit.train import STATE, settings_of
    from kerasfusion.trainer import Checkpoint, read_checkpoint

    done = Checkpoint()
    if not restart:
        refuse_other_settings(config.run_folder, settings_of(config, *(split.digest for split in splits.values())))
        done = read_checkpoint(config.run_folder / "checkpoints" / STATE)
    trial = try_out(config, *(split.samples for split in splits.values()))
    epochs = 0 if done.finished else config.training.num_epochs - done.epoch
    return Estimate(
        f"fit of {config.model.name}",
        _facts(config, splits, trial, done.epoch, epochs),
        _stages(config, splits, trial, epochs, start_up),
        _disk(config, splits, trial),
        round(peak_memory_mb() * 2**20),
        f"{trial.pace.steps} training steps on {trial.trained_on} of the samples",
        time.perf_counter() - begin,
    )


def trial_stages(
    config: FumeConfig, samples: dict[str, int], trial: Trial, epochs: int, start_up: float
) -> list[Stage]:
    """The training itself and what is around it, of this many samples of "train" and "val"."""
    pace = trial.pace
    steps = epochs * -(-samples["train"] // config.training.batch_size)
    batches = epochs * -(-samples["val"] // config.validation.batch_size)
    first = 1 if epochs else 0
    return [
        Stage("build the networks", 1, "run", trial.around),
        Stage("train", steps, "batches", pace.step, first * pace.first_step),
        Stage("validate", batches, "batches", pace.validation_batch, first * pace.first_validation),
        Stage("keep the models", epochs, "epochs", pace.epoch, first * pace.first_epoch),
        # A clean process loads the same libraries, and builds the network once.
        Stage("compare the file in a clean process", 1, "process", start_up + trial.around / 2),
    ]


def look_at(config: FumeConfig, split: str) -> Split:
    """Read a split's CSV and files.

    Raises:
        RequestError: as `load_split`, but for files that cannot be decoded.
    """
    root = config.data.dataset_root
    samples = read_split(config, split)
    refuse_missing(samples, root)
    files = list_files(samples)
    digests, seconds = timed(lambda: file_digests(files, root, split))
    path = frames_path(config.data, digests)
    return Split(samples, len(files), samples_digest(samples, digests), path.is_file(), seconds)


def try_out(config: FumeConfig, training: Sequence[Sample], validation: Sequence[Sample]) -> Trial:
    """Train on some of the samples, as `fit` does, in a folder that is deleted."""
    from kerasfusion.fume.fit.train import train_network
    from kerasfusion.fume.networks.architectures import build_network, count_trainable

    note(
        f"trial of {config.model.name}: at most {TRAIN_BATCHES} steps of {config.training.batch_size} samples, and "
        f"{VAL_BATCHES} batches of validation"
    )
    with tempfile.TemporaryDirectory() as folder, silent():
        small = _small(config, Path(folder))
        batches = {
            "train": TRAIN_BATCHES * config.training.batch_size,
            "val": VAL_BATCHES * config.validation.batch_size,
        }
        chosen = {"train": spread(training, batches["train"]), "val": spread(validation, batches["val"])}
        frames, seconds = timed(lambda: [load_split(small, split, samples) for split, samples in chosen.items()])
        clock = StepClock(TRAIN_BATCHES, batches=VAL_BATCHES)
        _, whole = timed(lambda: train_network(small, *frames, report=lambda line: None, watch=[clock]))
        run_bytes = sum(path.stat().st_size for path in small.run_folder.rglob("*") if path.is_file())
    width, height = config.data.image_size
    network = build_network(config.model.name, height, width, config.model.shared_encoder)
    return Trial(
        pace=clock.pace(),
        around=whole - clock.seconds,
        decode=seconds / sum(len(each.pixels) for each in frames),
        run_bytes=run_bytes,
        parameters=network.count_params(),
        trainable=count_trainable(network),
        trained_on=len(frames[0]),
    )


def _small(config: FumeConfig, folder: Path) -> FumeConfig:
    """The same training for two epochs, in another folder."""
    return replace(
        config,
        runs_folder=folder / "runs",
        data=replace(config.data, frame_cache=folder / "frames"),
        training=replace(config.training, num_epochs=StepClock.EPOCHS),
    )


def _facts(config: FumeConfig, splits: dict[str, Split], trial: Trial, done: int, epochs: int) -> dict[str, object]:
    names = config.data.class_names
    steps = -(-len(splits["train"].samples) // config.training.batch_size)
    facts: dict[str, object] = {}
    for name, split in splits.items():
        states = Counter(sample.class_id for sample in split.samples)
        facts[name] = {
            "samples": len(split.samples),
            **{state: states[number] for number, state in enumerate(names)},
            "frames": split.files,
        }
    return facts | {
        "network": {"parameters": trial.parameters, "trained": trial.trainable},
        "steps": {"epochs": epochs, "steps_an_epoch": steps, "batch": config.training.batch_size},
        "done_before": {"epochs": done, "splits_decoded": sum(split.is_decoded for split in splits.values())},
        "run_folder": str(config.run_folder),
    }


def _stages(config: FumeConfig, splits: dict[str, Split], trial: Trial, epochs: int, start_up: float) -> list[Stage]:
    checked = sum(split.files for split in splits.values())
    samples = {name: len(split.samples) for name, split in splits.items()}
    return [
        Stage("start", 1, "process", start_up),
        Stage("check files", checked, "frames", sum(split.check_seconds for split in splits.values()) / checked),
        Stage("decode", sum(split.files for split in splits.values() if not split.is_decoded), "frames", trial.decode),
        *trial_stages(config, samples, trial, epochs, start_up),
    ]


def _disk(config: FumeConfig, splits: dict[str, Split], trial: Trial) -> dict[str, int]:
    width, height = config.data.image_size
    frames = sum(split.files for split in splits.values() if not split.is_decoded)
    every = config.training.checkpoint.save_freq
    # The trial left its state, the last model and the best one. To them come those that are kept, and fume.keras.
    models = 1 + (config.training.num_epochs // every if every else 0)
    return {
        f"{config.data.frame_cache}": frames * 2 * width * height,
        f"{config.run_folder}": trial.run_bytes + models * trial.parameters * 4,
    }
