"""Whether a file that an earlier training left is what this one came to: then it stays, and what was measured of it.

A file that is written anew has another digest, by which evaluations, rehearsals and exports know the model. Weights
that are fitted again can differ in their last digits, where TensorFlow was set to compute otherwise.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.keras_file_check import open_archive
from kerasfusion.files.saving import load_model, read_description

ROUNDING = 1e-5
"""Largest difference of two weights, beside the same share of their size, that counts as none."""
_OF_THE_FILE = "opens_from"


def earlier_model(path: Path, model, description: dict[str, Any]):
    """The model of a file, if it is whole, has these weights but for rounding, and says nothing else of them.

    Args:
        path: of the file; need not be there.
        model: keras.Model.
        description: of it, as `saving.save_model` would keep it.

    Returns:
        keras.Model, or None.
    """
    if not says(path, description):
        return None
    try:
        there, _ = load_model(path)
    except RequestError:
        return None
    old, new = there.get_weights(), model.get_weights()
    if [weights.shape for weights in old] != [weights.shape for weights in new]:
        return None
    return there if all(map(partial(np.allclose, rtol=ROUNDING, atol=ROUNDING), old, new)) else None


def says(path: Path, description: dict[str, Any], but: tuple[str, ...] = ()) -> bool:
    """Whether a `.keras` file is there, whole, and has this description, keys `but` these apart."""
    try:
        with open_archive(path) as archive:
            if archive.testzip() is not None:
                return False
        said = read_description(path)
    except RequestError:
        return False
    said = {key: value for key, value in said.items() if key not in (_OF_THE_FILE, *but)}
    return said == json.loads(json.dumps(description))
