"""`fit` for fume: load, train, save the best epoch as the one file."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerasfusion.figure_style import save_png
from kerasfusion.files.earlier_file import earlier_model
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.run_folder import claim_checkpoints, describe_run, forget_checkpoints, require_folder
from kerasfusion.files.saving import save_model
from kerasfusion.fume.config import MODEL, FumeConfig
from kerasfusion.fume.data.frames import Frames, list_files, refuse_missing
from kerasfusion.fume.data.mask_check import check_masks
from kerasfusion.fume.data.modality import REMEDY, dependence
from kerasfusion.fume.fit.best_epoch import best_epoch
from kerasfusion.fume.fit.description import describe
from kerasfusion.fume.fit.history_columns import learned_columns
from kerasfusion.fume.fit.history_figures import history_curves
from kerasfusion.fume.fit.initial_weights import refuse_other_network
from kerasfusion.fume.fit.loss_check import refuse_unfit_loss
from kerasfusion.fume.fit.training_data import balanced_twice, load_split, read_split, validation_batches
from kerasfusion.trackers.wandb_run import refuse_unusable


def fit(config: FumeConfig, restart: bool = False, report: Callable[[str], None] = print) -> Path:
    """Train or go on, and save.

    Args:
        config: everything.
        restart: forget an earlier run in the folder.
        report: takes a line for the person who waits.

    Returns:
        runs/NAME/fume.keras.

    Raises:
        RequestError: data and settings do not belong together, the loss cannot be trained by, or a folder cannot be
            written to.
        KerasFusionError: training or saving failed, or another run is writing the folder.
    """
    refuse_unusable(config.experiment.tracking)
    require_folder(config.run_folder, config.data.frame_cache)
    refuse_unfit_loss(config)
    refuse_other_network(config)
    with only_writer(config.run_folder):
        return _fit(config, restart, report)


def _fit(config: FumeConfig, restart: bool, report: Callable[[str], None]) -> Path:
    folder = config.run_folder
    training, validation = _load(config, report)
    from kerasfusion.fume.fit.epoch_panels import EpochPanels
    from kerasfusion.fume.fit.train import STATE, settings_of, train_network
    from kerasfusion.fume.networks.architectures import count_trainable, with_probabilities
    from kerasfusion.trackers.epochs import trackers
    from kerasfusion.trainer import read_checkpoint

    if restart:
        forget_checkpoints(folder)
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    claim_checkpoints(folder, settings_of(config, training.digest, validation.digest))
    describe_run(folder, config)
    counts = np.bincount(training.labels, minlength=len(config.data.class_names))
    shares = ", ".join(f"{n} {name}" for n, name in zip(counts, config.data.class_names, strict=True))
    report(f"{len(training)} training samples ({shares}), {len(validation)} validation samples")
    if tells := dependence(training.samples):
        report(f"note: {tells.line()}; {REMEDY}")
    if twice := balanced_twice(config):
        report(f"note: {twice}")
    done = read_checkpoint(folder / "checkpoints" / STATE)
    if done.epoch:
        report(f"{'all of it was' if done.finished else 'going on:'} trained to epoch {done.epoch} before")
    elif config.model.weights is not None:
        report(f"training begins from the weights of {config.model.weights}")
    watch = trackers(
        config.experiment.tracking,
        folder,
        config,
        folder / "checkpoints" / STATE,
        draw=EpochPanels(config, validation),
    )
    network = train_network(config, training, validation, report, watch)
    _look_back(config, read_checkpoint(folder / "checkpoints" / STATE).history, len(validation), report)
    whole, description = with_probabilities(network), describe(config, network)
    if earlier_model(folder / MODEL, whole, description) is not None:
        report(f"{MODEL} holds this network already and stays as it is")
        return folder / MODEL
    report(f"{config.model.name}: {count_trainable(network):,} parameters; comparing the file in a clean process")
    inputs, _, _ = next(validation_batches(config, validation).as_numpy_iterator())
    sample = {name: value[:1] for name, value in inputs.items()}
    save_model(whole, folder / MODEL, description, sample)
    return folder / MODEL


def _look_back(
    config: FumeConfig, history: list[dict[str, float]], answers: int, report: Callable[[str], None]
) -> None:
    """Draw the training curves, and say if the best epoch has but one answer."""
    from kerasfusion.fume.fit.epoch_reports import only_state

    best = best_epoch(history, config)
    curves = history_curves(learned_columns(history, config), best)
    save_png(curves, config.run_folder / "figures" / "training_curves.png")
    if config.learns("state") and (state := only_state(history[best - 1])):
        report(
            f"warning: all {answers} validation answers of the best epoch, {best}, are {state}: this network does not "
            "tell the state. Train longer, or look at the balance of the states and at training.loss.cls_weight"
        )


def _load(config: FumeConfig, report: Callable[[str], None]) -> tuple[Frames, Frames]:
    """The training and the validation samples; what both splits' masks hold is looked at together."""
    samples = {split: read_split(config, split) for split in ("train", "val")}
    both, root = [sample for found in samples.values() for sample in found], config.data.dataset_root
    refuse_missing(both, root)
    for note in check_masks(root, list_files(both), config.data.masks):
        report(f"note: {note}")
    return load_split(config, "train", samples["train"]), load_split(config, "val", samples["val"])
