"""Weights are numbers: a network with one NaN in it answers NaN, and is refused when it is opened."""

from collections.abc import Iterable

import numpy as np

from kerasfusion.errors import RequestError


def refuse_nonfinite(weights: Iterable[tuple[str, np.ndarray]], where: object) -> None:
    """Check every number of a network.

    Args:
        weights: (name, array of any shape and type) of each.
        where: the file that they come from.

    Raises:
        RequestError: NaN or infinity; names the first array that holds one, and how many it holds.
    """
    for name, values in weights:
        wrong = np.size(values) - np.count_nonzero(np.isfinite(values))
        if wrong:
            raise RequestError(
                f"the weights are broken: {name} holds {wrong:,} NaN or infinite of {np.size(values):,} numbers",
                where=where,
                expected="finite numbers",
                todo="take another copy or an earlier checkpoint, or train again: the training has diverged",
            )


def refuse_nonfinite_model(model, where: object) -> None:
    """`refuse_nonfinite` of all weights of a keras.Model."""
    refuse_nonfinite(((each.path, np.asarray(each.value)) for each in model.weights), where)
