"""Taking over the reference's weights, beside networks of the same shape in plain torch layers."""

import importlib.util
import os
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from kerasfusion.errors import RequestError
from kerasfusion.files.saving import load_model
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.networks.architectures import ARCHITECTURES, count_trainable

import torch  # isort: skip  after keras

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.append(str(TOOLS))  # last: test.py lies there, too

from bench_fume.networks_torch import build  # noqa: E402  they lie beside the tools
from port_fume.conversion import convert, read_weights, recognise_model  # noqa: E402

pytestmark = pytest.mark.exports


HEIGHT, WIDTH = 96, 160
NETWORKS = [("FUMEFastSCNN", False), *((name, True) for name in ARCHITECTURES)]
PRESENCES = ((1, 1), (0, 1), (1, 0))
TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def one_thread():
    """torch's threads wait for each other busily, which costs more than small frames gain by them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("port_fume_script", TOOLS / "port_fume_checkpoint.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trained(name, shared_encoder=True, seed=0):
    """A torch network whose weights, statistics and attention scales are all random, and large enough to be seen."""
    torch.manual_seed(seed)
    network = build(name, shared_encoder).eval()
    for key, value in network.state_dict().items():
        if key.endswith("running_var"):
            value.uniform_(0.5, 2)
        elif key.endswith("gamma"):
            value.uniform_(0.5, 1)
        elif value.ndim == 1:
            value.add_(torch.randn_like(value) * 0.2)
        elif value.ndim > 1:
            torch.nn.init.kaiming_uniform_(value, a=0.5)
            if "query_conv" in key:  # unscaled attention over large features would be all or nothing
                value.mul_(0.1)
    return network


def checkpoint(network):
    """What the reference's training script saves; torch.optim itself does not run beside TensorFlow in one process."""
    moments = {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2, 2), "exp_avg_sq": torch.ones(2, 2)}
    group = {"lr": 1e-3, "betas": (0.9, 0.999), "amsgrad": False, "foreach": None, "params": [0]}
    return {
        "epoch": 7,
        "model_state_dict": network.state_dict(),
        "optimizer_state_dict": {"state": {0: moments}, "param_groups": [group]},
        "best_metric": np.float64(0.75),
        "config": {"model": {"name": "FUMEFastSCNN"}, "training": {"lr": 1e-3, "batch_size": 8}, "tags": ["a"]},
        "scheduler_state_dict": {"T_max": 50, "eta_min": 1e-5, "base_lrs": [1e-3], "last_epoch": 7},
    }


def settings(name, shared_encoder=True):
    return FumeConfig(model={"name": name, "shared_encoder": shared_encoder}, data={"image_size": (WIDTH, HEIGHT)})


def inputs(name, presence, seed=1):
    """One sample as kerasfusion takes it, and as torch takes it: a missing frame is 0, which is -1 once scaled."""
    numbers = np.random.default_rng(seed)
    values = {
        gas: numbers.uniform(0, 200 + 50 * there, (1, HEIGHT, WIDTH, 1)).astype(np.float32) * there
        for gas, there in zip(("co2", "ch4"), presence, strict=True)
    }
    values |= {
        "frame": numbers.uniform(0, 255, (1, HEIGHT, WIDTH, 1)).astype(np.float32),
        "modality_mask": np.float32([presence]),
        "gas_type": np.int32([presence[0]]),
    }
    ours = {key: values[key] for key in ARCHITECTURES[name].inputs}
    theirs = [
        torch.from_numpy(value.transpose(0, 3, 1, 2) / 127.5 - 1) if value.ndim == 4 else torch.from_numpy(value)
        for value in ours.values()
    ]
    return ours, theirs


def difference(ours, theirs):
    """Largest difference of a logit; torch has channels before rows."""
    assert set(ours) == set(theirs)
    worst = 0.0
    for key, value in theirs.items():
        value = value.detach().numpy()
        value = value.transpose(0, 2, 3, 1) if value.ndim == 4 else value
        assert value.std() > 0.01, f"{key} says nothing"
        worst = max(worst, float(np.abs(keras.ops.convert_to_numpy(ours[key]) - value).max()))
    return worst


@pytest.mark.parametrize(("name", "shared_encoder"), NETWORKS)
def test_a_checkpoint_answers_as_torch_does(tmp_path, name, shared_encoder):
    network, path = trained(name, shared_encoder), tmp_path / "best_model.pth"
    torch.save({"model_state_dict": network.state_dict(), "epoch": 1}, path)
    weights = read_weights(path)
    assert recognise_model(weights, path) == (name, shared_encoder)
    ours = convert(weights, settings(name, shared_encoder), path)
    assert count_trainable(ours) == sum(parameter.numel() for parameter in network.parameters())
    presences = PRESENCES if ARCHITECTURES[name].is_paired else [(1, 1), (0, 1)]
    samples = [inputs(name, presence, seed) for seed, presence in enumerate(presences)]
    # All samples at once, and each one alone in torch: there one sample with both gases switches cross-attention on
    # for all of its batch.
    batch = {key: np.concatenate([given[key] for given, _ in samples]) for key in ARCHITECTURES[name].inputs}
    answers = {key: keras.ops.convert_to_numpy(value) for key, value in ours(batch, training=False).items()}
    for row, (_, given) in enumerate(samples):
        with torch.inference_mode():
            expected = network(*given)
        found = difference({key: value[row : row + 1] for key, value in answers.items()}, expected)
        assert found < TOLERANCE, row


def test_a_checkpoint_as_the_reference_saves_it_becomes_a_file(tmp_path, script):
    network = trained("MultiTaskFastSCNN")
    path, out = tmp_path / "best_model.pth", tmp_path / "fume.keras"
    torch.save(checkpoint(network), path)
    result = CliRunner().invoke(script.main, [str(path), str(out), "--image-size", str(WIDTH), str(HEIGHT)])
    assert result.exit_code == 0, result.output
    assert "MultiTaskFastSCNN, one encoder, 1,175,670 trainable parameters" in result.output
    model, description = load_model(out)
    assert (description["system"], description["model"]) == ("fume", "MultiTaskFastSCNN")
    assert description["image_size"] == [WIDTH, HEIGHT]
    assert description["config"]["model"]["name"] == "MultiTaskFastSCNN"
    assert description["trainable_parameters"] == 1_175_670
    given, given_torch = inputs("MultiTaskFastSCNN", (1, 1))
    with torch.inference_mode():
        expected = network(*given_torch)
    probs = {key: value.softmax(1) for key, value in expected.items()}
    assert difference(model(given, training=False), probs) < TOLERANCE


def test_every_weight_that_does_not_fit_is_named(tmp_path, script):
    state = trained("ClassificationOnlyFastSCNN").state_dict()
    del state["cls_head.5.bias"]
    state["cls_head.9.weight"] = torch.zeros(3)
    state["cls_head.2.weight"] = torch.zeros(256, 64)
    state["encoder.learning_to_downsample.conv.bn.running_mean"][0] = float("nan")
    path, out = tmp_path / "bad.pth", tmp_path / "out.keras"
    torch.save(state, path)
    result = CliRunner().invoke(script.main, [str(path), str(out), "--image-size", str(WIDTH), str(HEIGHT)])
    assert result.exit_code == 2 and not out.exists()
    for text in (
        "4 weight(s) do not fit ClassificationOnlyFastSCNN",
        "cls_head.5.bias is missing",
        "cls_head.9.weight is left over",
        "cls_head.2.weight has the shape (256, 64), expected (256, 128)",
        "encoder.learning_to_downsample.conv.bn.running_mean has values that are not finite",
    ):
        assert text in result.stderr


def test_encoders_that_differ_in_one_number_are_two(tmp_path):
    state = trained("FUMEFastSCNNConcat").state_dict()
    weights = {key: value.numpy().copy() for key, value in state.items()}
    assert recognise_model(weights, tmp_path) == ("FUMEFastSCNNConcat", True)
    weights["ch4_encoder.global_feature_extractor.ppm.conv4.conv.bias"][3] += 1
    assert recognise_model(weights, tmp_path) == ("FUMEFastSCNNConcat", False)


class Runs:
    def __reduce__(self):
        return os.system, ("touch ran",)


def test_a_hostile_checkpoint_is_refused(tmp_path, script, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model_state_dict": trained("SegmentationOnlyFastSCNN").state_dict(), "config": Runs()}, "bad.pth")
    result = CliRunner().invoke(script.main, ["bad.pth", "out.keras"])
    assert result.exit_code == 2 and "system, which no weights file needs; nothing of it was run" in result.stderr
    assert not Path("ran").exists() and not Path("out.keras").exists()


@pytest.mark.parametrize(
    ("saved", "text"),
    [
        ({"epoch": 3}, "holds no state dict"),
        ([1, 2], "holds no state dict"),
        ({"model_state_dict": {}}, "holds no state dict"),
        ({"backbone.conv.weight": torch.zeros(2)}, "of no known network; they begin with backbone.conv.weight"),
    ],
)
def test_other_files_are_refused_with_a_reason(tmp_path, saved, text):
    path = tmp_path / "other.pth"
    torch.save(saved, path)
    with pytest.raises(RequestError, match=text):
        recognise_model(read_weights(path), path)


def test_a_bad_size_or_name_is_refused(tmp_path, script):
    path = tmp_path / "w.pth"
    torch.save(trained("SegmentationOnlyFastSCNN").state_dict(), path)
    for out, size, text in (("a.h5", (160, 96), "ends in .keras"), ("a.keras", (160, 90), "image_size")):
        result = CliRunner().invoke(script.main, [str(path), str(tmp_path / out), "--image-size", *map(str, size)])
        assert result.exit_code == 2 and text in result.stderr
