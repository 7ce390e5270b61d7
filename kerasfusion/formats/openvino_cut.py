"""An OpenVINO graph cut into two stages when it is opened: its weights are read once and compiled once each."""

from collections.abc import Callable, Sequence
from typing import Any

from kerasfusion.formats.stages import CARRIED, reached

Compile = Callable[[Any], Any]


def cut(openvino, graph, first: Sequence[str], compile_model: Compile) -> tuple[tuple[Any, list[str]], ...]:
    """Compile both stages.

    Args:
        openvino: the library.
        graph: openvino.Model; used up.
        first: names of the outputs of the first stage.
        compile_model: openvino.Model -> openvino.CompiledModel.

    Returns:
        (first stage, the names of its outputs), which include what is carried over, and (the rest, of its outputs).
    """
    # The library's own classes of nodes, which stand in another place in each of its years.
    parameter, result = type(graph.get_parameters()[0]), type(graph.get_results()[0])
    results = {port.any_name: port.get_node() for port in graph.outputs}
    early, late = ({name: each for name, each in results.items() if (name in first) == at_once} for at_once in (1, 0))
    begins = reached(_sources(early), _sources(late), _parents, _key, _holds_a_row_a_sample)
    carried = {f"{CARRIED}{number}": port for number, port in enumerate(each for each in begins if _parents(each))}
    ends = [*early.values(), *(result(port) for port in carried.values())]
    inputs = [each.get_node() for each in graph.inputs]
    before = compile_model(openvino.Model(ends, inputs, "first"))  # compiled before its graph loses its end
    nodes = _above(late, carried)
    given = [_replace(parameter, port, name, nodes) for name, port in carried.items()]
    read = [node for node in inputs if node.get_friendly_name() in nodes]
    after = compile_model(openvino.Model(list(late.values()), [*read, *given], "rest"))
    return (before, [*early, *carried]), (after, list(late))


def _replace(kind: type, port, name: str, nodes: set[str]):
    """A parameter in the place of a tensor, for these nodes; `kind` is the library's class of it."""
    parameter = kind(port.get_element_type(), port.get_partial_shape())
    parameter.set_friendly_name(name)
    parameter.output(0).set_names({name})
    for target in port.get_target_inputs():
        if target.get_node().get_friendly_name() in nodes:
            target.replace_source_output(parameter.output(0))
    return parameter


def _above(results: dict[str, Any], carried: dict[str, Any]) -> set[str]:
    """Friendly names of the nodes that results are computed by, up to what is carried over."""
    stops = {_key(port) for port in carried.values()}
    found = {node.get_friendly_name() for node in results.values()}
    waiting = _sources(results)
    while waiting:
        port = waiting.pop()
        name = port.get_node().get_friendly_name()
        if _key(port) not in stops and name not in found:
            found.add(name)
            waiting += _parents(port)
    return found


def _sources(results: dict[str, Any]) -> list:
    return [node.input_value(0) for node in results.values()]


def _parents(port) -> list:
    return port.get_node().input_values()


def _key(port) -> tuple[str, int]:
    return port.get_node().get_friendly_name(), port.get_index()


def _holds_a_row_a_sample(port) -> bool:
    """Sizes of a batch are integers, and weights have no open size."""
    shape = port.get_partial_shape()
    return (
        port.get_element_type().is_real()
        and shape.rank.is_static
        and len(shape) > 1
        and shape[0].is_dynamic
        and not any(side.is_dynamic for side in list(shape)[1:])
    )
