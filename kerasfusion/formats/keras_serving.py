"""A Keras model in this process as a compiled graph that answers."""

from typing import Any

import numpy as np

from kerasfusion.formats.open_model import OpenModel


def serve(model, description: dict[str, Any]) -> OpenModel:
    """Compile a model for answering.

    Args:
        model: keras.Model with dict inputs and dict outputs.
        description: what is known of it.
    """
    import tensorflow as tf

    # One trace whatever the batch.
    signature = {name: tf.TensorSpec((None, *value.shape[1:]), value.dtype) for name, value in model.input.items()}
    forward = tf.function(lambda inputs: model(inputs, training=False), input_signature=[signature])

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: probs.numpy() for name, probs in forward(inputs).items()}

    shapes = {name: tuple(value.shape[1:]) for name, value in model.input.items()}
    return OpenModel(answer, shapes, tuple(model.output), description)
