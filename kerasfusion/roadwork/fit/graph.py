"""Train the graph that `fusion.fit_on` asks for: EfficientNetV2 alone, or with the head."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from kerasfusion.images.stored_arrays import epoch_batches
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.fit.parts import Parts
from kerasfusion.roadwork.fit.sources import Source, in_order, weight_of
from kerasfusion.trainer import train


def checkpoint_of(config: RoadworkConfig, fold: int | None = None) -> Path:
    """What the graph's training goes on from: of all training photos, or without one fold of them."""
    name = "joint" if config.fusion.fit_on == "train" else "efficientnetv2"
    return config.run_folder / "checkpoints" / (f"{name}.npz" if fold is None else f"{name}_fold_{fold}.npz")


def train_graph(
    config: RoadworkConfig,
    parts: Parts,
    training: Source,
    validation: Source | None,
    watch: Sequence[keras.callbacks.Callback] = (),
    verbose: int | None = None,
    fold: int | None = None,
) -> keras.Model:
    """Train the graph that `fusion.fit_on` asks for: EfficientNetV2 alone, or with the head.

    Args:
        config, parts, training, validation: as `build_parts` and `make_sources` gave them.
        watch: further callbacks.
        verbose: as for `trainer.train`.
        fold: the one that `training` is without; None: it is without none.

    Returns:
        The graph, a keras.Model of the parts' own layers.
    """
    graph, losses = (_graph_jointly if config.fusion.fit_on == "train" else _graph_apart)(config, parts)
    _train(config, parts, graph, losses, training, validation, watch, verbose, fold)
    return graph


def answer_all(config: RoadworkConfig, graph: keras.Model, source: Source) -> np.ndarray:
    """(R, 2) float32, EfficientNetV2's answers about every row of a source."""
    batches = in_order(config, source).map(lambda arrays: {key: arrays[key] for key in graph.input})
    return graph.predict(batches, verbose=0)["efficientnetv2"]


def _graph_apart(config: RoadworkConfig, parts: Parts):
    inputs, probs = _efficientnetv2_graph(config, parts)
    return keras.Model(inputs, {"efficientnetv2": _named(probs, "efficientnetv2")}), {"efficientnetv2": 1.0}


def _graph_jointly(config: RoadworkConfig, parts: Parts):
    inputs, probs = _efficientnetv2_graph(config, parts)
    cached = {name: keras.Input((2,), name=f"{name}_probs") for name in ("yolo", "vit") if name in parts.head.input}
    inputs |= {f"{name}_probs": tensor for name, tensor in cached.items()}
    fused = parts.head(cached | {"efficientnetv2": probs})
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
    fold: int | None,
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
        weights = {output: arrays[weight_of(output)] for output in losses}
        return inputs, dict.fromkeys(losses, arrays["label"]), weights

    def stream(epochs: range):
        return epoch_batches(
            training.gather, len(training.photos), config.fit.batch, config.seed, epochs, training.transform
        ).map(examples)

    held_out = None
    if validation is not None:
        held_out = in_order(config, validation).map(examples)
    train(
        model,
        stream,
        steps=-(-len(training.photos) // config.fit.batch),
        epochs=config.fit.epochs,
        checkpoint=checkpoint_of(config, fold),
        history=config.run_folder / ("history.csv" if fold is None else f"history_fold_{fold}.csv"),
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
