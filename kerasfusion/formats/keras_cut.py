"""A Keras model cut into two stages that run its own layers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerasfusion.formats.stages import CARRIED, reached


@dataclass(frozen=True)
class Part:
    """A stage of a functional model.

    Attributes:
        run: {input: tensor} -> {output: tensor}, in a TensorFlow graph or at once; of a cut model's first stage the
            outputs include what is carried over.
        inputs: {name: KerasTensor} that it takes.
    """

    run: Callable[[Mapping[str, Any]], dict[str, Any]]
    inputs: dict[str, Any]


def cut(model, first: Sequence[str]) -> tuple[Part, Part]:
    """The part that gives the outputs `first`, and that which gives the others of them and of the inputs."""
    early = {name: value for name, value in model.output.items() if name in first}
    late = {name: value for name, value in model.output.items() if name not in first}
    begins = reached(early.values(), late.values(), _parents, id, lambda tensor: tensor.shape[0] is None)
    names = {id(value): name for name, value in model.input.items()}
    taken = {names.get(id(tensor), f"{CARRIED}{number}"): tensor for number, tensor in enumerate(begins)}
    carried = {name: tensor for name, tensor in taken.items() if name.startswith(CARRIED)}
    return _part(model.input, early | carried), _part(taken, late)


def _part(inputs: dict[str, Any], outputs: dict[str, Any]) -> Part:
    """What lies between KerasTensors of one graph.

    A keras.Model between them would give the layers further nodes, after which the model itself cannot be saved.
    """
    import keras

    class Between(keras.layers.Layer):
        def call(self, given, training=None):
            known = {id(tensor): given[name] for name, tensor in inputs.items()}
            waiting = list(outputs.values())
            while waiting:
                node = _node(waiting[-1])
                if id(waiting[-1]) in known:
                    waiting.pop()
                elif lacking := [tensor for tensor in node.input_tensors if id(tensor) not in known]:
                    waiting += lacking
                else:
                    args, kwargs = node.arguments.fill_in(known)
                    made = node.operation(*args, **kwargs)
                    known |= zip(map(id, node.outputs), keras.tree.flatten(made), strict=True)
            return {name: known[id(tensor)] for name, tensor in outputs.items()}

    layer = Between(dtype="float32")
    return Part(lambda given: layer(given, training=False), inputs)  # which the layers inside inherit


def _node(tensor):
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def _parents(tensor) -> list:
    return _node(tensor).input_tensors
