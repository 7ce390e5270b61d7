"""What the networks learn from, batch by batch: kept pixels, or the features of a frozen trunk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from kerasfusion.images.augmentation import STRENGTHS, image_augmentation
from kerasfusion.images.stored_arrays import StoredArray, plain_batches
from kerasfusion.roadwork.branches import efficientnetv2
from kerasfusion.roadwork.branches.efficientnetv2_folded import compiled, fold
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.fit.parts import Parts
from kerasfusion.roadwork.fit.training_data import Photos, stored_features, stored_pixels
from kerasfusion.roadwork.scoring.prior import prior_weights

FEATURES_BATCH = 256
"""Rows a batch of `in_order`, of features, whatever fit.batch is. They are small: with few photos, the number of
batches is what an epoch's time goes into."""


@dataclass(frozen=True)
class Source:
    """Photos' views with what is kept of them: pixels, or a frozen trunk's features.

    Attributes:
        photos: labels and cached probabilities.
        name: "image" or "features".
        rows: (N V, S, S, 3) uint8 or (N V, C) float32.
        weights: {output: (2,) weight of each class in its loss}.
        transform: (arrays of a batch, seed (2,) int32) -> what the training graph reads of them; None changes nothing.
    """

    photos: Photos
    name: str
    rows: "StoredArray | ChosenRows"
    weights: Mapping[str, np.ndarray]
    transform: Callable | None = None

    def gather(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """The rows with these numbers, by name."""
        labels = self.photos.labels[numbers]
        return {
            self.name: self.rows.take(numbers),
            "yolo_probs": self.photos.yolo_probs[numbers],
            "vit_probs": self.photos.vit_probs[numbers],
            "label": labels,
            **{weight_of(output): weights[labels] for output, weights in self.weights.items()},
        }

    def choose(self, numbers: np.ndarray) -> "Source":
        """Some of the photos, (n,) int, with all their views."""
        rows = ChosenRows(self.rows, self.photos.rows_of(numbers))
        return replace(self, photos=self.photos.choose(numbers), rows=rows)


@dataclass(frozen=True)
class ChosenRows:
    """Rows of a stored array: `numbers` (R,) int64 of them, in this order."""

    stored: StoredArray
    numbers: np.ndarray

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """As StoredArray.take, by number among the chosen ones."""
        return self.stored.take(self.numbers[numbers])


def weight_of(output: str) -> str:
    """What the weights of an output's loss are called among the arrays of a batch."""
    return f"{output}_weight"


def make_sources(config, parts: Parts, image_size: int, training: Photos | None, validation: Photos | None):
    """Training and validation source, None for what there are no photos of; `ablate` asks about test/ as validation.

    A frozen trunk works un-augmented photos out once and for all, and augmented ones before they come to the graph
    that is trained: nothing of it is learned, and its folded form is faster.
    """
    folded = None if config.efficientnetv2.fine_tune_blocks else fold(parts.trunk)

    def source(photos: Photos | None, label: str, priors: Mapping[str, float | None], strength: str) -> Source | None:
        if photos is None:
            return None
        weights = {output: prior_weights(prior, photos.labels) for output, prior in priors.items()}
        transform = _transform(strength, folded)  # before the photos are decoded: it may lack its library
        pixels = stored_pixels(photos, config, image_size, label)
        if folded is None or strength != "none":
            return Source(photos, "image", pixels, weights, transform)
        forward, digest = compiled(folded), efficientnetv2.weights_digest(config.efficientnetv2, parts.trunk)
        rows = stored_features(
            photos,
            config,
            lambda images: forward(images, (0, 0)).numpy(),
            folded.output_shape[-1],
            features_name(folded, image_size, digest),
            pixels,
            label,
        )
        return Source(photos, "features", rows, weights)

    learned = {"fusion": config.fusion.prior, "efficientnetv2": 0.5 if config.fit.class_weights else None}
    # The validation loss stays unweighted and its views as they are.
    return (
        source(training, "train", learned, config.fit.augmentation),
        source(validation, _held_out(validation), dict.fromkeys(learned), "none"),
    )


def _held_out(photos: Photos | None) -> str:
    return "test" if photos is not None and photos.samples[0].split == "test" else "val"


def features_name(trunk: keras.Model, image_size: int, digest: str) -> str:
    """What tells the features of one trunk, size and weights from others."""
    return f"{trunk.name}-{image_size}-{digest[:16]}"


def _transform(strength: str, folded: keras.Model | None):
    """Augmentation and, if it is frozen, trunk; inside tf.data."""
    if strength == "none":
        return None
    change = image_augmentation(STRENGTHS[strength])

    def augment(arrays, seed):
        return {**arrays, "image": change(tf.cast(arrays["image"], tf.float32), seed)}

    if folded is None:
        return augment
    forward = compiled(folded, change)

    def augmented_features(arrays, seed):
        image = arrays.pop("image")
        # Through Python, because tf.data runs a network without the fusing of operations that a tf.function gets: a
        # third slower.
        features = tf.py_function(forward, [image, seed], tf.float32)
        features.set_shape((None, folded.output_shape[-1]))
        return {**arrays, "features": features}

    return augmented_features


def in_order(config: RoadworkConfig, source: Source):
    """All rows once."""
    batch = config.fit.batch if source.name == "image" else FEATURES_BATCH
    return plain_batches(source.gather, len(source.photos), batch)
