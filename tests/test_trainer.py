import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.errors import KerasFusionError
from kerasfusion.images.stored_arrays import epoch_batches
from kerasfusion.trainer import Checkpoint, read_checkpoint, train
from tests.material.warm_python import WARM

pytestmark = pytest.mark.trains


RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5, 0.0, 1.0] + RNG.normal(size=40) > 0).astype(np.int32)


def build():
    """A small network with dropout, whose random state has to survive as well."""
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss, jit_compile=False)
    return model


def stream(epochs):
    batches = epoch_batches(lambda rows: {"x": X[rows], "y": Y[rows]}, len(X), 8, 42, epochs)
    return batches.map(lambda arrays: (arrays["x"], arrays["y"]))


VALIDATION = tf.data.Dataset.from_tensor_slices((X[::2] + 0.3, Y[::2])).batch(8)


def run(folder, epochs=8, stream=stream, patience=0, model=None):
    model = model or build()
    history = train(
        model,
        stream,
        steps=5,
        epochs=epochs,
        checkpoint=folder / "state.npz",
        history=folder / "history.csv",
        validation=VALIDATION,
        stopping=keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
        if patience
        else None,
    )
    return model.get_weights(), history


def interrupted():
    raise KeyboardInterrupt


def killed_in_epoch(epoch, end=interrupted):
    """A stream that dies in the middle of an epoch, as a killed process does, or that does there what `end` does."""

    def dying(epochs):
        def batches():
            for number, (x, y) in enumerate(stream(epochs)):
                if epochs.start + number // 5 == epoch and number % 5 == 3:
                    end()
                yield x, y

        signature = (tf.TensorSpec((None, 5), tf.float32), tf.TensorSpec((None,), tf.int32))
        return tf.data.Dataset.from_generator(batches, output_signature=signature)

    return dying


def assert_equal_weights(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("patience", [0, 2])
def test_interrupted_twice_ends_with_the_weights_of_an_undisturbed_run(tmp_path, patience):
    expected, expected_history = run(tmp_path / "whole", patience=patience)
    for epoch in (1, 3):
        with pytest.raises((KeyboardInterrupt, tf.errors.OpError)):
            run(tmp_path / "cut", stream=killed_in_epoch(epoch), patience=patience)
        assert read_checkpoint(tmp_path / "cut" / "state.npz").epoch == epoch
    weights, history = run(tmp_path / "cut", patience=patience)
    assert_equal_weights(weights, expected)
    assert history == expected_history
    assert (tmp_path / "cut" / "history.csv").read_text() == (tmp_path / "whole" / "history.csv").read_text()


def test_killed_process_ends_with_the_weights_of_an_undisturbed_run(tmp_path):
    expected, _ = run(tmp_path / "whole")
    # The process waits in its fourth epoch for what is to come.
    program = (
        "from tests.test_trainer import *\n"
        f"run(Path({str(tmp_path / 'cut')!r}), stream=killed_in_epoch(3, end=lambda: time.sleep(600)))"
    )
    process = subprocess.Popen(
        WARM.command("-c", program),
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while read_checkpoint(tmp_path / "cut" / "state.npz").epoch < 3:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert read_checkpoint(tmp_path / "cut" / "state.npz").epoch == 3
    weights, _ = run(tmp_path / "cut")
    assert_equal_weights(weights, expected)


def test_early_stopping_restores_the_best_weights(tmp_path):
    weights, history = run(tmp_path, epochs=60, patience=2)
    losses = [row["val_loss"] for row in history]
    best = int(np.argmin(losses))
    assert len(losses) < 60
    assert len(losses) == best + 3  # two epochs without improvement after the best one
    best_weights, _ = run(tmp_path / "short", epochs=best + 1)
    assert_equal_weights(weights, best_weights)


def test_a_stop_between_the_last_epoch_and_the_end_is_made_good(tmp_path):
    expected, history = run(tmp_path, epochs=60, patience=2)
    state = read_checkpoint(tmp_path / "state.npz")
    assert state.finished
    # The state as it was on disk after the last epoch, before training ended.
    model = build()
    (tmp_path / "state.npz").unlink()

    class Stop(Exception):
        pass

    import kerasfusion.trainer as trainer

    written = trainer.write_checkpoint

    def write(path, state: Checkpoint):
        if state.finished:
            raise Stop
        written(path, state)

    trainer.write_checkpoint = write
    try:
        with pytest.raises(Stop):
            run(tmp_path, epochs=60, patience=2, model=model)
    finally:
        trainer.write_checkpoint = written
    weights, again = run(tmp_path, epochs=60, patience=2)
    assert_equal_weights(weights, expected)
    assert again == history


def test_a_finished_run_is_not_trained_again(tmp_path):
    expected, history = run(tmp_path)

    def forbidden(epochs):
        raise AssertionError("trained again")

    weights, again = run(tmp_path, stream=forbidden)
    assert_equal_weights(weights, expected)
    assert again == history
    with (tmp_path / "history.csv").open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, 9))


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    model = build()
    model.compile("adam", lambda labels, logits: keras.ops.mean(logits) * np.nan, jit_compile=False)
    with pytest.raises(KerasFusionError, match="epoch 1, batch 1"):
        run(tmp_path, model=model)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    run(tmp_path, epochs=2)
    other = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    other.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(KerasFusionError, match="does not fit"):
        run(tmp_path, epochs=4, model=other)


def test_only_an_unfinished_run_needs_the_optimizer_that_it_had(tmp_path):
    def with_another():
        model = build()
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), model.loss, jit_compile=False)
        return model

    with pytest.raises((KeyboardInterrupt, tf.errors.OpError)):
        run(tmp_path / "cut", stream=killed_in_epoch(3))
    with pytest.raises(KerasFusionError, match="does not fit"):
        run(tmp_path / "cut", model=with_another())
    finished, history = run(tmp_path / "whole")
    again, history_again = run(tmp_path / "whole", model=with_another())
    assert_equal_weights(finished, again)
    assert history_again == history


def build_scaled():
    """`build` with a scaled loss, as in float16; its scale doubles after 7 steps."""
    model = build()
    optimizer = keras.optimizers.LossScaleOptimizer(model.optimizer, dynamic_growth_steps=7)
    model.compile(optimizer, model.loss, jit_compile=False)
    return model


def test_the_scale_of_a_loss_is_gone_on_with(tmp_path):
    expected, _ = run(tmp_path / "whole", model=build_scaled())
    with pytest.raises((KeyboardInterrupt, tf.errors.OpError)):
        run(tmp_path / "cut", stream=killed_in_epoch(3), model=build_scaled())
    weights, _ = run(tmp_path / "cut", model=build_scaled())
    assert_equal_weights(weights, expected)
    kept = read_checkpoint(tmp_path / "cut" / "state.npz").arrays
    for name, value in read_checkpoint(tmp_path / "whole" / "state.npz").arrays.items():
        np.testing.assert_array_equal(kept[name], value)
    # 8 epochs of 5 steps; a scale that is a power of two changes no float32 result.
    assert {2.0**15 * 2 ** (8 * 5 // 7), 8 * 5 % 7} <= {float(value) for value in kept.values() if value.ndim == 0}
    assert_equal_weights(run(tmp_path / "plain")[0], expected)


@pytest.mark.parametrize(("begun", "gone_on"), [(build, build_scaled), (build_scaled, build)])
def test_a_run_goes_on_where_its_loss_has_a_scale_and_where_it_has_none(tmp_path, begun, gone_on):
    expected, _ = run(tmp_path / "whole")
    with pytest.raises((KeyboardInterrupt, tf.errors.OpError)):
        run(tmp_path / "cut", stream=killed_in_epoch(3), model=begun())
    weights, _ = run(tmp_path / "cut", model=gone_on())
    assert_equal_weights(weights, expected)


def test_a_step_is_traced_once(tmp_path):
    traced, given = [], keras.Input((5,))
    outputs = {name: keras.layers.Dense(2, name=name)(given) for name in ("a", "b")}
    model = keras.Model(given, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.Adam(0.05), dict.fromkeys(outputs, loss), weighted_metrics=dict.fromkeys(outputs, "accuracy")
    )
    step = model.train_step
    model.train_step = lambda data: traced.append(data) or step(data)

    def both(epochs):
        return stream(epochs).map(lambda x, y: (x, dict.fromkeys(outputs, y), dict.fromkeys(outputs, tf.ones_like(y))))

    train(model, both, steps=5, epochs=2, checkpoint=tmp_path / "state.npz", history=tmp_path / "history.csv")
    assert len(traced) == 1
