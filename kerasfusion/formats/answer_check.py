"""Answers are probabilities: a model that gives anything else is broken, and no decision is made of what it gives."""

from collections.abc import Mapping

import numpy as np

from kerasfusion.errors import RequestError

ROUNDING = 1e-5
"""What float32 arithmetic may add to a probability of 1; larger numbers are no probabilities."""


def probabilities(answers: Mapping[str, np.ndarray], where: object, todo: str) -> dict[str, np.ndarray]:
    """What a model answered, if all of it may be believed.

    Args:
        answers: {output: float array of any shape, classes last}.
        where: the model's file, for the message.
        todo: how to come by another.

    Returns:
        The same, without what rounding adds: every number is in 0..1.

    Raises:
        RequestError: NaN, infinity or a number outside 0..1; names the output and the number.
    """
    for name, values in answers.items():
        wrong = ~((values >= -ROUNDING) & (values <= 1 + ROUNDING))  # also where it is NaN
        if wrong.any():
            raise RequestError(
                f"the model is broken: its output {name} answers {values[wrong].flat[0]:.6g}",
                where=where,
                expected="probabilities: numbers in 0..1",
                todo=todo,
            )
    return {name: np.clip(values, 0, 1) for name, values in answers.items()}
