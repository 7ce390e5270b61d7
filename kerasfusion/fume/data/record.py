"""What a data set's paired CSVs hold, as an evaluation notes it: counts of each split, and originals they share."""

from collections.abc import Sequence
from typing import Any

from kerasfusion.fume.config import Data
from kerasfusion.fume.data.annotations import SPLITS, STATES, Frame
from kerasfusion.fume.data.leaks import find_leak
from kerasfusion.fume.data.modality import dependence
from kerasfusion.fume.data.samples import Sample, read_samples


def record_data(data: Data) -> dict[str, Any]:
    """Count the samples of every split whose paired CSV is there.

    Args:
        data: where the CSVs lie.

    Returns:
        "splits": {split: [{"state", "paired", "co2_only", "ch4_only", "samples", "originals"}]}, a row a state; and
        "leak": what `Leak.to_json` gives, with its lines; None where the CSVs do not say which originals the frames are
        of, or only one split is there; and "dependence": {split: what `Dependence.to_json` gives}, where it can be
        asked. JSON types only.

    Raises:
        RequestError: a CSV with bad rows.
    """
    paths = {split: data.paired_csv(split) for split in SPLITS}
    found = {split: read_samples(path) for split, path in paths.items() if path.is_file()}
    counted = {split: [_count(samples, state) for state in range(len(STATES))] for split, samples in found.items()}
    tells = {split: measured.to_json() for split in found if (measured := dependence(found[split])) is not None}
    return {"splits": counted, "leak": _leak(found), "dependence": tells}


def _count(samples: Sequence[Sample], state: int) -> dict[str, object]:
    chosen = [sample for sample in samples if sample.class_id == state]
    alone = {gas: sum(tuple(sample.frames) == (gas,) for sample in chosen) for gas in ("co2", "ch4")}
    originals = {frame.original_id for sample in chosen for frame in sample.frames.values()}
    return {
        "state": STATES[state],
        "paired": sum(sample.is_paired for sample in chosen),
        "co2_only": alone["co2"],
        "ch4_only": alone["ch4"],
        "samples": len(chosen),
        "originals": None if "" in originals else len(originals),
    }


def _leak(found: dict[str, list[Sample]]) -> dict[str, Any] | None:
    frames = {split: [frame for sample in samples for frame in _frames(sample)] for split, samples in found.items()}
    if len(found) < 2 or any(frame.original_id == "" for each in frames.values() for frame in each):
        return None
    leak = find_leak(frames)
    return leak.to_json() | {"lines": leak.lines()}


def _frames(sample: Sample) -> list[Frame]:
    return [
        Frame(gas, frame.frame_path, frame.mask_path or "", sample.ph_value, sample.class_id, frame.original_id)
        for gas, frame in sample.frames.items()
    ]
