"""Which photos YOLO has learned from: its answers about those are too good, so that none of them may be held out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasfusion.address import Address, Place
from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256, lines_sha256
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import note
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import Sample, hold_out
from kerasfusion.roadwork.precompute.branch_cache import read_shard
from kerasfusion.roadwork.yolo_training.record import read_record


def yolo_record(weights: Path) -> dict[str, Any]:
    """The record of YOLO's training beside its weights; {} if they came from elsewhere."""
    known = read_record(weights.parent)
    return known if known.get("weights_sha256") == file_sha256(weights) else {}


def refuse_held_out_photos(config: RoadworkConfig, samples: Sequence[Sample], splits: Sequence[str]) -> None:
    """Check that YOLO has not learned from a photo of val/ or test/; of an older record, which cannot tell, say so.

    Photos at an address are not read for that: see `refuse_held_out_records`.

    Args:
        config: names the weights.
        samples: all photos.
        splits: those that are asked about.

    Raises:
        RequestError: it has; says how many and names some.
    """
    record = yolo_record(config.yolo_weights) if config.yolo_weights.is_file() else {}
    if not record:
        return
    if "train_sha256" not in record:
        learned = [sample for sample in samples if sample.split != "test"]
        # Such a version knew of no groups.
        warn_of_others(record["train"], hold_out(learned, config.data.validation_fraction, config.seed, {})[0])
        return
    if isinstance(config.data.root, Address):
        return
    held_out = [sample for sample in samples if sample.split in splits and sample.split != "train"]
    digests = zip((sample.sample_id for sample in held_out), ordered_map(_digest, held_out), strict=True)
    refuse_seen(record["train_sha256"], dict(digests), config.data.root)


def refuse_held_out_records(config: RoadworkConfig, split: str, shards: Sequence[Place]) -> None:
    """The same of a split at an address, once its photos have been read: the cache has their digests.

    Raises:
        RequestError: as `refuse_held_out_photos`.
    """
    if isinstance(config.data.root, Address) and split != "train":
        known = yolo_record(config.yolo_weights).get("train_sha256", [])
        records = (record for path in shards for record in read_shard(path))
        refuse_seen(known, {record.sample_id: record.image_sha256 for record in records}, config.data.root)


def refuse_seen(learned: Sequence[str], held_out: Mapping[str, str | None], where: object) -> None:
    """Check that YOLO has not learned from held-out photos, whatever their names are now.

    Args:
        learned: sha256 of each photo of its training.
        held_out: {sample_id: sha256}; None where the photo cannot be read.
        where: the photos' folder.

    Raises:
        RequestError: it has; says how many and names some.
    """
    known = set(learned)
    seen = sorted(name for name, digest in held_out.items() if digest in known)
    if seen:
        raise RequestError(
            f"YOLO has learned from {len(seen)} of {len(held_out)} held-out photos: {', '.join(seen[:3])}",
            where=where,
            expected="a YOLO that has seen no photo of val/ and test/, nor what fit holds out",
            todo="kerasfusion train-yolo under another --name trains it on the photos of train/ as they are now, then "
            "precompute with it into a new folder (--cache). Where train/ still holds copies of these photos, which "
            "kerasfusion data check counts, remove them first",
        )


def warn_of_others(trained_on: Mapping[str, Any], training: Sequence[Sample]) -> None:
    """Say that YOLO's record, of an earlier version, is of other photos than those of train/ now."""
    if trained_on.get("sample_ids_sha256") != lines_sha256(sorted(sample.sample_id for sample in training)):
        note(
            "warning: YOLO was trained on other photos than train/ holds now, and its record, of an earlier version, "
            "does not say whether any of them are held out now; train-yolo under another --name makes one that does"
        )


def _digest(sample: Sample) -> str | None:
    try:
        return file_sha256(sample.path)
    except OSError:  # precompute names it, or leaves it out
        return None
