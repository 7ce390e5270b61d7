import itertools

import keras
import numpy as np
import pytest

from kerasfusion.roadwork.branches import vit as vit_files
from kerasfusion.roadwork.branches import yolo_keras
from kerasfusion.roadwork.branches.efficientnetv2 import build_classifier, build_trunk
from kerasfusion.roadwork.branches.ensemble import OUTPUTS, build_head, build_trained_parts, compose
from kerasfusion.roadwork.branches.vit import build_vit
from kerasfusion.roadwork.branches.yolo_keras import build_yolo
from kerasfusion.roadwork.config import EfficientNetV2, Fusion
from tests.material.efficientnetv2_blocks import all_blocks
from tests.material.hugging_face_vit import SIZE

pytestmark = pytest.mark.trains


def probs(rng, count):
    p = rng.uniform(0, 1, (count, 1)).astype(np.float32)
    return np.concatenate([1 - p, p], axis=1)


@pytest.fixture(scope="module")
def trunk(short_efficientnetv2):
    keras.utils.set_random_seed(0)
    return build_trunk(EfficientNetV2(weights=None), SIZE)


@pytest.fixture(scope="module")
def parts(trunk):
    return build_trained_parts(trunk, build_classifier(trunk.output_shape[-1], 0.2), build_head(Fusion(head="mlp")))


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(2)
    image = rng.uniform(0, 255, (4, SIZE, SIZE, 3)).astype(np.float32)
    return {"image": image, "yolo_probs": probs(rng, 4), "vit_probs": probs(rng, 4)}


def test_a_linear_head_begins_as_the_soft_vote():
    head = build_head(Fusion(head="linear"))
    rng = np.random.default_rng(0)
    branches = {name: probs(rng, 50) for name in ("yolo", "vit", "efficientnetv2")}
    mean = np.mean([p[:, 1] for p in branches.values()], axis=0)
    # With s the sum of three P(roadwork), the logits are -2 s + 3 and 2 s - 3: a sigmoid of 12 (mean - 1/2).
    np.testing.assert_allclose(np.asarray(head(branches))[:, 1], 1 / (1 + np.exp(-12 * (mean - 0.5))), atol=1e-5)
    assert head.count_params() == 3 * 2 + 2


def test_an_mlp_head_has_three_sixteen_two_units():
    assert build_head(Fusion(head="mlp", hidden=16)).count_params() == (3 * 16 + 16) + (16 * 2 + 2)


def test_each_branch_reaches_its_own_output_and_the_fusion(parts, inputs):
    before = {name: np.asarray(value) for name, value in parts(inputs, training=False).items()}
    assert tuple(before) == OUTPUTS
    np.testing.assert_array_equal(before["yolo"], inputs["yolo_probs"])
    np.testing.assert_array_equal(before["vit"], inputs["vit_probs"])
    feeds = {"image": "efficientnetv2", "yolo_probs": "yolo", "vit_probs": "vit"}
    for changed, output in feeds.items():
        after = parts({**inputs, changed: inputs[changed][::-1]}, training=False)
        moved = {name for name, value in after.items() if np.abs(value - before[name]).max() > 1e-6}
        assert moved == {output, "fusion"}


def test_outputs_are_made_by_layers_of_their_name_and_are_probabilities(parts, inputs):
    for name, value in parts(inputs).items():
        assert parts.get_layer(name).output is parts.output[name]
        np.testing.assert_allclose(np.asarray(value).sum(axis=1), 1, atol=1e-5)
        assert value.dtype == "float32"


def test_training_mode_does_not_reach_the_frozen_trunk(trunk, inputs):
    """EfficientNetV2's stochastic depth would be live, although nothing is trainable."""
    assert trunk.trainable_variables == []
    classifier = build_classifier(trunk.output_shape[-1], dropout=0.0)
    parts = build_trained_parts(trunk, classifier, build_head(Fusion()))
    first = parts(inputs, training=False)["efficientnetv2"]
    for _ in range(3):
        np.testing.assert_array_equal(parts(inputs, training=True)["efficientnetv2"], first)


def test_the_last_blocks_can_be_trained():
    with all_blocks():
        trunk = build_trunk(EfficientNetV2(weights=None, fine_tune_blocks=2), 32)
    trained = {layer.name.split("_")[0] for layer in trunk.layers if layer.trainable and layer.weights}
    assert trained == {"block6g", "block6h", "top"}


def test_composed_it_answers_as_the_parts_do_with_the_branches_probabilities(parts, inputs, vit_folder, yolo_weights):
    vit = build_vit(vit_files.read_checkpoint(str(vit_folder)))
    yolo = build_yolo(yolo_keras.read_checkpoint(yolo_weights))
    fusion = compose(parts, vit, yolo)
    crops = inputs["image"][:, :32, :32]
    answers = fusion({"image": inputs["image"], "yolo_image": crops})
    expected = parts({**inputs, "vit_probs": np.asarray(vit(inputs["image"])), "yolo_probs": np.asarray(yolo(crops))})
    assert tuple(answers) == OUTPUTS
    for name in OUTPUTS:
        np.testing.assert_allclose(answers[name], expected[name], atol=1e-5)
    # What is deployed needs neither batch normalisation nor any layer that is not Keras' own.
    for layer in fusion._flatten_layers():
        assert type(layer).__module__.startswith("keras.src.")
        assert not isinstance(layer, keras.layers.BatchNormalization)


def test_four_samples_are_learned_and_gradients_reach_every_trained_part(trunk, inputs):
    keras.utils.set_random_seed(0)
    settings = Fusion(head="mlp", dropout=0.0)
    parts = build_trained_parts(trunk, build_classifier(trunk.output_shape[-1], 0.0), build_head(settings))
    model = keras.Model(parts.input, {name: parts.output[name] for name in ("fusion", "efficientnetv2")})
    loss = {name: keras.losses.SparseCategoricalCrossentropy() for name in model.output}
    model.compile(keras.optimizers.Adam(0.05), loss, jit_compile=False)
    labels = np.array([0, 1, 1, 0])
    targets = dict.fromkeys(model.output, labels)
    before = [variable.numpy() for variable in model.trainable_variables]
    losses = model.fit(inputs, targets, epochs=40, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.7 * losses[0]
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert np.abs(variable.numpy() - old).max() > 0, variable.path


def test_each_loss_and_metric_belongs_to_its_own_output(parts, inputs):
    """One output is made wrong on purpose: only its own loss and metric may move."""
    names = ("fusion", "efficientnetv2")
    model = keras.Model(parts.input, {name: parts.output[name] for name in names})
    loss = {name: keras.losses.SparseCategoricalCrossentropy() for name in names}
    model.compile(loss=loss, weighted_metrics={name: ["accuracy"] for name in names}, jit_compile=False)
    truth = {name: np.argmax(model(inputs)[name], axis=1) for name in names}

    def measure(targets):
        return model.evaluate(inputs, targets, return_dict=True, verbose=0)

    right = measure(truth)
    for wrong, other in itertools.permutations(names):
        changed = measure({**truth, wrong: 1 - truth[wrong]})
        assert changed[f"{wrong}_loss"] > right[f"{wrong}_loss"]
        assert (right[f"{wrong}_accuracy"], changed[f"{wrong}_accuracy"]) == (1.0, 0.0)
        assert changed[f"{other}_loss"] == pytest.approx(right[f"{other}_loss"])
        assert changed[f"{other}_accuracy"] == 1.0
