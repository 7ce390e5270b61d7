"""Training that can be killed at any moment and ends, run again, with the weights of an undisturbed run.

After every epoch one file holds all that changes: weights, optimizer, random states, early stopping, history. Keras'
own BackupAndRestore keeps neither the callbacks' state nor an undivided file.
"""

import io
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import pydantic

from kerasfusion.errors import DamagedError, KerasFusionError
from kerasfusion.files.csv_table import csv_of_dicts
from kerasfusion.files.json_yaml import wrong_keys_named
from kerasfusion.files.writing import write_file, write_text

LOSS_SCALE = "loss_scale/"
"""What the names of a LossScaleOptimizer's own variables begin with."""

EARLY_STOPPING_STATE = ("wait", "best", "best_epoch", "stopped_epoch")

UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError),
    *(NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error),
)
"""What NumPy and zipfile raise for an archive that is empty, cut, changed or something else altogether."""


class _Facts(pydantic.BaseModel):
    """Of a `Checkpoint`, what is not an array."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    epoch: pydantic.NonNegativeInt
    finished: bool
    history: list[dict[str, float]]
    early_stopping: dict[str, float | None]
    arrays: list[str] | None = None
    """Their names; None in files of older versions. Each array has a checksum, but nothing else tells of a lost one."""


@dataclass
class Checkpoint:
    """What is known after an epoch.

    Attributes:
        epoch: number of finished epochs.
        finished: training is over; the weights are the final ones.
        history: one mapping of metric to value for each epoch.
        early_stopping: EarlyStopping's own attributes.
        arrays: weights, optimizer and random states by name.
    """

    epoch: int = 0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)
    early_stopping: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def best_weights(self) -> list[np.ndarray]:
        """The best epoch's weights, in the order of model.get_weights(); empty without early stopping."""
        return [value for name, value in self.arrays.items() if name.startswith("best/")]


def train(
    model: keras.Model,
    stream: Callable[[range], object],
    *,
    steps: int,
    epochs: int,
    checkpoint: Path,
    history: Path,
    validation=None,
    stopping: keras.callbacks.EarlyStopping | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    before_stopping: Sequence[keras.callbacks.Callback] = (),
    name_batch: Callable[[int, int], str] | None = None,
    verbose: int | None = None,
) -> list[dict[str, float]]:
    """Train a compiled model to the end, from where `checkpoint` says an earlier run was.

    Args:
        model: compiled; its weights are changed in place and end as the best ones if there is early stopping.
        stream: epochs -> tf.data.Dataset of (inputs, targets, weights) for exactly these epochs, one after the other.
        steps: batches an epoch.
        epochs: train at most this many in all.
        checkpoint: `.npz` file, rewritten after each epoch.
        history: CSV file, one row an epoch, rewritten after each epoch.
        validation: dataset for `val_*`, or None.
        stopping: says what the best epoch is, and when to stop; it should restore the best weights.
        callbacks: told of each epoch before it counts as finished, so that after a kill they are told again.
        before_stopping: callbacks that are told even before `stopping`; they may add to what it is told.
        name_batch: (epoch, batch), both from 0 -> what the batch was of, for the error about a loss that is not finite.
        verbose: as for keras.Model.fit; None: a bar on a terminal, else a line an epoch.

    Returns:
        The history: one mapping of metric to value for each epoch that was trained.

    Raises:
        KerasFusionError: the loss is not finite, or the checkpoint is of another model.
    """
    state = read_checkpoint(checkpoint)
    model.optimizer.build(model.trainable_variables)
    if state.epoch:
        restore(model, state)
    if state.finished:
        write_history(history, state.history)  # again: it may have been deleted since
        return state.history
    stopped = state.early_stopping.get("stopped_epoch")
    saver = _SaveEachEpoch(state, checkpoint, history, stopping, name_batch)
    if state.epoch < epochs and not stopped:
        batches = stream(range(state.epoch, epochs))
        _create_metrics(model, batches.element_spec)
        model.fit(
            batches,
            steps_per_epoch=steps,
            initial_epoch=state.epoch,
            epochs=epochs,
            validation_data=validation,
            callbacks=[*before_stopping, *([stopping] if stopping else []), *callbacks, saver],
            shuffle=False,  # the stream is shuffled already
            verbose=verbose if verbose is not None else 1 if sys.stdout.isatty() else 2,
        )
    elif best := state.best_weights:  # killed between the last epoch and the end
        model.set_weights(best)
    state.finished = True
    state.arrays = capture(model)
    write_history(history, state.history)  # again: a kill may have come between the last checkpoint and its row
    write_checkpoint(checkpoint, state)
    return state.history


def _create_metrics(model: keras.Model, of_batches) -> None:
    """Give losses and metrics their variables, which the first step would: TensorFlow would then trace it twice.

    Args:
        model: compiled.
        of_batches: element_spec of the dataset that it is to learn from.
    """

    def zeros(spec):
        return keras.ops.zeros([side or 1 for side in spec.shape], spec.dtype)

    inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(keras.tree.map_structure(zeros, of_batches))
    answers = model(inputs, training=False)
    model.compute_loss(inputs, targets, answers, weights)
    model.compute_metrics(inputs, targets, answers, weights)
    model.reset_metrics()


class _SaveEachEpoch(keras.callbacks.Callback):
    def __init__(self, state: Checkpoint, checkpoint: Path, history: Path, stopping, name_batch):
        super().__init__()
        self.state, self.checkpoint, self.history, self.stopping = state, checkpoint, history, stopping
        self.name_batch = name_batch

    def on_train_begin(self, logs=None):
        # EarlyStopping, which comes before this callback, has just forgotten everything.
        if self.stopping is not None and self.state.early_stopping:
            for name in EARLY_STOPPING_STATE:
                setattr(self.stopping, name, self.state.early_stopping[name])
            self.stopping.best_weights = self.state.best_weights or None

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            raise KerasFusionError(
                f"the loss is {logs['loss']} in epoch {self.state.epoch + 1}, batch {batch + 1}",
                where=self.name_batch and self.name_batch(self.state.epoch, batch),
                todo="a smaller learning rate; the last finished epoch is kept",
            )

    def on_epoch_end(self, epoch, logs=None):
        self.state.epoch = epoch + 1
        self.state.history.append({"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}})
        self.save()

    def save(self):
        self.state.arrays = capture(self.model)
        if self.stopping is not None:
            self.state.early_stopping = {name: _plain(getattr(self.stopping, name)) for name in EARLY_STOPPING_STATE}
            for number, value in enumerate(self.stopping.best_weights or ()):
                self.state.arrays[f"best/{number:05d}"] = value
        write_checkpoint(self.checkpoint, self.state)
        write_history(self.history, self.state.history)


def capture(model: keras.Model) -> dict[str, np.ndarray]:
    """All variables of a model and its optimizer, in a fixed order, as NumPy arrays."""
    return {name: np.asarray(variable.value) for name, variable in _variables(model)}


def restore(model: keras.Model, state: Checkpoint) -> None:
    """Put back what `capture` took; of a finished training the weights alone, whatever optimizer it had.

    Raises:
        KerasFusionError: the checkpoint is of a model of another shape.
    """
    for name, variable in _variables(model, with_optimizer=not state.finished):
        value = state.arrays.get(name)
        if value is None and name.startswith(LOSS_SCALE):
            continue  # begun without: by an earlier version, or where there was no GPU
        if value is None or value.shape != tuple(variable.shape):
            raise KerasFusionError(
                f"the checkpoint does not fit the model ({variable.path})",
                expected="what this version of kerasfusion wrote of the same network",
                todo="start anew with --restart",
            )
        variable.assign(value)


def read_checkpoint(path: Path, todo: str = "begin this run anew with --restart") -> Checkpoint:
    """Read a checkpoint; one that does not exist is a beginning.

    Args:
        path: `.npz` file.
        todo: what to do about a damaged one, for the message.

    Raises:
        KerasFusionError: the file is cut, changed (each array has a checksum), of another kind or cannot be read.
    """
    if not path.exists():
        return Checkpoint()
    try:
        with np.load(path) as file:
            arrays = dict(file)
        facts = json.loads(arrays.pop("facts").tobytes())
    except UNREADABLE as error:
        raise DamagedError(
            f"the checkpoint is damaged or is none: {error}", where=path, expected="what fit wrote", todo=todo
        ) from error
    with wrong_keys_named(facts, f"{path} (facts)", todo):
        _Facts.model_validate(facts)  # as JSON it would hold neither NaN nor infinity for pydantic before 2.5
    names = facts.pop("arrays", None)
    if names is not None and sorted(names) != sorted(arrays):
        lost = ", ".join(sorted({*names} ^ {*arrays})[:3])
        raise DamagedError(
            f"the checkpoint is damaged: its arrays are not those that it names ({lost})", where=path, todo=todo
        )
    return Checkpoint(**facts, arrays=arrays)


def write_checkpoint(path: Path, state: Checkpoint) -> None:
    """Write a checkpoint in one step: an interrupted write leaves the old one."""
    facts = {
        "epoch": state.epoch,
        "finished": state.finished,
        "history": state.history,
        "early_stopping": state.early_stopping,
        "arrays": list(state.arrays),
    }
    buffer = io.BytesIO()
    np.savez(buffer, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **state.arrays)
    write_file(path, buffer.getbuffer())


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Write the history as CSV, one row an epoch."""
    write_text(path, csv_of_dicts(list(history[0]) if history else ["epoch"], history))


def _variables(model: keras.Model, with_optimizer: bool = True):
    """Numbered variables that training may change; a frozen layer's are left out: they come back with the model.

    By number, since Keras' automatic names count on within a process. The loss' scale has numbers of its own, so that a
    run may go on where there is none.
    """
    frozen = {id(v) for layer in model._flatten_layers() if not layer.trainable for v in layer.variables}
    changing, scale = [v for v in model.variables if id(v) not in frozen], []
    if with_optimizer:
        scaled = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        changing += scaled.variables
        scale = model.optimizer.variables[: -len(scaled.variables)]
    named = {"variable/": changing, LOSS_SCALE: scale}
    return [(f"{kind}{number:05d}", each) for kind, kept in named.items() for number, each in enumerate(kept)]


def _plain(value):
    return None if value is None else float(value)
