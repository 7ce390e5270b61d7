"""AdamW over all weights as one vector, for training alone.

Keras writes some fifty operations for each of the network's 180 weights, and TensorFlow makes a graph of them before
the first step, which took 38 s; of one vector it takes 14.
"""

import itertools
import math

import keras
from keras import ops


class FlatAdamW(keras.optimizers.AdamW):
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101) for weights that all have a gradient and all decay.

    The same numbers as Keras' own, up to the rounding of the gradient's norm. Its moments are two vectors.
    """

    def build(self, variables):
        """Make the moments, and the vector that the weights are laid into; weights are float32 of any shape."""
        super().build([keras.Variable(ops.zeros(_ends(variables)[-1]), name="weights")])

    def apply(self, grads, trainable_variables=None):
        """Change the weights by their gradients; both in the order in which the model has them."""
        if not self.built:
            self.build(trainable_variables)
        (weights,) = self._trainable_variables  # as an attribute of its own it would be part of the optimizer's state
        weights.assign(_end_to_end(trainable_variables))
        super().apply([_end_to_end(grads)], [weights])
        parts = ops.split(weights, _ends(trainable_variables)[:-1])
        for variable, part in zip(trainable_variables, parts, strict=True):
            variable.assign(ops.reshape(part, variable.shape))


def _ends(variables):
    """Where each of them ends in the vector."""
    return list(itertools.accumulate(math.prod(variable.shape) for variable in variables))


def _end_to_end(tensors):
    return ops.concatenate([ops.reshape(tensor, (-1,)) for tensor in tensors])
