"""Assertions that every model has to pass; a model's own test file names the models and makes the data."""

import os
import sys

import numpy as np

from tests.material.warm_python import WARM

RELOAD = """
import sys
sys.modules["kerasfusion"] = None
import keras, numpy as np

for number in range(int(sys.argv[2])):
    with np.load(f"{sys.argv[1]}/in-{number}.npz") as inputs:
        model = keras.saving.load_model(f"{sys.argv[1]}/{number}.keras", compile=False)
        answers = model(dict(inputs), training=False)
    np.savez(f"{sys.argv[1]}/out-{number}.npz", **{name: np.asarray(value) for name, value in answers.items()})
"""


def assert_plain_keras_reloads(models, inputs, folder, tolerance=1e-5):
    """Models, saved, answer the same in one clean process that cannot import kerasfusion."""
    for number, (model, given) in enumerate(zip(models, inputs, strict=True)):
        model.save(folder / f"{number}.keras")
        np.savez(folder / f"in-{number}.npz", **given)
    WARM.run(
        [sys.executable, "-c", RELOAD, str(folder), str(len(models))],
        check=True,
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    for number, (model, given) in enumerate(zip(models, inputs, strict=True)):
        expected = model(given, training=False)
        with np.load(folder / f"out-{number}.npz") as answers:
            assert set(answers) == set(expected)
            for name, value in expected.items():
                np.testing.assert_allclose(answers[name], value, atol=tolerance)


def assert_each_output_moves_its_own_loss(model, heads, batch):
    """Move the bias of one output's last layer: only that output's loss and metrics change.

    Args:
        model: compiled with a dict of losses.
        heads: output -> its last layer with a bias.
        batch: (inputs, targets, weights).
    """
    before = model.test_on_batch(*batch, return_dict=True)
    for name, layer in heads.items():
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel, bias + np.linspace(9, -9, bias.size)])
        after = model.test_on_batch(*batch, return_dict=True)
        layer.set_weights([kernel, bias])
        moved = {key for key in before if key != "loss" and not np.isclose(before[key], after[key])}
        assert f"{name}_loss" in moved
        assert all(key.startswith(name) for key in moved), (name, moved)


def assert_learns(model, batch, steps=12):
    """The loss is finite and falls on one batch, and the first step moves every trainable variable.

    Args:
        model: compiled; changed in place.
        batch: (inputs, targets, weights).
    """
    before = [variable.numpy() for variable in model.trainable_variables]
    losses = [model.train_on_batch(*batch, return_dict=True)["loss"]]
    still = [v.path for v, old in zip(model.trainable_variables, before, strict=True) if np.array_equal(v, old)]
    losses += [model.train_on_batch(*batch, return_dict=True)["loss"] for _ in range(steps)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    return still
