"""Constants of one number in an ONNX graph, with as many sides as the array that they are combined with.

Where an array's last side is 1, as that of a grey frame, ONNX Runtime (1.31) combines it with a number of fewer sides
pixel by pixel, which takes more than a hundred times as long.
"""

from math import prod

from kerasfusion.errors import require

ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")


def give_scalars_sides(model) -> None:
    """Give each constant number sides of 1 where it is combined with an array whose last side is 1.

    Args:
        model: an onnx.ModelProto; changed in place. What it computes stays the same.
    """
    onnx = require("onnx", extra="export")
    graph, shapes = model.graph, _shapes(model)
    floats = (each for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT)
    numbers = {each.name: each for each in floats if prod(each.dims) == 1}
    made = set()
    for node in graph.node:
        if node.op_type not in ELEMENTWISE:
            continue
        sides = max((len(shape) for name in node.input if (shape := shapes.get(name)) and shape[-1] == 1), default=0)
        for place, name in enumerate(node.input):
            if name not in numbers or len(numbers[name].dims) >= sides:
                continue
            node.input[place] = wide = f"{name}/{sides}-sides"
            if wide not in made:
                made.add(wide)
                value = onnx.numpy_helper.to_array(numbers[name]).reshape((1,) * sides)
                graph.initializer.append(onnx.numpy_helper.from_array(value, wide))
    used = {name for node in graph.node for name in node.input}
    for name in numbers.keys() - used:  # ONNX Runtime warns of what is left over
        graph.initializer.remove(numbers[name])


def _shapes(model) -> dict[str, tuple[int, ...]]:
    """{array: its shape}, of those whose number of sides is known; 0 is a side of any length."""
    inferred = require("onnx.shape_inference", extra="export").infer_shapes(model).graph
    known = (*inferred.input, *inferred.value_info, *inferred.output)
    return {each.name: tuple(side.dim_value for side in each.type.tensor_type.shape.dim) for each in known}
