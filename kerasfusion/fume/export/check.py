"""An exported network's states and masks against the float32 network's."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from kerasfusion.errors import KerasFusionError
from kerasfusion.formats.measuring import Measurement, as_row, refuse_nonfinite
from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.evaluate.mask_metrics import mask_values, pixel_confusion

MAX_CHANGED = 0.02
"""Largest share of states, and of pixels of all masks, that may differ; with fewer than 50 samples, no state may."""


def compare(
    outputs: Collection[str],
    presence: np.ndarray,
    path: Path,
    description: dict,
    reference: Measurement,
    found: Measurement,
) -> dict[str, object]:
    """A row of the export table.

    Args:
        outputs: that the network learned; of the others its answers are noise.
        presence: (N, 2) bool: whether a sample has [CO2, CH4]; the mask of a gas that it lacks is not looked at.
        path: the file.
        description: names its format and precision.
        reference, found: what the float32 network and the file answered.

    Returns:
        `as_row`, then of the state "max |dp|" and "changed states", and of the masks "changed pixels" (a share) and
        "mask mIoU" (between both networks' masks).

    Raises:
        KerasFusionError: NaN, or more states or pixels differ than MAX_CHANGED allows.
    """
    refuse_nonfinite(found, path)
    row = as_row(path, description, found)
    if "state" in outputs:
        row |= _state_columns(reference.answers["state"], found.answers["state"], path)
    masks = [name for name in outputs if name != "state"]
    if masks:
        row |= _mask_columns(masks, presence, reference, found, path)
    return row


def _state_columns(reference: np.ndarray, found: np.ndarray, path: Path) -> dict[str, object]:
    count, changed = len(reference), int(np.sum(reference.argmax(-1) != found.argmax(-1)))
    if changed > MAX_CHANGED * count:
        raise _refused(f"{changed} of {count} states differ", path)
    return {"max |dp|": float(np.abs(found - reference).max()), "changed states": f"{changed} of {count}"}


def _mask_columns(masks, presence: np.ndarray, reference: Measurement, found: Measurement, path: Path):
    counts = np.zeros((3, 3), np.int64)
    for name in masks:
        gas = name.removesuffix("_mask")
        rows = presence[:, GASES.index(gas)] if gas in GASES else np.ones(len(presence), bool)
        counts += pixel_confusion(*(each.answers[name][rows].argmax(-1).ravel() for each in (reference, found)))
    changed = 1 - np.trace(counts) / counts.sum()
    if changed > MAX_CHANGED:
        raise _refused(f"{changed:.1%} of the masks' pixels differ", path)
    return {"changed pixels": f"{changed:.3%}", "mask mIoU": float(mask_values(counts)["miou"])}


def _refused(what: str, path: Path) -> KerasFusionError:
    return KerasFusionError(
        f"{what} from the float32 network's",
        where=path,
        expected=f"at most {MAX_CHANGED:.0%}",
        todo="another --format or --precision, or the frames that it will see: --samples FOLDER with a paired CSV",
    )
