"""YOLO as a Keras graph against ultralytics: the network on the same pixels, and a file from its bytes."""

import json
import subprocess
import sys
from pathlib import Path

import keras  # noqa: F401  TensorFlow comes first: after torch's triton it would abort the process
import numpy as np
import pytest
import torch

from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import crop_centre, read_image
from kerasfusion.roadwork.branches import ultralytics_library
from kerasfusion.roadwork.branches.yolo_keras import build_network, build_yolo, read_checkpoint
from tests.material.yolo_weights import SIZE, photo_pixels, save_weights
from tools import parity_yolo

pytestmark = pytest.mark.exports


FAMILIES = parity_yolo.FAMILIES
CASES = [
    *({"family": family, "size": "n", "classes": 1000, "pixels": 224} for family in FAMILIES),
    *({"family": family, "size": "m", "classes": 2, "pixels": 160} for family in FAMILIES),
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Random classifiers of every family with ultralytics' probabilities, from a process without TensorFlow."""
    folder = tmp_path_factory.mktemp("reference")
    program = Path(parity_yolo.__file__)
    subprocess.run([sys.executable, program, "--reference", folder, json.dumps(CASES)], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("number", range(len(CASES)))
def test_probabilities_equal_those_of_ultralytics(reference, number):
    difference, confidence = parity_yolo.compare(reference, number, CASES[number]["pixels"])
    assert difference < 1e-5
    assert confidence > 2 / CASES[number]["classes"] or CASES[number]["classes"] == 2  # no comparison of equal rows


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Half-precision weights, as training leaves them."""
    return save_weights(tmp_path_factory.mktemp("weights") / "best.pt")


@pytest.fixture(scope="module")
def branch(weights):
    return build_yolo(read_checkpoint(weights))


def answers(branch, count=4):
    pictures = np.stack([np.asarray(photo_pixels(SIZE, SIZE, seed)) for seed in range(count)])
    return np.asarray(branch(pictures.astype(np.float32), training=False))


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_file_gets_what_ultralytics_predicts_for_it(weights, branch, tmp_path, ending):
    """End to end: decoding, resizing and cropping included."""
    for seed, shape in enumerate([(90, 160), (160, 90), (64, 64)]):
        path = tmp_path / f"{seed}.{ending}"
        photo_pixels(*shape, seed=seed).save(path)
        (result,) = ultralytics_library.import_ultralytics().YOLO(weights).predict(path, device="cpu", verbose=False)
        crop = crop_centre(read_image(path)[0], SIZE)
        found = np.asarray(branch(crop[None].astype(np.float32), training=False))[0]
        assert np.abs(found - result.probs.data.numpy()).max() < 1e-4


def test_classes_are_found_by_name(branch, tmp_path):
    turned = build_yolo(read_checkpoint(save_weights(tmp_path / "turned.pt", names=("Roadwork", "None"))))
    np.testing.assert_allclose(answers(turned), answers(branch)[:, ::-1], atol=1e-6)
    with pytest.raises(RequestError, match="'cat', 'dog'"):
        build_yolo(read_checkpoint(save_weights(tmp_path / "pets.pt", names=("cat", "dog"))))


def rewritten(weights, path, change):
    """The checkpoint after a change to what torch loads from it."""
    ultralytics_library.import_ultralytics()
    saved = torch.load(weights, weights_only=False)
    torch.save(change(saved) or saved, path)
    return path


def test_averaged_weights_are_preferred(weights, branch, tmp_path):
    def change(saved):
        saved["ema"] = saved["model"]
        saved["model"] = None

    averaged = rewritten(weights, tmp_path / "ema.pt", change)
    np.testing.assert_array_equal(answers(build_yolo(read_checkpoint(averaged))), answers(branch))


def test_a_network_that_ultralytics_has_fused_answers_the_same(weights, branch, tmp_path):
    def change(saved):
        saved["model"] = saved["model"].float().fuse(verbose=False)
        for module in saved["model"].modules():
            module.__dict__.pop("forward", None)  # a bound method, which a weights file has no use for

    fused = build_yolo(read_checkpoint(rewritten(weights, tmp_path / "fused.pt", change)))
    np.testing.assert_allclose(answers(fused), answers(branch), atol=1e-5)


def test_other_image_sizes_can_be_asked_for(weights):
    assert build_network(read_checkpoint(weights), 96).input_shape == (None, 96, 96, 3)


def test_what_is_no_such_classifier_is_refused(weights, tmp_path):
    with pytest.raises(RequestError, match="no YOLO classifier but DetectionModel"):
        read_checkpoint(save_weights(tmp_path / "detector.pt", config="yolo11n.yaml"))
    torch.save({"weights": torch.zeros(3)}, tmp_path / "plain.pt")
    with pytest.raises(RequestError, match="no YOLO classifier but something else"):
        read_checkpoint(tmp_path / "plain.pt")

    def foreign(saved):
        saved["model"].model[2] = torch.nn.MaxPool2d(1)

    with pytest.raises(RequestError, match="a part that is not known here: 'MaxPool2d'"):
        build_yolo(read_checkpoint(rewritten(weights, tmp_path / "foreign.pt", foreign)))

    def normalised(saved):
        from torchvision import transforms

        steps = [transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
        saved["model"].transforms = transforms.Compose(steps)

    with pytest.raises(RequestError, match="normalises its pixels"):
        read_checkpoint(rewritten(weights, tmp_path / "normalised.pt", normalised))
