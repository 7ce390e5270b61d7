import keras
import numpy as np
import pytest
import torch

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.fit.train import compile_network
from kerasfusion.fume.networks.architectures import ARCHITECTURES, build_network, count_trainable, with_probabilities
from kerasfusion.fume.networks.fast_scnn import adaptive_bins, build_encoder
from kerasfusion.fume.networks.fused_normalisation import with_fused_normalisation
from tests.material.checks import assert_each_output_moves_its_own_loss, assert_learns, assert_plain_keras_reloads

pytestmark = pytest.mark.trains


HEIGHT, WIDTH = 64, 96
PARAMETERS = {
    ("FUMEFastSCNN", True): 1_656_236,
    ("FUMEFastSCNN", False): 2_728_124,
    ("FUMEFastSCNNConcat", True): 1_278_681,
    ("SegmentationOnlyFastSCNN", True): 1_141_875,
    ("ClassificationOnlyFastSCNN", True): 1_138_195,
    ("GasAwareClassifierFastSCNN", True): 1_154_707,
    ("EarlyFusionFastSCNN", True): 1_175_958,
    ("MultiTaskFastSCNN", True): 1_175_670,
}
"""(network, shared encoder) -> trainable parameters, of the reference's networks in PyTorch."""


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(3)
    return {case: randomised(build_network(case[0], HEIGHT, WIDTH, case[1])) for case in PARAMETERS}


def randomised(network):
    """Statistics, biases and scales get random values, in sizes that let the input through to the output."""
    rng = np.random.default_rng(5)
    ranges = {
        "gamma": (0.7, 1.3),
        "moving_variance": (0.02, 0.1),
        "moving_mean": (-0.05, 0.05),
        "beta": (-0.2, 0.2),
        "bias": (-0.2, 0.2),
    }
    for variable in network.weights:
        if "attention_scale" in variable.path:
            variable.assign(rng.uniform(0.5, 1, variable.shape))
        elif variable.name in ranges:
            variable.assign(rng.uniform(*ranges[variable.name], variable.shape))
    return network


def batch_for(name, presence=((1, 1), (1, 0), (0, 1), (1, 1)), seed=0):
    """Random inputs, targets and weights for a network."""
    rng = np.random.default_rng(seed)
    presence = np.array(presence, np.float32)
    shape = (len(presence), HEIGHT, WIDTH)
    known = {
        "modality_mask": presence,
        "gas_type": rng.integers(0, 2, len(presence)).astype(np.int32),
        "state": np.arange(len(presence)) % 3,
        **{key: rng.uniform(0, 255, (*shape, 1)).astype(np.float32) for key in ("co2", "ch4", "frame")},
        **{key: rng.integers(0, 3, shape) for key in ("mask", "co2_mask", "ch4_mask")},
    }
    weights = dict.fromkeys(("mask", "state"), np.ones(len(presence), np.float32))
    weights |= {f"{gas}_mask": presence[:, column] for column, gas in enumerate(("co2", "ch4"))}
    network = ARCHITECTURES[name]
    return tuple(
        {key: values[key] for key in keys}
        for values, keys in ((known, network.inputs), (known, network.outputs), (weights, network.outputs))
    )


def answers(network, inputs):
    """Of an inference, without the tracing that `predict` takes for each number of samples."""
    return {output: value.numpy() for output, value in network(inputs, training=False).items()}


@pytest.mark.parametrize(("name", "shared"), PARAMETERS)
def test_parameters_inputs_and_outputs(networks, name, shared):
    network = networks[name, shared]
    assert count_trainable(network) == PARAMETERS[name, shared] < 3e6
    assert tuple(network.input) == ARCHITECTURES[name].inputs
    assert set(network.output) == set(ARCHITECTURES[name].outputs)
    for output, value in network.output.items():
        assert value.shape == ((None, 3) if output == "state" else (None, HEIGHT, WIDTH, 3))


def test_calling_without_a_word_on_training_is_inference(networks):
    for name in ("FUMEFastSCNN", "MultiTaskFastSCNN"):
        inputs, _, _ = batch_for(name)
        before = networks[name, True].get_weights()
        answer, expected = networks[name, True](inputs), networks[name, True](inputs, training=False)
        for output, value in expected.items():
            np.testing.assert_array_equal(answer[output], value)
        for old, new in zip(before, networks[name, True].get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_the_encoder_alone():
    encoder = build_encoder(480, 640)
    assert count_trainable(encoder) == 1_071_888
    assert encoder.output["detail"].shape == (None, 60, 80, 64)
    assert encoder.output["context"].shape == (None, 15, 20, 128)


def test_sides_that_32_does_not_divide_work_and_those_that_8_does_not_are_refused():
    network = build_network("MultiTaskFastSCNN", 72, 104)
    answer = network({"frame": np.zeros((1, 72, 104, 1), np.float32)})
    assert answer["mask"].shape == (1, 72, 104, 3)
    with pytest.raises(RequestError, match="100 x 64"):
        build_network("MultiTaskFastSCNN", 64, 100)
    with pytest.raises(RequestError, match="FUMEFastSCNNConcat"):
        build_network("FUME", 64, 96)


@pytest.mark.parametrize(("length", "bins"), [(15, 6), (20, 3), (2, 6), (7, 2), (5, 1)])
def test_bins_are_those_of_adaptive_pooling(length, bins):
    line = torch.arange(length, dtype=torch.float32) ** 2
    expected = torch.nn.functional.adaptive_avg_pool1d(line[None, None], bins)[0, 0]
    np.testing.assert_allclose(adaptive_bins(length, bins) @ line.numpy(), expected, rtol=1e-6)


def test_a_prediction_does_not_depend_on_its_neighbours(networks):
    """In the reference one paired sample in a batch gives cross-attention to all."""
    for name in ("FUMEFastSCNN", "FUMEFastSCNNConcat"):
        network = networks[name, True]
        inputs, _, _ = batch_for(name)
        together = answers(network, inputs)
        for row in range(4):
            alone = answers(network, {key: value[row : row + 1] for key, value in inputs.items()})
            for output, value in alone.items():
                np.testing.assert_allclose(together[output][row], value[0], rtol=1e-4, atol=1e-3)


def test_pixels_of_a_missing_gas_do_not_matter(networks):
    for name in ("FUMEFastSCNN", "FUMEFastSCNNConcat"):
        inputs, _, _ = batch_for(name, presence=[(1, 0), (0, 1)])
        other = {**inputs, "co2": inputs["co2"].copy(), "ch4": inputs["ch4"].copy()}
        other["ch4"][0] = 255 - other["ch4"][0]
        other["co2"][1] = 0
        first, second = (answers(networks[name, True], given) for given in (inputs, other))
        np.testing.assert_array_equal(first["state"], second["state"])
        np.testing.assert_array_equal(first["co2_mask"][0], second["co2_mask"][0])
        other["co2"][0] = 0
        changed = answers(networks[name, True], other)["co2_mask"][0] - first["co2_mask"][0]
        assert np.abs(changed).max() > 1e-3


def test_cross_attention_is_for_samples_with_both_gases(networks):
    network = networks["FUMEFastSCNN", True]
    scale = network.get_layer("cross_attention_scale")
    inputs, _, _ = batch_for("FUMEFastSCNN")
    before, weights = answers(network, inputs)["state"], scale.get_weights()
    scale.set_weights([weights[0] + 5])
    moved = np.abs(answers(network, inputs)["state"] - before).max(axis=1) > 1e-5
    scale.set_weights(weights)
    np.testing.assert_array_equal(moved, [True, False, False, True])


def test_every_attention_starts_without_effect():
    network = build_network("FUMEFastSCNN", HEIGHT, WIDTH)
    scales = [layer for layer in network.layers if layer.name.endswith("attention_scale")]
    assert sorted(layer.name.removesuffix("_attention_scale") for layer in scales) == ["ch4_self", "co2_self", "cross"]
    assert all(layer.get_weights()[0] == 0 for layer in scales)


def test_plain_keras_opens_the_networks_in_a_clean_process(networks, tmp_path):
    kinds = (
        ("FUMEFastSCNN", True),
        ("FUMEFastSCNN", False),
        ("GasAwareClassifierFastSCNN", True),
        ("EarlyFusionFastSCNN", True),
    )
    models = [with_probabilities(networks[kind]) for kind in kinds]  # every kind of layer that there is
    inputs = [{key: value[:2] for key, value in batch_for(model.name)[0].items()} for model in models]
    for model, given in zip(models, inputs, strict=True):
        for answer in answers(model, given).values():
            np.testing.assert_allclose(answer.sum(axis=-1), 1, atol=1e-5)
            assert answer.min() >= 0
    assert_plain_keras_reloads(models, inputs, tmp_path)


def test_probabilities_are_the_softmax_of_the_logits_however_large(networks):
    network = networks["MultiTaskFastSCNN", True]
    inputs, _, _ = batch_for("MultiTaskFastSCNN")
    head = network.get_layer("state_logits")
    weights = head.get_weights()
    head.set_weights([weights[0] * 0, np.array([1000.0, -1000.0, 999.0])])
    state = answers(with_probabilities(network), inputs)["state"]
    head.set_weights(weights)
    np.testing.assert_allclose(state, np.tile([1 / (1 + np.exp(-1)), 0, 1 / (1 + np.exp(1))], (4, 1)), rtol=1e-5)


def compiled(name):
    keras.utils.set_random_seed(1)
    network = with_fused_normalisation(build_network(name, HEIGHT, WIDTH))
    # Without weight decay only what a gradient reaches moves.
    config = load_config(FumeConfig, settings=["training.optimizer.weight_decay=0"])
    compile_network(config, network, steps=100, told=network.output)
    network.run_eagerly = True  # a few steps take less time than tracing one
    return network


def test_the_main_network_learns_with_every_part_and_each_head_has_its_own_loss():
    network, batch = compiled("FUMEFastSCNN"), batch_for("FUMEFastSCNN")
    heads = {
        output: network.get_layer("state_logits")
        if output == "state"
        else network.get_layer(f"{output}_logits").input._keras_history.operation
        for output in network.output
    }
    assert_each_output_moves_its_own_loss(network, heads, batch)
    still = assert_learns(network, batch, steps=2)
    # Nothing reaches an attention's projections while its scale is 0: they move from the second step on.
    assert all("dense" in path for path in still)
    assert len(still) == 18


def test_a_missing_gas_adds_nothing_to_the_loss():
    network = compiled("FUMEFastSCNNConcat")
    inputs, targets, weights = batch_for("FUMEFastSCNNConcat", presence=[(1, 0), (1, 0)])
    first = network.test_on_batch(inputs, targets, weights, return_dict=True)
    targets["ch4_mask"] = 2 - targets["ch4_mask"]
    second = network.test_on_batch(inputs, targets, weights, return_dict=True)
    assert first["ch4_mask_loss"] == second["ch4_mask_loss"] == 0
    assert first["loss"] == second["loss"] > 0


def test_fused_normalisation_gives_keras_numbers():
    layer = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    plain = keras.Sequential([keras.Input((4, 5, 3)), layer])
    layer.set_weights([np.array(values, np.float32) for values in ([1, 2, 3], [0.1, 0.2, 0.3], [1, 0, -1], [1, 2, 3])])
    fused = with_fused_normalisation(plain)
    x = np.random.default_rng(0).normal(2, 3, (6, 4, 5, 3)).astype(np.float32)
    for training in (True, False):
        np.testing.assert_allclose(fused(x, training=training), plain(x, training=training), atol=1e-5)
    for ours, theirs in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
