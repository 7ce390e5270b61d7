"""What the numbers of this very run do not say."""

from collections.abc import Iterator
from typing import Any

from kerasfusion.roadwork.config import DEFAULT_VIT
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.report.run import Run, main_output
from kerasfusion.roadwork.report.verdict import called

WIDE = 0.1
"""Of an MCC's interval: half of this to either side changes the subnet's reward by about a tenth."""

MOVED = 0.1
"""Difference in the share of roadwork from which photos are called otherwise mixed."""


def limits_of(run: Run) -> list[str]:
    """Each a sentence or two, the weightiest first; only what is true of this run."""
    if run.split is None:
        return []
    values = run.metrics[run.split]
    return [
        *_of_the_file(run),
        *_of_the_set(run),
        *_of_the_vit(run),
        *_of_the_branches(run),
        *_of_the_photos(run, values[main_output(values)], main_output(values)),
        *_of_the_record(run),
    ]


def _of_the_file(run: Run) -> Iterator[str]:
    if run.is_changed:
        yield f"{run.record['model']} was changed after it was evaluated: the numbers are those of an earlier file."


def _of_the_set(run: Run) -> Iterator[str]:
    if run.is_drawn:
        yield (
            "The photos are drawn scenes by their names (scene_00001.jpg and so on, as `kerasfusion data synth "
            "roadwork` and `kerasfusion demo` write them): the numbers show that the path works, not what this model "
            "is worth on photos of real streets or would earn in the subnet."
        )
    if run.split != "test":
        yield f"These photos are of {run.split}/, which had a part in the training: expect less on new ones."


def _of_the_vit(run: Run) -> Iterator[str]:
    if "vit" not in run.metrics[run.split] or run.vit is None:
        return
    if not run.has_default_vit:
        yield (
            f"The ViT is {run.vit}, not the subnet's default one ({DEFAULT_VIT}): unless that is a copy of it, being "
            "better or worse than this ViT says nothing of the model that a miner must beat."
        )
    yield (
        f"What {called('vit', run)} learned from is not known here. If some of these photos were among it, its numbers "
        "are too good" + ("." if "vit" in run.left_out else ", and the fusion's with them.")
    )
    if run.record.get("default_from"):
        yield "The model goes without the ViT, whose answers here are those that precompute kept in the branch cache."


def _of_the_photos(run: Run, values: dict[str, Any], output: str) -> Iterator[str]:
    low, high = values["mcc_ci95"]
    if high == low:
        yield (
            f"With {values['n']} photos {called(output, run)} has an interval without width: every resample gives the "
            "same value, so it says nothing of how sure that value is."
        )
    elif high - low > WIDE:
        yield (
            f"{values['n']} photos put the MCC of {called(output, run)} between {low:.3f} and {high:.3f}; smaller "
            "differences between two models cannot be seen with them."
        )
    yield (
        "The intervals take each photo as drawn by itself. Photos of one drive or place resemble each other: with "
        "such photos the values are less sure than the intervals say."
    )
    if values["n_valid"] < values["n"]:
        yield f"{values['n'] - values['n_valid']} photos could not be read and count as answers of 0.0."
    sampled = run.record.get("max_samples")
    if sampled:
        yield f"Only {values['n']} photos of the split were asked about (--max-samples {sampled})."
    yield from _mixture(run)


def _mixture(run: Run) -> Iterator[str]:
    photos = run.record.get("photos", {})
    shares = {split: _share(counts) for split, counts in photos.items() if split in ("train", run.split)}
    if len(shares) == 2 and abs(shares["train"] - shares[run.split]) > MOVED:
        yield (
            f"{shares['train']:.0%} of the training photos show roadwork, but {shares[run.split]:.0%} of these: "
            "one threshold may not suit both."
        )


def _share(counts: dict[str, Any]) -> float:
    return counts[CLASS_NAMES[1]] / max(sum(counts[name] for name in CLASS_NAMES), 1)


def _of_the_record(run: Run) -> Iterator[str]:
    record = run.record
    if not record:
        yield "It was not noted which file answered about which photos; a new `kerasfusion evaluate` notes it."
        return
    if record["tta"]:
        yield "Every answer is the mean of the photo's and the mirrored photo's (--tta), which takes twice the time."
    for split, counts in record["photos"].items():
        known = run.description.get("data", {}).get(split)
        if known and known != counts["listing_sha256"]:
            yield f"The photos of {split}/ were others when it was evaluated than when precompute read them."


def _of_the_branches(run: Run) -> Iterator[str]:
    answered = run.metrics[run.split]
    seen = run.description.get("yolo_trained_on")
    if seen is not None and run.split in seen.get("splits", ()):
        yield f"YOLO learned from photos of {run.split}/: its numbers there, and the fusion's, are too good."
    elif run.description and seen is None and "yolo" not in run.left_out:
        yield "What YOLO learned from is not known: no record lay beside its weights."
    if "yolo" in answered and (run.yolo_start or "").endswith(".yaml"):
        yield f"YOLO began from random weights ({run.yolo_start}), not from pretrained ones."
    has = run.setting("efficientnetv2", "variant") and "efficientnetv2" not in run.left_out
    if has and run.setting("efficientnetv2", "weights") is None:
        frozen = run.setting("efficientnetv2", "fine_tune_blocks") == 0
        yield "EfficientNetV2 started from random weights" + (
            " and its trunk was frozen: only a classifier over random features was trained." if frozen else "."
        )
    yield from _of_the_head(run)


def _of_the_head(run: Run) -> Iterator[str]:
    """Photos that had two parts in the training."""
    if run.setting("fusion", "fit_on") not in ("val", "all"):
        return
    parts = ["chose YOLO's epoch"] if run.yolo.get("val") and "yolo" not in run.left_out else []
    stops = run.setting("fit", "patience") and "efficientnetv2" not in run.left_out
    parts += ["told when EfficientNetV2's training stops"] if stops else []
    if parts:
        yield (
            f"The fusion's head was fitted on the same held-out photos that {' and '.join(parts)}: on these the "
            "branches look a little better than on new photos, so the head may trust them too much."
        )
