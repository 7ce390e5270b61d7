"""Constants of one number get sides where they meet arrays whose last side is 1, and only there."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kerasfusion.formats.onnx_scalars import give_scalars_sides

GREY, COLOUR = [None, 4, 6, 1], [None, 4, 6, 3]


def model_of(*steps, shape, numbers):
    """A graph of (operation, input, input, output) from "x" to "y"."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    nodes = [helper.make_node(kind, inputs, [output]) for kind, *inputs, output in steps]
    constants = [numpy_helper.from_array(np.float32(value), name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    model.ir_version = 8
    return model


def constants_of(model):
    return {each.name: list(each.dims) for each in model.graph.initializer}


def run(model, x):
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize("number_first", [False, True])
@pytest.mark.parametrize("number", [-2.5, [-2.5]])
def test_a_number_meets_a_grey_frame_with_as_many_sides(kind, number_first, number):
    pair = ("c", "x") if number_first else ("x", "c")
    model = model_of((kind, *pair, "y"), shape=GREY, numbers={"c": number})
    x = np.random.default_rng(1).uniform(1, 9, (2, 4, 6, 1)).astype(np.float32)
    before = run(model, x)
    give_scalars_sides(model)
    assert list(constants_of(model).values()) == [[1, 1, 1, 1]]  # nothing is left of the number as it was
    np.testing.assert_array_equal(run(model, x), before)


def test_a_number_that_others_use_as_well_stays_for_them():
    steps = (("Mul", "x", "c", "scaled"), ("Flatten", "scaled", "flat"), ("Add", "flat", "c", "y"))
    model = model_of(*steps, shape=GREY, numbers={"c": 3.0})
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 24]))
    give_scalars_sides(model)
    assert sorted(constants_of(model).values()) == [[], [1, 1, 1, 1]]
    x = np.arange(24, dtype=np.float32).reshape(1, 4, 6, 1)
    np.testing.assert_array_equal(run(model, x), (3 * np.arange(24) + 3)[None])


def test_colours_and_constants_of_many_numbers_stay_as_they_are():
    model = model_of(("Add", "x", "c", "y"), shape=COLOUR, numbers={"c": 1.0})
    give_scalars_sides(model)
    assert constants_of(model) == {"c": []}
    model = model_of(("Add", "x", "c", "y"), shape=GREY, numbers={"c": np.ones((6, 1))})
    give_scalars_sides(model)
    assert constants_of(model) == {"c": [6, 1]}
