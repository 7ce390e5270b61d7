"""An exported file's decisions against the float32 model's."""

from pathlib import Path

import numpy as np

from kerasfusion.errors import KerasFusionError
from kerasfusion.formats.measuring import Measurement, as_row, refuse_nonfinite
from kerasfusion.roadwork.scoring.reward import decide
from kerasfusion.roadwork.scoring.window import FIRST, Window, read_window

MAX_CHANGED = 0.02
"""Largest share of decisions that may differ from the float32 model's; with fewer than 50 pictures, none may."""


def compare(path: Path, description: dict, reference: Measurement, found: Measurement) -> dict[str, object]:
    """A row of the export table.

    Raises:
        KerasFusionError: more decisions differ from the reference's than MAX_CHANGED allows.
    """
    refuse_nonfinite(found, path)
    differences = [np.abs(found.answers[name] - probs).max() for name, probs in reference.answers.items()]
    window = read_window(description, path)
    decided, expected = _decisions(found, window), _decisions(reference, window)
    changed, count = int(np.sum(decided != expected)), len(expected)
    if changed > MAX_CHANGED * count:
        raise KerasFusionError(
            f"{changed} of {count} decisions differ from the float32 model's",
            where=path,
            expected=f"at most {MAX_CHANGED:.0%}",
            todo="another --format, --precision bfloat16, or photos like those it will see with --samples FOLDER",
        )
    return as_row(path, description, found) | {
        "max |dp|": max(map(float, differences)),
        "changed": f"{changed} of {count}",
    }


def _decisions(measurement: Measurement, window: Window | None) -> np.ndarray:
    """What is decided: of a cascade by the stage that answers."""
    p = {name: probs[:, 1] for name, probs in measurement.answers.items()}
    return decide(p["fusion"] if window is None else window.answers(p[FIRST], p["fusion"]))
