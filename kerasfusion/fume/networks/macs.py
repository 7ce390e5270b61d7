"""How many multiplications with accumulation (MACs) a network's answer takes, counted in its graph."""

import math

COUNTED = ("Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2", "Einsum")
"""Operations that are counted: convolutions, dense layers and the products of attention and pooling. Additions,
normalisation, activations, softmax and bilinear resizing are not, as is usual."""


def count_macs(model) -> int:
    """MACs of one answer: of one pair of frames, or of one frame, by what the network is given.

    Args:
        model: keras.Model with dict inputs of known sizes.

    Raises:
        ValueError: the shape of an operation's result is not fixed by the inputs' shapes.
    """
    import tensorflow as tf

    signature = {name: tf.TensorSpec((1, *value.shape[1:]), value.dtype) for name, value in model.input.items()}
    traced = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(signature)
    return sum(_macs(operation) for operation in traced.graph.get_operations() if operation.type in COUNTED)


def _macs(operation) -> int:
    """Values of the result, times the products that are summed up in each."""
    shapes = [tuple(tensor.shape.as_list()) for tensor in (*operation.inputs, *operation.outputs)]
    if any(None in shape for shape in shapes):
        raise ValueError(f"{operation.name} has no fixed shape: {shapes}")
    first, second, result = shapes
    if operation.type == "Einsum":
        return _einsum_macs(operation.get_attr("equation").decode(), first, second)
    if operation.type == "Conv2D":
        return math.prod(result) * math.prod(second[:3])
    if operation.type == "DepthwiseConv2dNative":
        return math.prod(result) * math.prod(second[:2])
    transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
    return math.prod(result) * first[-2 if transposed else -1]


def _einsum_macs(equation: str, *shapes: tuple[int, ...]) -> int:
    """Product of the lengths of all letters of the equation."""
    operands = equation.split("->")[0].split(",")
    lengths = {}
    for letters, shape in zip(operands, shapes, strict=True):
        lengths |= dict(zip(letters, shape, strict=True))
    return math.prod(lengths.values())
