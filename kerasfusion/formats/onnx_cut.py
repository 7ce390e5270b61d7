"""An ONNX graph cut into two stages when it is opened: ONNX Runtime runs all of a graph, whatever is asked of it.

Its option `only_execute_path_to_fetches` has an effect in builds for training alone, and nothing can be fed to the
middle of a graph. Each stage is a model of its own, with the weights that it needs.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasfusion.errors import require
from kerasfusion.formats.stages import CARRIED, Arrays, Stages, reached

CARRIED_KEY = "kerasfusion_carried"
"""Name among the file's metadata_props of what is carried over: names of tensors, separated by spaces."""


def find_carried(graph, first: Sequence[str]) -> list[str]:
    """The tensors that the first stage computes and the rest takes.

    Args:
        graph: onnx.ModelProto, whole.
        first: names of the outputs of the first stage.
    """
    inferred = require("onnx.shape_inference", extra="export").infer_shapes(graph).graph
    kinds = {value.name: value.type.tensor_type for value in (*inferred.value_info, *inferred.output, *inferred.input)}
    float32, parents = require("onnx", extra="export").TensorProto.FLOAT, _parents(graph.graph)

    def holds_a_row_a_sample(name: str) -> bool:
        kind = kinds.get(name)  # none of weights
        sides = list(kind.shape.dim) if kind is not None and kind.elem_type == float32 else []
        return len(sides) > 1 and not sides[0].HasField("dim_value") and all(s.HasField("dim_value") for s in sides[1:])

    late = [output.name for output in graph.graph.output if output.name not in first]
    return [name for name in reached(first, late, parents, str, holds_a_row_a_sample) if parents(name)]


def open_stages(
    path: Path, first: Sequence[str], carried: Sequence[str], open_session: Callable[[bytes], Any]
) -> Stages:
    """Open both stages.

    Args:
        path: of the file, which is known to be whole.
        first: names of the outputs of the first stage.
        carried: what `find_carried` gave.
        open_session: a model's bytes -> InferenceSession.
    """
    whole = require("onnx", extra="export").load(path)
    inputs = [value.name for value in whole.graph.input]
    late = [output.name for output in whole.graph.output if output.name not in first]
    # What is carried has the names that its converter gave it, which nobody else need know.
    names = {tensor: f"{CARRIED}{number}" for number, tensor in enumerate(carried) if tensor not in first}
    before = open_session(_part(whole, inputs, [*first, *names]))
    after = open_session(_part(whole, [*inputs, *carried], late))
    return Stages(_answering(before, [*first, *names], names), _answering(after, late, names))


def _answering(session, outputs: Sequence[str], names: Mapping[str, str]) -> Callable[[Arrays], Arrays]:
    """A function of arrays, those carried over by their `names`; what the stage does not take is left aside."""
    inputs = [value.name for value in session.get_inputs()]
    called = [names.get(tensor, tensor) for tensor in outputs]

    def answer(given: Arrays) -> Arrays:
        found = session.run(outputs, {tensor: given[names.get(tensor, tensor)] for tensor in inputs})
        return dict(zip(called, found, strict=True))

    return answer


def _part(whole, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """The part of a model between tensors, with the inputs that it needs, serialised."""
    onnx = require("onnx", extra="export")
    parents, needed, waiting = _parents(whole.graph), set(), list(outputs)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [] if name in inputs else parents(name)
    known = {value.name: value for value in (*whole.graph.input, *whole.graph.output)}

    def value(name: str):
        return known.get(name) or onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)

    graph = onnx.helper.make_graph(
        [node for node in whole.graph.node if needed.difference(inputs).intersection(node.output)],
        whole.graph.name,
        [value(name) for name in inputs if name in needed],
        [value(name) for name in outputs],
        [weights for weights in whole.graph.initializer if weights.name in needed],
    )
    options = {"opset_imports": whole.opset_import, "ir_version": whole.ir_version, "functions": whole.functions}
    return onnx.helper.make_model(graph, **options).SerializeToString()


def _parents(graph) -> Callable[[str], list[str]]:
    """What a tensor is computed of: the inputs of the node that gives it."""
    made_of = {output: [name for name in node.input if name] for node in graph.node for output in node.output}
    return lambda name: made_of.get(name, [])
