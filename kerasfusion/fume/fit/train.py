"""Training of a network: losses, optimizer, best epoch, checkpoints; can be killed at any moment and gone on with."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from kerasfusion.config import to_dict
from kerasfusion.files.saving import load_model, save_model
from kerasfusion.files.writing import copy_file
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.frames import Frames
from kerasfusion.fume.fit.best_epoch import monitor_of, rank
from kerasfusion.fume.fit.description import describe
from kerasfusion.fume.fit.epoch_reports import EpochLine
from kerasfusion.fume.fit.flat_adamw import FlatAdamW
from kerasfusion.fume.fit.history_columns import told_outputs
from kerasfusion.fume.fit.initial_weights import initial_sha256, take_initial_weights
from kerasfusion.fume.fit.training_data import training_order, training_stream, validation_batches
from kerasfusion.fume.fit.training_metrics import Confusion, EpochScores
from kerasfusion.fume.networks.architectures import build_network, with_probabilities
from kerasfusion.fume.networks.fused_normalisation import with_fused_normalisation
from kerasfusion.fume.networks.losses import Focal, FocalDice
from kerasfusion.trainer import read_checkpoint, train

STATE = "state.npz"
"""In a run's checkpoints: all that training goes on from."""


def train_network(
    config: FumeConfig,
    training: Frames,
    validation: Frames,
    report: Callable[[str], None] = print,
    watch: Sequence[keras.callbacks.Callback] = (),
) -> keras.Model:
    """Train, or go on with a run that was killed.

    Args:
        config: everything.
        training, validation: what `load_split` gave.
        report: takes a line after each epoch.
        watch: further callbacks.

    Returns:
        The network (logits, float32) with the weights of the best epoch.

    Raises:
        KerasFusionError: the loss is not finite; names the batch's samples.
    """
    folder = config.run_folder / "checkpoints"
    keras.utils.set_random_seed(config.experiment.seed)
    mixed = config.training.use_amp and bool(tf.config.list_physical_devices("GPU"))
    network = _network(config, mixed)
    take_initial_weights(config, network)
    learner = with_fused_normalisation(network)
    steps = -(-len(training) // config.training.batch_size)
    kept = read_checkpoint(folder / STATE).history
    told = told_outputs(config, network.output, kept)
    compile_network(config, learner, steps, told)
    monitor = monitor_of(config, *kept[:1])
    train(
        learner,
        training_stream(config, training),
        steps=steps,
        epochs=config.training.num_epochs,
        checkpoint=folder / STATE,
        history=config.run_folder / "history.csv",
        validation=validation_batches(config, validation),
        stopping=_stopping(config, monitor),
        callbacks=[
            KeepModels(config, folder, monitor),
            EpochLine(config.training.num_epochs, report),
            *watch,
        ],
        before_stopping=[EpochScores(told, kept)],
        name_batch=lambda epoch, batch: _sample_ids(config, training, epoch, batch),
        verbose=0,
    )
    best = _network(config, mixed=False)
    best.set_weights(load_model(folder / "best.keras")[0].get_weights())
    return best


def compile_network(config: FumeConfig, network: keras.Model, steps: int, told: Collection[str]) -> None:
    """Give a network losses, metrics and optimizer.

    Args:
        config: model.name and training.
        network: of `build_network`; changed in place.
        steps: batches an epoch, which the learning rate's cosine runs over.
        told: outputs that have metrics.
    """
    settings = config.training
    masks = [name for name in network.output if name != "state"]
    pixel_loss = FocalDice if settings.loss.use_focal_dice else Focal
    losses = {name: pixel_loss(settings.loss.focal_gamma) for name in masks}
    weights = dict.fromkeys(masks, settings.loss.seg_weight)
    if "state" in network.output:
        losses["state"] = Focal(settings.loss.focal_gamma, settings.loss.cls_alpha)
        weights["state"] = settings.loss.cls_weight
    rate = keras.optimizers.schedules.CosineDecay(
        settings.optimizer.lr, steps * settings.num_epochs, settings.scheduler.eta_min / settings.optimizer.lr
    )
    beta_1, beta_2 = settings.optimizer.betas
    network.compile(
        FlatAdamW(
            rate,
            weight_decay=settings.optimizer.weight_decay,
            beta_1=beta_1,
            beta_2=beta_2,
            global_clipnorm=settings.grad_clip or None,
        ),
        loss=losses,
        loss_weights=weights,
        weighted_metrics={name: [Confusion(name)] for name in told},
        jit_compile=False,
    )


class KeepModels(keras.callbacks.Callback):
    """Keeps the models of the best epoch so far, of the last one and of every `save_freq`-th as `.keras` files.

    Args:
        config: what the files say of themselves.
        folder: where they and the run's state are kept.
        monitor: metric by which epochs are compared, see `best_epoch.rank`.
    """

    def __init__(self, config: FumeConfig, folder: Path, monitor: str):
        super().__init__()
        self.config, self.folder, self.monitor = config, folder, monitor
        self.network = None

    def on_train_begin(self, logs=None):
        """Find out how good the best epoch of an earlier run was."""
        history = read_checkpoint(self.folder / STATE).history
        self.best = max((rank(values, self.monitor) for values in history), default=None)

    def on_epoch_end(self, epoch, logs=None):
        """Write the files that this epoch is due in."""
        every, reached = self.config.training.checkpoint.save_freq, rank(logs, self.monitor)
        names = ["last"]
        if self.best is None or reached > self.best:
            self.best = reached
            names.append("best")
        if every and (epoch + 1) % every == 0:
            names.append(f"epoch-{epoch + 1:03d}")
        self.network = self.network or _network(self.config, mixed=False)  # built once: it takes a second
        self.network.set_weights(self.model.get_weights())
        description, model = describe(self.config, self.network), with_probabilities(self.network)
        first, *others = (self.folder / f"{name}.keras" for name in names)
        save_model(model, first, description, sample=None)
        for path in others:
            copy_file(first, path)


def _network(config: FumeConfig, mixed: bool) -> keras.Model:
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if mixed else "float32")
    try:
        width, height = config.data.image_size
        return build_network(config.model.name, height, width, config.model.shared_encoder)
    finally:
        keras.config.set_dtype_policy(usual)


def _stopping(config: FumeConfig, monitor: str) -> keras.callbacks.EarlyStopping | None:
    settings = config.training.early_stopping
    if settings.patience == 0:
        return None
    return keras.callbacks.EarlyStopping(monitor, mode="max", patience=settings.patience, min_delta=settings.min_delta)


def settings_of(config: FumeConfig, training: str, validation: str) -> dict:
    """All that decides the weights, as a JSON value: a run is only gone on with under the same.

    Args:
        config: everything; the file of `model.weights` is there.
        training, validation: digests of the samples, of `samples_digest`.
    """
    tree = to_dict(config)
    settings = {key: tree[key] for key in ("model", "training", "weighted_sampling")}
    settings["training"].pop("checkpoint")
    settings["model"]["weights"] = initial_sha256(config)
    settings["seed"] = config.experiment.seed
    settings["data"] = {
        key: tree["data"][key] for key in ("image_size", "frames", "masks", "gases", "augmentation", "modality_dropout")
    } | {"train": training, "val": validation}
    return settings


def _sample_ids(config: FumeConfig, frames: Frames, epoch: int, batch: int) -> str:
    size = config.training.batch_size
    numbers = training_order(config, frames)(epoch)[batch * size : (batch + 1) * size]
    return "; ".join(frames.samples[number].sample_id for number in numbers)
