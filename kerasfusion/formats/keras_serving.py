"""A Keras model in this process as a compiled graph that answers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerasfusion.formats.keras_cut import cut
from kerasfusion.formats.open_model import OpenModel
from kerasfusion.formats.stages import Arrays, Stages, first_outputs


def serve(model, description: dict[str, Any]) -> OpenModel:
    """Compile a model for answering, in two stages where its description names a first one.

    Args:
        model: keras.Model with dict inputs and dict outputs.
        description: what is known of it.
    """
    shapes = {name: tuple(value.shape[1:]) for name, value in model.input.items()}
    if first := first_outputs(description):
        # Both run the model's own layers: its weights are there once, and the whole is not compiled beside them.
        stages = Stages(*(_compiled(part.run, part.inputs) for part in cut(model, first)))
        return OpenModel(stages.whole, shapes, tuple(model.output), description, stages)
    answer = _compiled(lambda inputs: model(inputs, training=False), model.input)
    return OpenModel(answer, shapes, tuple(model.output), description)


def _compiled(forward: Callable, inputs: Mapping[str, Any]) -> Callable[[Arrays], Arrays]:
    """A function of arrays; those beside the `inputs`, KerasTensors by name, are left aside."""
    import tensorflow as tf

    # One trace whatever the batch.
    signature = {name: tf.TensorSpec((None, *value.shape[1:]), value.dtype) for name, value in inputs.items()}
    compiled = tf.function(forward, input_signature=[signature])

    def answer(given: Arrays) -> dict[str, np.ndarray]:
        return {name: values.numpy() for name, values in compiled({name: given[name] for name in inputs}).items()}

    return answer
