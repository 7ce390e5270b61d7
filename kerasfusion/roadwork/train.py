"""Fit EfficientNetV2 and the fusion head from photos and branch cache, with neither ViT nor torch in memory.

Two ways (fusion.fit_on):
- val: EfficientNetV2's classifier learns on train/, then the head on held-out photos that no branch learned from. (A
  branch's probabilities on its own training photos are too good to learn from how far it can be trusted.)
- train: jointly on train/, loss = cross-entropy of the fusion + 0.3 x that of EfficientNetV2.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasfusion.augmentation import STRENGTHS, image_augmentation
from kerasfusion.config import to_dict
from kerasfusion.errors import RequestError
from kerasfusion.image_pipeline import StoredArray, epoch_batches, plain_batches
from kerasfusion.roadwork import efficientnetv2, ensemble
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.efficientnetv2_folded import compiled, fold
from kerasfusion.roadwork.epoch_panels import EpochPanels
from kerasfusion.roadwork.training_data import Photos, load_photos, stored_features, stored_pixels
from kerasfusion.run_folder import claim_checkpoints, describe_run
from kerasfusion.trackers import PANELS, trackers, write_panel
from kerasfusion.trainer import train


@dataclass(frozen=True)
class Parts:
    """The networks that are trained: EfficientNetV2's trunk and classifier, and the head."""

    trunk: keras.Model
    classifier: keras.Model
    head: keras.Model


@dataclass(frozen=True)
class Source:
    """Photos with what is kept of them: pixels, or a frozen trunk's features.

    Attributes:
        photos: labels and cached probabilities.
        name: "image" or "features".
        rows: (N, S, S, 3) uint8 or (N, C) float32.
        weights: (2,) weight of each class in the loss.
        transform: (arrays of a batch, seed (2,) int32) -> what the training graph reads of them; None changes nothing.
    """

    photos: Photos
    name: str
    rows: StoredArray
    weights: np.ndarray
    transform: Callable | None = None

    def gather(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """The rows with these numbers, by name."""
        labels = self.photos.labels[numbers]
        return {
            self.name: self.rows.take(numbers),
            "yolo_probs": self.photos.yolo_probs[numbers],
            "vit_probs": self.photos.vit_probs[numbers],
            "label": labels,
            "weight": self.weights[labels],
        }


def fit_parts(config: RoadworkConfig, manifest: dict[str, Any], restart: bool = False) -> Parts:
    """Train, or go on with a run that was killed.

    Nothing is written before data, cache, weights and an earlier run's settings are known to suit.

    Args:
        config: everything.
        manifest: of the branch cache.
        restart: forget an earlier run in the folder.

    Raises:
        RequestError: cache and data differ, weights are missing, the run folder holds a run with other settings, or
            pictures of held-out photos are asked for and there are none.
    """
    training, validation = load_photos(config, manifest)
    if config.tracking.panels_every and validation is None:
        raise RequestError("nothing is held out that pictures could show", where="tracking.panels_every", expected="0")
    keras.utils.set_random_seed(config.seed)
    image_size = manifest["sizes"]["image"]
    parts = build_parts(config, image_size)
    if restart:
        shutil.rmtree(config.run_folder / "checkpoints", ignore_errors=True)
    claim_checkpoints(config.run_folder, settings_of(config, manifest))
    describe_run(config.run_folder, config)
    sources = make_sources(config, parts, image_size, training, validation)
    panels = None
    if config.tracking.panels_every:
        panels = EpochPanels(validation, sources[1].gather, config.data.max_pixels)
    watch = trackers(config.tracking, config.run_folder, config, checkpoint_of(config), panels)
    graph = train_graph(config, parts, *sources, watch)
    if config.fusion.fit_on == "val":
        probs = _predict(config, graph, sources[1])
        fit_head(config, parts.head, validation, probs)
        if panels is not None:
            _draw_fitted(config, parts.head, panels, probs)
    return parts


def checkpoint_of(config: RoadworkConfig) -> Path:
    """What the graph's training goes on from."""
    name = "efficientnetv2" if config.fusion.fit_on == "val" else "joint"
    return config.run_folder / "checkpoints" / f"{name}.npz"


def _draw_fitted(config: RoadworkConfig, head, panels: EpochPanels, efficientnetv2_probs: np.ndarray) -> None:
    """The same photos with the fusion, which while EfficientNetV2 learned was not fitted yet."""
    photos, numbers = panels.photos, panels.numbers
    answers = {
        "yolo": photos.yolo_probs[numbers],
        "vit": photos.vit_probs[numbers],
        "efficientnetv2": efficientnetv2_probs[numbers],
    }
    fused = np.asarray(head(answers, training=False))
    picture = panels.draw({"fusion": fused[:, 1], "efficientnetv2": answers["efficientnetv2"][:, 1]})
    write_panel(config.run_folder / PANELS / "fitted.png", picture)


def build_parts(config: RoadworkConfig, image_size: int) -> Parts:
    """The networks before training."""
    trunk = efficientnetv2.build_trunk(config.efficientnetv2, image_size)
    classifier = efficientnetv2.build_classifier(trunk.output_shape[-1], config.efficientnetv2.dropout)
    return Parts(trunk, classifier, ensemble.build_head(config.fusion))


def settings_of(config: RoadworkConfig, manifest: dict[str, Any]) -> dict[str, Any]:
    """Settings and cache under which alone a checkpoint is gone on with, as a JSON value."""
    settings = {key: to_dict(config)[key] for key in ("seed", "efficientnetv2", "fusion", "fit")}
    del settings["fit"]["pixel_cache"]  # where pixels are kept changes nothing
    settings["efficientnetv2"]["weights_sha256"] = efficientnetv2.file_digest(config.efficientnetv2)
    settings["validation_fraction"] = config.data.validation_fraction
    settings["cache"] = {
        key: manifest[key]["sha256"] if key != "splits" else _shards(manifest) for key in ("yolo", "vit", "splits")
    }
    return settings


def _shards(manifest: dict[str, Any]) -> dict[str, list[str]]:
    kept = {split: done for split, done in manifest["splits"].items() if split != "test"}
    return {split: [shard["sha256"] for shard in done.get("shards", [])] for split, done in kept.items()}


def make_sources(config, parts: Parts, image_size: int, training: Photos, validation: Photos | None):
    """Training and validation source; the latter is None where nothing is held out.

    A frozen trunk works un-augmented photos out once and for all, and augmented ones before they come to the graph
    that is trained: nothing of it is learned, and its folded form is faster.
    """
    folded = None if config.efficientnetv2.fine_tune_blocks else fold(parts.trunk)

    def source(photos: Photos | None, label: str, class_weights: np.ndarray, strength: str) -> Source | None:
        if photos is None:
            return None
        pixels = stored_pixels(photos, config, image_size, label)
        if folded is None or strength != "none":
            return Source(photos, "image", pixels, class_weights, _transform(strength, folded))
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
        return Source(photos, "features", rows, class_weights)

    # The validation loss stays unweighted and its photos as they are.
    return (
        source(training, "train", _class_weights(config, training), config.fit.augmentation),
        source(validation, "val", np.ones(2, "float32"), "none"),
    )


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


def _class_weights(config: RoadworkConfig, photos: Photos) -> np.ndarray:
    """(2,) float32: n / (2 n_c) if fit.class_weights asks for it, else ones."""
    counts = np.bincount(photos.labels, minlength=2)
    return (len(photos) / (2 * counts) if config.fit.class_weights else np.ones(2)).astype(np.float32)


def train_graph(
    config: RoadworkConfig,
    parts: Parts,
    training: Source,
    validation: Source | None,
    watch: Sequence[keras.callbacks.Callback] = (),
    verbose: int | None = None,
) -> keras.Model:
    """Train the graph that `fusion.fit_on` asks for: EfficientNetV2 alone, or with the head.

    Args:
        config, parts, training, validation: as `build_parts` and `make_sources` gave them.
        watch: further callbacks.
        verbose: as for `trainer.train`.

    Returns:
        The graph, a keras.Model of the parts' own layers.
    """
    graph, losses = (_graph_apart if config.fusion.fit_on == "val" else _graph_jointly)(config, parts)
    _train(config, parts, graph, losses, training, validation, watch, verbose)
    return graph


def _graph_apart(config: RoadworkConfig, parts: Parts):
    inputs, probs = _efficientnetv2_graph(config, parts)
    return keras.Model(inputs, {"efficientnetv2": _named(probs, "efficientnetv2")}), {"efficientnetv2": 1.0}


def _graph_jointly(config: RoadworkConfig, parts: Parts):
    inputs, probs = _efficientnetv2_graph(config, parts)
    inputs |= {name: keras.Input((2,), name=name) for name in ("yolo_probs", "vit_probs")}
    fused = parts.head({"yolo": inputs["yolo_probs"], "vit": inputs["vit_probs"], "efficientnetv2": probs})
    outputs = {"fusion": _named(fused, "fusion"), "efficientnetv2": _named(probs, "efficientnetv2")}
    losses = {"fusion": 1.0, "efficientnetv2": config.fusion.efficientnetv2_loss_weight}
    return keras.Model(inputs, outputs), losses


def _efficientnetv2_graph(config: RoadworkConfig, parts: Parts):
    """From photos if any of the trunk learns, else from its features."""
    if config.efficientnetv2.fine_tune_blocks:
        image = keras.Input(parts.trunk.input_shape[1:], name="image")
        return {"image": image}, parts.classifier(parts.trunk(image))
    features = keras.Input(parts.trunk.output_shape[1:], name="features")
    return {"features": features}, parts.classifier(features)


def _named(tensor, name: str):
    return keras.layers.Identity(name=name, dtype="float32")(tensor)


def _train(
    config,
    parts: Parts,
    model,
    losses: dict[str, float],
    training: Source,
    validation: Source | None,
    watch: Sequence[keras.callbacks.Callback],
    verbose: int | None,
):
    model.compile(
        optimizer=_optimizer(config, parts.trunk),
        loss={output: keras.losses.SparseCategoricalCrossentropy() for output in losses},
        loss_weights=losses,
        weighted_metrics={output: ["accuracy"] for output in losses},
        jit_compile=False,  # XLA's compilation of EfficientNetV2 took most of a minute on two cores
    )

    def examples(arrays):
        inputs = {key: arrays[key] for key in model.input}
        return inputs, dict.fromkeys(losses, arrays["label"]), dict.fromkeys(losses, arrays["weight"])

    def stream(epochs: range):
        return epoch_batches(
            training.gather, len(training.photos), config.fit.batch, config.seed, epochs, training.transform
        ).map(examples)

    held_out = None
    if validation is not None:
        held_out = _in_order(config, validation).map(examples)
    train(
        model,
        stream,
        steps=-(-len(training.photos) // config.fit.batch),
        epochs=config.fit.epochs,
        checkpoint=checkpoint_of(config),
        history=config.run_folder / "history.csv",
        validation=held_out,
        stopping=_stopping(config) if held_out is not None else None,
        callbacks=list(watch),
        verbose=verbose,
    )


def _stopping(config: RoadworkConfig):
    if config.fit.patience == 0:
        return None
    return keras.callbacks.EarlyStopping("val_loss", patience=config.fit.patience, restore_best_weights=True)


def _optimizer(config: RoadworkConfig, trunk: keras.Model):
    if config.efficientnetv2.fine_tune_blocks == 0:
        return keras.optimizers.Adam(config.fit.learning_rate)
    ratio = config.efficientnetv2.fine_tune_learning_rate / config.fit.learning_rate
    return TwoRateAdam(config.fit.learning_rate, ratio, {variable.path for variable in trunk.trainable_variables})


class TwoRateAdam(keras.optimizers.Adam):
    """Adam that multiplies its rate by `ratio` for the variables with the given paths."""

    def __init__(self, learning_rate: float, ratio: float, paths: set[str]):
        super().__init__(learning_rate)
        self.ratio, self.paths = ratio, frozenset(paths)

    def update_step(self, gradient, variable, learning_rate):
        # What comes here is the backend's variable, which has no path of Keras'.
        if self._trainable_variables[self._get_variable_index(variable)].path in self.paths:
            learning_rate = learning_rate * self.ratio
        super().update_step(gradient, variable, learning_rate)


def _predict(config: RoadworkConfig, model, source: Source) -> np.ndarray:
    batches = _in_order(config, source).map(lambda arrays: {key: arrays[key] for key in model.input})
    return model.predict(batches, verbose=0)["efficientnetv2"]


def _in_order(config: RoadworkConfig, source: Source):
    """All rows once. Features are small: with few photos, the number of batches is what an epoch's time goes into."""
    batch = config.fit.batch if source.name == "image" else 256
    return plain_batches(source.gather, len(source.photos), batch)


def fit_head(config: RoadworkConfig, head, photos: Photos, efficientnetv2_probs: np.ndarray) -> None:
    """Fit the head on held-out photos; it is small, so that this takes seconds and starts anew on resume.

    Args:
        config: fusion settings; class weights if asked for.
        head: what ensemble.build_head gave; changed in place.
        photos: N held-out photos with their cached probabilities.
        efficientnetv2_probs: (N, 2) float32.
    """
    inputs = {"yolo": photos.yolo_probs, "vit": photos.vit_probs, "efficientnetv2": efficientnetv2_probs}
    # A model of the same layers, so that the head itself is saved without a compile state.
    model = keras.Model(head.input, head.output)
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(keras.optimizers.Adam(config.fusion.learning_rate), loss, jit_compile=False)
    keras.utils.set_random_seed(config.seed)
    model.fit(
        inputs,
        photos.labels,
        sample_weight=_class_weights(config, photos)[photos.labels],
        batch_size=min(len(photos), 256),
        epochs=config.fusion.epochs,
        verbose=0,
    )
