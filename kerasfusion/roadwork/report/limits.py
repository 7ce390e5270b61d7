"""What the numbers of this very run do not say."""

from collections.abc import Iterator
from typing import Any

from kerasfusion.digests import file_sha256
from kerasfusion.roadwork.dataset import CLASS_NAMES
from kerasfusion.roadwork.report.run import Run, main_output
from kerasfusion.roadwork.report.verdict import called

WIDE = 0.1
"""Of an MCC's interval: half of this to either side changes the subnet's reward by about a tenth."""

MOVED = 0.1
"""Difference in the share of roadwork from which photos are called otherwise mixed."""


def limits_of(run: Run) -> list[str]:
    """Each a sentence or two; only what is true of this run."""
    if run.split is None:
        return []
    values = run.metrics[run.split]
    return [
        *_of_the_photos(run, values[main_output(values)], main_output(values)),
        *_of_the_files(run),
        *_of_the_branches(run),
    ]


def _of_the_photos(run: Run, values: dict[str, Any], output: str) -> Iterator[str]:
    low, high = values["mcc_ci95"]
    if high == low:
        yield (
            f"With {values['n']} photos {called(output)} has an interval without width: every resample gives the same "
            "value, so it says nothing of how sure that value is."
        )
    elif high - low > WIDE:
        yield (
            f"{values['n']} photos put the MCC of {called(output)} between {low:.3f} and {high:.3f}; smaller "
            "differences between two models cannot be seen with them."
        )
    yield (
        "The intervals take each photo as drawn by itself. Photos of one drive or place resemble each other: with "
        "such photos the values are less sure than the intervals say."
    )
    if values["n_valid"] < values["n"]:
        yield f"{values['n'] - values['n_valid']} photos could not be read and count as answers of 0.0."
    if run.split != "test":
        yield (f"These photos are of {run.split}/, which had a part in the training: expect less on new ones.")
    sampled = run.evaluated.get(run.split, {}).get("max_samples")
    if sampled:
        yield f"Only {values['n']} photos of the split were asked about (--max-samples {sampled})."
    yield from _mixture(run)


def _mixture(run: Run) -> Iterator[str]:
    photos = run.evaluated.get(run.split, {}).get("photos", {})
    shares = {split: _share(counts) for split, counts in photos.items() if split in ("train", run.split)}
    if len(shares) == 2 and abs(shares["train"] - shares[run.split]) > MOVED:
        yield (
            f"{shares['train']:.0%} of the training photos show roadwork, but {shares[run.split]:.0%} of these: "
            "one threshold may not suit both."
        )


def _share(counts: dict[str, Any]) -> float:
    return counts[CLASS_NAMES[1]] / max(sum(counts[name] for name in CLASS_NAMES), 1)


def _of_the_files(run: Run) -> Iterator[str]:
    record = run.evaluated.get(run.split)
    if record is None:
        yield "It was not noted which file answered about which photos; a new `kerasfusion evaluate` notes it."
        return
    path = run.folder / record["model"]
    if record["model_sha256"] and path.is_file() and file_sha256(path) != record["model_sha256"]:
        yield f"{record['model']} was changed after it was evaluated: the numbers are those of an earlier file."
    if record["tta"]:
        yield "Every answer is the mean of the photo's and the mirrored photo's (--tta), which takes twice the time."
    for split, counts in record["photos"].items():
        known = run.description.get("data", {}).get(split)
        if known and known != counts["listing_sha256"]:
            yield f"The photos of {split}/ were others when it was evaluated than when precompute read them."


def _of_the_branches(run: Run) -> Iterator[str]:
    vit = run.setting("vit", "weights")
    if vit and "vit" in run.metrics[run.split]:
        yield (
            f"What the default ViT ({vit}) learned from is not known here. If some of these photos were among it, its "
            "numbers are too good, and the fusion's with them."
        )
    if run.setting("efficientnetv2", "weights") is None and run.setting("efficientnetv2", "variant"):
        frozen = run.setting("efficientnetv2", "fine_tune_blocks") == 0
        yield "EfficientNetV2 started from random weights" + (
            " and its trunk was frozen: only a classifier over random features was trained." if frozen else "."
        )
    yolo = run.description.get("yolo_trained_on")
    if yolo is not None and run.split in yolo.get("splits", ()):
        yield f"YOLO learned from photos of {run.split}/: its numbers there, and the fusion's, are too good."
    elif run.description and yolo is None:
        yield "What YOLO learned from is not known: no record lay beside its weights."
