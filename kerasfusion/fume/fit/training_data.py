"""Samples to what a network is trained on: inputs, targets and weights, the same keys everywhere."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.annotations import GASES, STATES
from kerasfusion.fume.data.frames import Frames, load_frames
from kerasfusion.fume.data.samples import Sample, read_samples, single_frames, with_gases
from kerasfusion.fume.fit.frame_augmentation import frame_augmentation
from kerasfusion.fume.networks.architectures import ARCHITECTURES
from kerasfusion.images.stored_arrays import epoch_batches, plain_batches


def load_split(config: FumeConfig, split: str, samples: list[Sample] | None = None) -> Frames:
    """The samples of a split as the configured network looks at them, with their frames.

    Args:
        config: data and model.
        split: "train", "val" or "test".
        samples: taken instead of the split's CSV.

    Raises:
        RequestError: no CSV, no samples, or missing or unreadable files.
    """
    chosen = read_split(config, split, samples)
    return load_frames(chosen, config.data, split)


def read_split(config: FumeConfig, split: str, samples: list[Sample] | None = None) -> list[Sample]:
    """The samples of `load_split`, without their frames.

    Raises:
        RequestError: no CSV, or no samples.
    """
    path = config.data.paired_csv(split)
    chosen = choose_samples(config, read_samples(path) if samples is None else samples)
    if not chosen:
        raise RequestError(f"no {split} samples with {config.data.gases}", where=path)
    return chosen


def choose_samples(config: FumeConfig, samples: list[Sample]) -> list[Sample]:
    """Leave out the gas that is not to be used, and take a single-frame network's samples apart."""
    samples = with_gases(samples, config.data.gases)
    return samples if ARCHITECTURES[config.model.name].is_paired else single_frames(samples)


@dataclass(frozen=True)
class Examples:
    """Builds batches of (inputs, targets, weights) for one network.

    Attributes:
        architecture: a key of models.ARCHITECTURES.
        modality_dropout: chance that a paired sample loses one of its gases; for training.
        augment: see `frame_augmentation`; None changes nothing.
    """

    architecture: str
    modality_dropout: float = 0.0
    augment: Callable | None = None

    def changed(self, arrays, seed):
        """Modality dropout and augmentation of what `Frames.take` gave; inside tf.data."""
        import tensorflow as tf

        dropout, augmentation = tf.unstack(tf.random.split(seed, 2))
        presence = drop_modality(arrays["presence"], self.modality_dropout, dropout)
        frames, masks = tf.cast(arrays["frames"], tf.float32), arrays["masks"]
        if self.augment is not None:
            frames, masks = self.augment(arrays["frames"], masks, augmentation)
        return {**arrays, "frames": frames, "masks": masks, "presence": presence}

    def __call__(self, arrays):
        """What `Frames.take` or `changed` gave -> (inputs, targets, weights), dicts of batches."""
        import tensorflow as tf

        presence = arrays["presence"]
        there = presence[:, None, None, :]
        frames = tf.cast(arrays["frames"], tf.float32) * there
        masks = tf.where(there > 0, arrays["masks"], 0)
        known = {
            "modality_mask": presence,
            "frame": tf.reduce_sum(frames, -1, keepdims=True),  # of single-frame samples: one gas is there
            "gas_type": tf.cast(tf.argmax(presence, -1), tf.int32),
            "mask": tf.reduce_max(masks, -1),  # gas over tube over background
            "state": arrays["label"],
        }
        weights = dict.fromkeys(("mask", "state"), tf.ones_like(presence[:, 0]))
        share = presence / tf.reduce_sum(presence, -1, keepdims=True)
        for column, gas in enumerate(GASES):
            known[gas] = frames[..., column : column + 1]
            known[f"{gas}_mask"] = masks[..., column]
            weights[f"{gas}_mask"] = share[:, column]
        network = ARCHITECTURES[self.architecture]
        return tuple(
            {name: values[name] for name in names}
            for values, names in ((known, network.inputs), (known, network.outputs), (weights, network.outputs))
        )


def drop_modality(presence, chance: float, seed):
    """Take one gas, either with equal chance, from some of the samples that have both.

    Args:
        presence: (B, 2) float32.
        chance: share of the paired samples that lose one.
        seed: (2,) int32.

    Returns:
        (B, 2) float32; no row is all zeros.
    """
    import tensorflow as tf

    drawn = tf.random.stateless_uniform((tf.shape(presence)[0],), seed)
    paired = tf.reduce_sum(presence, -1) > 1
    loses = [paired & (drawn < chance / 2), paired & (drawn >= chance / 2) & (drawn < chance)]
    return presence * (1 - tf.cast(tf.stack(loses, -1), tf.float32))


def training_stream(config: FumeConfig, frames: Frames) -> Callable[[range], object]:
    """epochs -> tf.data.Dataset of (inputs, targets, weights), reproducible epoch by epoch."""
    augment = None if config.data.augmentation is None else frame_augmentation(config.data.augmentation)
    examples = Examples(config.model.name, config.data.modality_dropout, augment)

    def stream(epochs: range):
        order = training_order(config, frames)
        batches = epoch_batches(
            frames.take,
            len(frames),
            config.training.batch_size,
            config.experiment.seed,
            epochs,
            examples.changed,
            order,
        )
        return batches.map(examples).prefetch(1)

    return stream


def validation_batches(config: FumeConfig, frames: Frames):
    """All samples once, in order and unchanged, as (inputs, targets, weights)."""
    batches = plain_batches(frames.take, len(frames), config.validation.batch_size)
    return batches.map(Examples(config.model.name)).prefetch(1)


def balanced_twice(config: FumeConfig) -> str | None:
    """What to say where rare states are both drawn more often and weighed more; None where at most one is done."""
    weights = config.training.loss.cls_alpha
    if not config.weighted_sampling or len(set(weights)) == 1:
        return None
    return (
        f"the states are balanced twice, by weighted_sampling and by training.loss.cls_alpha {list(weights)}, which "
        "can turn all answers into one state: set training.loss.cls_alpha=[1,1,1], or weighted_sampling=false"
    )


def training_order(config: FumeConfig, frames: Frames) -> Callable[[int], np.ndarray]:
    """epoch -> (N,) int64 numbers of the samples: each once, or drawn so that the states come equally often."""
    counts = np.bincount(frames.labels, minlength=len(STATES))
    chances = 1 / (counts[frames.labels] * np.count_nonzero(counts))

    def order(epoch: int) -> np.ndarray:
        rng = np.random.default_rng([config.experiment.seed, int(epoch)])
        if config.weighted_sampling:
            return rng.choice(len(frames), len(frames), p=chances)
        return rng.permutation(len(frames))

    return order
