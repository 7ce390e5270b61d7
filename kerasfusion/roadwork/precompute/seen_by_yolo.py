"""Which photos YOLO has learned from: its answers about those are too good, so that none of them may be held out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasfusion.address import Address, Place
from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256, lines_sha256
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import note, track
from kerasfusion.roadwork.cluster.ray_library import LOCAL
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import Sample, hold_out
from kerasfusion.roadwork.data.folds import divide_photos
from kerasfusion.roadwork.precompute.branch_cache import read_shard
from kerasfusion.roadwork.yolo_training.record import read_record


def yolo_record(weights: Path) -> dict[str, Any]:
    """The record of YOLO's training beside its weights; {} if they came from elsewhere."""
    known = read_record(weights.parent)
    return known if known.get("weights_sha256") == file_sha256(weights) else {}


def refuse_held_out_photos(
    config: RoadworkConfig, samples: Sequence[Sample], splits: Sequence[str], on: str = LOCAL
) -> None:
    """Check that YOLO has not learned from a photo of val/ or test/, nor from what `fit` will hold out of train/.

    Of an older record, which cannot tell of val/ and test/, that is said. Photos that are not read here are looked at
    later: those of val/ and test/ by `refuse_held_out_records`, those of train/ by `fit`.

    Args:
        config: names the weights.
        samples: all photos.
        splits: those that are asked about.
        on: where the photos are read, as for `precompute`.

    Raises:
        RequestError: it has; says how many and names some.
    """
    record = yolo_record(config.yolo_weights) if config.yolo_weights.is_file() else {}
    if not record:
        return
    read_here = not _are_read_elsewhere(config, on)
    divided = _divided_photos(config, samples) if "train" in splits else []
    if "train_sha256" in record:
        if read_here:
            held_out = [sample for sample in samples if sample.split in splits and sample.split != "train"]
            digests = _digests([*held_out, *divided])
            held_out += _divide(config, divided, digests)[1] if divided else []
            names = [sample.sample_id for sample in held_out]
            refuse_seen(record["train_sha256"], {name: digests[name] for name in names}, config.data.root)
    elif divided:
        # Of photos that are not read here the groups of groups.csv alone are known.
        digests = _digests(divided) if read_here else {sample.sample_id: sample.sample_id for sample in divided}
        refuse_other_training(record["train"], _divide(config, divided, digests)[0], config.data.root)
    else:
        learned = [sample for sample in samples if sample.split != "test"]
        # As such a version held photos out: it knew of no groups.
        warn_of_others(record["train"], hold_out(learned, config.data.validation_fraction, config.seed, {})[0])


def refuse_held_out_records(config: RoadworkConfig, split: str, shards: Sequence[Place], on: str = LOCAL) -> None:
    """The same of a split of val/ or test/ that is not read here, once that is done: the cache has the digests.

    Raises:
        RequestError: as `refuse_held_out_photos`.
    """
    known = yolo_record(config.yolo_weights).get("train_sha256", [])
    if known and split != "train" and _are_read_elsewhere(config, on):
        records = (record for path in shards for record in read_shard(path))
        refuse_seen(known, {record.sample_id: record.image_sha256 for record in records}, config.data.root)


def _are_read_elsewhere(config: RoadworkConfig, on: str) -> bool:
    """Whether others read the photos, or they come over a network: they are not read here once more."""
    return on != LOCAL or isinstance(config.data.root, Address)


def _divided_photos(config: RoadworkConfig, samples: Sequence[Sample]) -> list[Sample]:
    """The photos of train/ where `fit` will fit the head on a part of them; none otherwise.

    Nor with folds, whose classifiers `find_fold_classifiers` has held against that part.
    """
    has_val = any(sample.split == "val" for sample in samples)
    if has_val or config.data.validation_fraction == 0 or config.fusion.fit_on == "train" or config.yolo.folds:
        return []
    return [sample for sample in samples if sample.split == "train"]


def _divide(
    config: RoadworkConfig, train: Sequence[Sample], digests: Mapping[str, str | None]
) -> tuple[list[Sample], list[Sample]]:
    """(training, held out) of train/, as `fit` divides those that can be read."""
    readable = [sample for sample in train if digests[sample.sample_id] is not None]
    known = {sample.sample_id: digests[sample.sample_id] for sample in readable}
    training, held_out, _ = divide_photos(config, readable, known)
    return training, held_out


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
    if _is_of_others(trained_on, training):
        note(
            "warning: YOLO was trained on other photos than train/ holds now, and its record, of an earlier version, "
            "does not say whether any of them are held out now; train-yolo under another --name makes one that does"
        )


def refuse_other_training(trained_on: Mapping[str, Any], training: Sequence[Sample], where: object) -> None:
    """Check, where a part of train/ is held out, that YOLO's record, of an earlier version, is of the other part.

    Args:
        trained_on: what the record says of the photos.
        training: photos of train/ that are not held out.
        where: the photos' folder.

    Raises:
        RequestError: it is not.
    """
    if _is_of_others(trained_on, training):
        raise RequestError(
            "YOLO has learned from photos that the head would be fitted on (or from others than train/ holds now)",
            where=where,
            todo="kerasfusion train-yolo under another --name: copies and photos of one group are held out together "
            "now, and an earlier version held photos out singly; or make val/ with `kerasfusion data split` and train "
            "YOLO on that; or set fusion.fit_on: train",
        )


def _is_of_others(trained_on: Mapping[str, Any], training: Sequence[Sample]) -> bool:
    return trained_on.get("sample_ids_sha256") != lines_sha256(sorted(sample.sample_id for sample in training))


def _digests(samples: Sequence[Sample]) -> dict[str, str | None]:
    """{sample_id: sha256 of the file}, None of one that cannot be read: precompute names it, or leaves it out."""
    digests = track(ordered_map(_digest, samples), "check what YOLO has seen", total=len(samples))
    return dict(zip((sample.sample_id for sample in samples), digests, strict=True))


def _digest(sample: Sample) -> str | None:
    try:
        return file_sha256(sample.path)
    except OSError:
        return None
