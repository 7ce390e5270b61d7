"""A Keras model in this process as a compiled graph that answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasfusion.formats.open_model import OpenModel
from kerasfusion.formats.stages import CARRIED, Arrays, Stages, first_outputs, reached


def serve(model, description: dict[str, Any]) -> OpenModel:
    """Compile a model for answering, in two stages where its description names a first one.

    Args:
        model: keras.Model with dict inputs and dict outputs.
        description: what is known of it.
    """
    shapes = {name: tuple(value.shape[1:]) for name, value in model.input.items()}
    if first := first_outputs(description):
        stages = _cut(model, first)
        return OpenModel(stages.whole, shapes, tuple(model.output), description, stages)
    answer = _compiled(lambda inputs: model(inputs, training=False), model.input)
    return OpenModel(answer, shapes, tuple(model.output), description)


def _cut(model, first: Sequence[str]) -> Stages:
    """Both parts run the model's own layers: its weights are there once, and the whole is not compiled beside them."""
    early = {name: value for name, value in model.output.items() if name in first}
    late = {name: value for name, value in model.output.items() if name not in first}
    begins = reached(early.values(), late.values(), _parents, id, lambda tensor: tensor.shape[0] is None)
    names = {id(value): name for name, value in model.input.items()}
    taken = {names.get(id(tensor), f"{CARRIED}{number}"): tensor for number, tensor in enumerate(begins)}
    carried = {name: tensor for name, tensor in taken.items() if name.startswith(CARRIED)}
    return Stages(
        _compiled(_part(model.input, early | carried), model.input),
        _compiled(_part(taken, late), taken),
    )


def _part(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Callable:
    """What a part of a functional model computes, from KerasTensors to others.

    A keras.Model between them would give the layers further nodes, after which the model itself cannot be saved.
    """
    import keras

    class Part(keras.layers.Layer):
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

    part = Part(dtype="float32")
    return lambda given: part(given, training=False)  # which the layers inside inherit


def _node(tensor):
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def _parents(tensor) -> list:
    return _node(tensor).input_tensors


def _compiled(forward: Callable, inputs: Mapping[str, Any]) -> Callable[[Arrays], Arrays]:
    """A function of arrays; those beside the `inputs`, KerasTensors by name, are left aside."""
    import tensorflow as tf

    # One trace whatever the batch.
    signature = {name: tf.TensorSpec((None, *value.shape[1:]), value.dtype) for name, value in inputs.items()}
    compiled = tf.function(forward, input_signature=[signature])

    def answer(given: Arrays) -> dict[str, np.ndarray]:
        return {name: values.numpy() for name, values in compiled({name: given[name] for name in inputs}).items()}

    return answer
