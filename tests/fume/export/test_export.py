"""Networks in other formats: the same states and masks, and a refusal where they are others."""

import json
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.config import load_config
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.saving import save_model
from kerasfusion.formats.measuring import Measurement
from kerasfusion.formats.opening import FORMATS, format_module, open_model, opens_from, read_description
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.export import check
from kerasfusion.fume.export.check import compare
from kerasfusion.fume.export.job import Request, run
from kerasfusion.fume.export.samples import drawn_samples, read_check_samples
from kerasfusion.fume.fit.description import describe
from kerasfusion.fume.networks.architectures import build_network, with_probabilities
from tests.fume.detect.answering_material import HEIGHT, WIDTH, save_reader, write_set
from tests.material.fast_scnn_blocks import few_blocks

pytestmark = pytest.mark.exports


SIZE = (WIDTH, HEIGHT)
CASES = {
    "FUMEFastSCNN": ("keras", "openvino", "litert"),
    "GasAwareClassifierFastSCNN": ("keras", "openvino", "onnx"),
}


def random_network(name, blocks):
    """A network with random weights, statistics and scales, so that every layer matters."""
    keras.utils.set_random_seed(1)
    with blocks:
        network = with_probabilities(build_network(name, HEIGHT, WIDTH))
    rng = np.random.default_rng(2)
    for weight in network.weights:
        if "scale" in weight.path:
            weight.assign(weight.value + 0.5)
        elif "kernel" in weight.path:
            weight.assign(weight.value * (1 if "logits" in weight.path else 1.6))  # frames fade in so many layers
        elif "gamma" not in weight.path:
            weight.assign(weight.value + rng.uniform(0, 0.3, weight.shape).astype(np.float32))
    return network


def as_asked(inputs):
    return {name: rows.astype(np.float32) if rows.dtype == np.uint8 else rows for name, rows in inputs.items()}


@pytest.fixture(scope="module", params=CASES)
def network(request):
    return random_network(request.param, few_blocks())


def test_every_format_answers_as_keras_does(network, tmp_path):
    samples = drawn_samples(tuple(network.input), SIZE, "both", count=3)
    inputs = as_asked(samples.inputs)
    expected = {name: np.asarray(rows) for name, rows in network(inputs, training=False).items()}
    assert all(np.ptp(rows, axis=0).max() > 5e-5 for rows in expected.values())  # the answer depends on the frames
    for name in CASES[network.name]:
        path = tmp_path / f"fume{FORMATS[name]}"
        said = {"system": "fume", "format": name, "precision": "float32", "outputs": list(network.output)}
        format_module(name).write(network, path, "float32", said)
        opened = open_model(path)
        assert opened.inputs == {key: tuple(value.shape[1:]) for key, value in network.input.items()}
        sealed = {} if name == "keras" else {"sealed": True}
        assert opened.description == read_description(path)
        assert opened.description == said | sealed | {"opens_from": opens_from(path)}
        for count in (3, 1):
            found = opened.answer({key: rows[:count] for key, rows in inputs.items()})
            assert set(found) == set(expected)
            for output, rows in expected.items():
                np.testing.assert_allclose(found[output], rows[:count], atol=1e-5, err_msg=f"{name} {output}")


def test_the_command_writes_checks_and_describes_an_export(tmp_path):
    source = save_reader(tmp_path / "run" / "fume.keras", "FUMEFastSCNN", tmp_path)
    write_set(tmp_path, [("co2 ch4", 0, 0, "a"), ("co2", 1, 1, "b"), ("ch4", 2, 2, "c")], split="val")
    done = CliRunner().invoke(main, ["export", str(source.parent), "--format", "openvino"])
    assert done.exit_code == 0, done.output
    row = next(line for line in done.output.splitlines() if line.startswith("fume.xml"))
    assert "0 of 3" in row
    assert "0.000%" in row
    shown = CliRunner().invoke(main, ["info", str(tmp_path / "run" / "fume.xml")])
    said = json.loads(shown.output)
    assert (said["system"], said["model"], said["format"]) == ("fume", "FUMEFastSCNN", "openvino")
    wrong = CliRunner().invoke(main, ["export", str(source), "--vit", "x"])
    assert wrong.exit_code == 2
    assert "--vit" in wrong.output


@pytest.fixture
def saved(tmp_path):
    """A network of five layers, saved; its own processes are left out of what is tested with it."""
    return save_reader(tmp_path / "fume.keras", "MultiTaskFastSCNN", tmp_path / "gone")


@pytest.fixture
def measured_here(monkeypatch):
    def measure(path, samples):
        return Measurement(1.0, 2.0, 3.0, open_model(path).answer(as_asked(samples)))

    monkeypatch.setattr("kerasfusion.formats.converting.measure", measure)


def test_an_export_that_answers_otherwise_is_not_kept(saved, measured_here, monkeypatch):
    kept = run(Request(saved, "keras", "bfloat16"), lambda line: None)
    assert kept.path == saved.with_name("fume-bfloat16.keras")
    assert [row["precision"] for row in kept.rows] == ["float32", "bfloat16"]
    monkeypatch.setattr(check, "MAX_CHANGED", -0.1)
    with pytest.raises(KerasFusionError, match="states differ"):
        run(Request(saved, "openvino"), lambda line: None)
    assert sorted(path.name for path in saved.parent.iterdir()) == ["fume-bfloat16.keras", "fume.keras"]
    with pytest.raises(RequestError, match="made from the float32 network"):
        run(Request(kept.path, "openvino"), lambda line: None)


@pytest.mark.parametrize(
    ("setting", "noise", "columns"),
    [
        ("training.loss.seg_weight=0", {"co2_mask", "ch4_mask"}, {"max |dp|", "changed states"}),
        ("training.loss.cls_weight=0", {"state"}, {"changed pixels", "mask mIoU"}),
        ("data.gases=co2", {"ch4_mask"}, {"max |dp|", "changed states", "changed pixels", "mask mIoU"}),
    ],
)
def test_what_was_not_learned_is_not_compared(tmp_path, monkeypatch, setting, noise, columns):
    saved = save_reader(tmp_path / "fume.keras", "FUMEFastSCNN", tmp_path / "gone", setting)

    def measure(path, samples):
        found = open_model(path).answer(as_asked(samples))
        others = {} if path == saved else {name: found[name][..., ::-1] for name in noise}
        return Measurement(1.0, 2.0, 3.0, found | others)

    monkeypatch.setattr("kerasfusion.formats.converting.measure", measure)
    for row in run(Request(saved, "keras", "bfloat16"), lambda line: None).rows:
        assert row.keys() & {"max |dp|", "changed states", "changed pixels", "mask mIoU"} == columns


def test_int8_is_refused_where_it_would_leave_nearly_everything_as_it_is(tmp_path):
    network = random_network("ClassificationOnlyFastSCNN", nullcontext())
    config = load_config(FumeConfig, None, [f"data.image_size=[{WIDTH}, {HEIGHT}]", f"model.name={network.name}"])
    path = tmp_path / "fume.keras"
    save_model(network, path, describe(config, network), None)
    # 128 x 256 + 256 x 128 + 128 x 3 with biases are 66,307 of 1,138,195 trained ones and the moving statistics.
    for name in ("keras", "openvino", "onnx"):
        with pytest.raises(RequestError, match=r"next to nothing to quantise here: 6% (.|\n)*litert"):
            run(Request(path, name, "int8"), lambda line: None)
    with pytest.raises(RequestError, match="litert has no bfloat16"):
        run(Request(path, "litert", "bfloat16"), lambda line: None)


def test_a_wrong_name_is_refused(saved):
    with pytest.raises(RequestError, match=r"must end in \.xml"):
        run(Request(saved, "openvino", out=saved.with_name("x.onnx")), lambda line: None)
    with pytest.raises(RequestError, match="overwrite the model with itself"):
        run(Request(saved, "keras"), lambda line: None)


def answers(states, **masks):
    found = {"state": np.eye(3, dtype=np.float32)[states] * 0.9}
    found |= {name: np.eye(3, dtype=np.float32)[np.array(mask)] for name, mask in masks.items()}
    return Measurement(1.0, 2.0, 3.0, found)


def test_changed_states_and_pixels_are_counted_and_too_many_refused(tmp_path):
    path = tmp_path / "fume.onnx"
    path.write_bytes(bytes(1_000_000))
    said = {"format": "onnx", "precision": "float32"}
    mask = np.zeros((100, 4, 5), int)
    mask[:, 0] = 2
    outputs, present = ("co2_mask", "ch4_mask", "state"), np.ones((100, 2), bool)
    present[0, 1] = False
    reference = answers([0] * 100, co2_mask=mask, ch4_mask=mask)
    changed = mask.copy()
    changed[0] = 1  # the sample has no CH4: nobody looks at this mask
    changed[1, 1, :2] = 2  # 2 of 1980 pixels, and 2000 of CO2
    row = compare(outputs, present, path, said, reference, answers([0] * 99 + [1], co2_mask=mask, ch4_mask=changed))
    assert (row["changed states"], row["changed pixels"], row["size MB"]) == ("1 of 100", "0.050%", 1.0)
    assert row["max |dp|"] == pytest.approx(0.9)
    assert row["mask mIoU"] == pytest.approx((2983 / 2985 + 995 / 997) / 2)
    with pytest.raises(KerasFusionError, match="3 of 100 states differ"):
        compare(outputs, present, path, said, reference, answers([0] * 97 + [1] * 3, co2_mask=mask, ch4_mask=mask))
    with pytest.raises(KerasFusionError, match=r"12\.4% of the masks' pixels differ"):
        compare(
            outputs, present, path, said, reference, answers([0] * 100, co2_mask=mask, ch4_mask=np.where(mask, 0, mask))
        )
    broken = answers([0] * 100, co2_mask=mask, ch4_mask=mask)
    broken.answers["state"][3] = np.nan
    with pytest.raises(KerasFusionError, match="NaN"):
        compare(outputs, present, path, said, reference, broken)


def test_samples_are_those_of_the_csv_as_the_network_sees_them(tmp_path):
    rows = [("co2 ch4", 0, 0, "a"), ("ch4", 2, 2, "b")]
    written = write_set(tmp_path, rows, split="val")
    csv = tmp_path / "paired_val_annotations.csv"
    paired = read_check_samples(csv, tmp_path, ("co2", "ch4", "modality_mask"), SIZE, "both")
    np.testing.assert_array_equal(paired.presence, [[True, True], [False, True]])
    np.testing.assert_array_equal(paired.inputs["modality_mask"], [[1, 1], [0, 1]])
    np.testing.assert_array_equal(paired.inputs["ch4"][1, ..., 0], written[1]["ch4"][0])
    assert not paired.inputs["co2"][1].any()
    single = read_check_samples(csv, tmp_path, ("frame", "gas_type"), SIZE, "both")
    np.testing.assert_array_equal(single.inputs["gas_type"], [0, 1, 1])
    np.testing.assert_array_equal(single.inputs["frame"][1, ..., 0], written[0]["ch4"][0])
    with pytest.raises(RequestError, match="no samples"):
        read_check_samples(write_only_ch4(tmp_path / "other"), tmp_path, ("frame",), SIZE, "co2")


def write_only_ch4(folder):
    write_set(folder, [("ch4", 0, 0, "a")], split="val")
    return folder / "paired_val_annotations.csv"


def test_drawn_samples_have_both_gases_or_one_as_the_network_wants_them():
    both = drawn_samples(("co2", "ch4", "modality_mask"), SIZE, "both", count=6)
    assert both.presence.sum(axis=1).tolist() == [1, 2, 2, 1, 2, 2]
    assert drawn_samples(("co2", "ch4"), SIZE, "ch4", count=2).presence.tolist() == [[False, True]] * 2
    single = drawn_samples(("frame", "gas_type"), SIZE, "both", count=4)
    assert single.inputs["gas_type"].tolist() == [0, 1, 0, 1]
    assert single.inputs["frame"].shape == (4, HEIGHT, WIDTH, 1)
