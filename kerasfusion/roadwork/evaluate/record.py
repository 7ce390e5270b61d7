"""What an evaluation asked about which photos, as evaluated.json keeps it for a report."""

from pathlib import Path
from typing import Any

from kerasfusion.address import Address, Place
from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, SPLITS, listing_sha256, scan
from kerasfusion.roadwork.detect.detector import Detector


def describe_evaluation(
    detector: Detector, model: Path | None, config: RoadworkConfig, tta: bool, max_samples: int | None
) -> dict[str, Any]:
    """The record of one evaluation.

    Args:
        detector: that answered.
        model: its file; None is the default ViT alone.
        config: whose photos were asked about.
        tta: whether the mirrored photo was asked about too.
        max_samples: how many photos were taken; None is all.

    Returns:
        JSON types.
    """
    root = config.data.root
    return {
        "model": config.vit.weights if model is None else model.name,
        "model_sha256": None if model is None else file_sha256(model),
        "format": detector.description.get("format"),
        "precision": detector.description.get("precision"),
        "tta": tta,
        "data_root": str(root if isinstance(root, Address) else root.resolve()),
        "photos": count_photos(root),
        "max_samples": max_samples,
        "seed": config.seed,
    }


def count_photos(root: Place) -> dict[str, dict[str, Any]]:
    """{split: {class: photos, ..., "listing_sha256": as in the branch cache's manifest}}, of the splits there are."""
    counted: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        try:
            samples = scan(root, (split,))
        except RequestError:  # not there, or not of two classes: then there is nothing to tell of it
            continue
        counted[split] = {name: sum(s.label == label for s in samples) for label, name in enumerate(CLASS_NAMES)}
        counted[split]["listing_sha256"] = listing_sha256(samples)
    return counted
