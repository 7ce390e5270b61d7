"""Every format answers in the same two stages, each photo by the stage that answers it in the `.keras` file."""

import numpy as np
import pytest

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.saving import load_model
from kerasfusion.formats.measuring import Measurement
from kerasfusion.formats.opening import FORMATS, format_module, open_model
from kerasfusion.roadwork.branches.ensemble import HEADS
from kerasfusion.roadwork.detect.detector import open_detector
from kerasfusion.roadwork.export.check import compare
from tests.roadwork.cascade.material import SURE, UNSURE, greys, prepared

pytestmark = pytest.mark.exports

CASES = [(name, its) for name in FORMATS for its in format_module(name).PRECISIONS][1:]
"""All but that of the file itself, which is the first."""

GREYS = (0.1, UNSURE, SURE, 0.49, 0.9)
VIT = "vit_logits"


def write(done, folder, name, precision, network=None):
    """The cascade, or a network like it, in a format."""
    model, description = load_model(done[0])
    path = folder / f"fusion{format_module(name).SUFFIX}"
    said = description | {"format": name, "precision": precision}
    format_module(name).write(network or model, path, precision, said, HEADS)
    return path


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_a_batch_splits_in_every_format(done, tmp_path, name, precision):
    path = write(done, tmp_path, name, precision)
    opened, given = open_model(path), greys(*GREYS)
    expected = open_model(done[0]).answer(given)
    found = opened.answer(given)
    assert set(found) == set(expected)
    assert opened.inputs == {"image": (8, 8, 3), "yolo_image": (8, 8, 3)}
    for output, values in expected.items():
        np.testing.assert_allclose(found[output], values, atol=1e-4 if precision == "float32" else 0.05)
    first = opened.stages.first(given)
    assert "vit" not in first
    assert "fusion" not in first
    rows = [1, 3]
    rest = opened.stages.rest({key: values[rows] for key, values in (given | first).items()})
    assert set(rest) == {"fusion", "vit"}
    for output, values in rest.items():
        np.testing.assert_allclose(values, found[output][rows], atol=1e-6)
    stages = [each.stage for each in open_detector(path).detect_prepared(prepared(*GREYS))]
    assert stages == ["first", "full", "first", "full", "first"]


@pytest.mark.parametrize("name", ["openvino", "onnx", "litert"])
def test_the_first_stage_goes_without_the_vit(done, tmp_path, name):
    network, _ = load_model(done[0])
    layer = network.get_layer(VIT)
    layer.set_weights([np.full_like(weights, np.nan) for weights in layer.get_weights()])
    stages = open_model(write(done, tmp_path, name, "float32", network)).stages
    given = greys(SURE)
    first = stages.first(given)
    assert all(np.isfinite(values).all() for values in first.values())
    assert np.isnan(stages.rest(given | first)["vit"]).all()


def measured(first, fusion):
    """What an export answered to photos, by both stages."""
    columns = {name: np.stack([1 - np.array(p), p], axis=1) for name, p in (("first", first), ("fusion", fusion))}
    return Measurement(0.0, 0.0, 0.0, columns)


def test_an_export_is_checked_by_what_it_answers(done):
    _, said = load_model(done[0])
    reference = measured([0.95, 0.5, 0.5], [0.9, 0.8, 0.1])
    same = measured([0.95, 0.51, 0.5], [0.4, 0.8, 0.1])  # the fusion's other decision is never given
    assert compare(done[0], said, reference, same)["changed"] == "0 of 3"
    for other in (measured([0.05, 0.5, 0.5], [0.9, 0.8, 0.1]), measured([0.5, 0.5, 0.5], [0.4, 0.8, 0.1])):
        with pytest.raises(KerasFusionError, match="1 of 3 decisions differ"):
            compare(done[0], said, reference, other)
    one_stage = {key: value for key, value in said.items() if key != "cascade"}
    with pytest.raises(KerasFusionError, match="1 of 3 decisions differ"):
        compare(done[0], one_stage, reference, same)
