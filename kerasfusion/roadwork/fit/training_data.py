"""What `fit` learns from: photos' views joined with their cached probabilities, and pixels that are made only once."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import lines_sha256
from kerasfusion.images.decoding import read_image, squash
from kerasfusion.images.stored_arrays import StoredArray, stored_array
from kerasfusion.parallel import ordered_map
from kerasfusion.roadwork.challenge.views import describe_views, views_of
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample, scan_at_home
from kerasfusion.roadwork.data.folds import divide_photos
from kerasfusion.roadwork.data.split_groups import photo_digests, photo_groups, read_groups
from kerasfusion.roadwork.head.request import refuse_few_photos, refuse_impossible_head
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.roadwork.precompute.fold_classifiers import refuse_other_folds
from kerasfusion.roadwork.precompute.manifest import refuse_other_views
from kerasfusion.roadwork.precompute.seen_by_yolo import refuse_other_training, refuse_seen, warn_of_others


@dataclass(frozen=True)
class Photos:
    """Photos of one role (training or validation), in sample_id order, with V views each.

    Row `V * photo + view` of what is kept of them is one view; a photo's first row is the photo itself.

    Attributes:
        samples: N photos.
        digests: sha256 of each file.
        groups: of each photo, as `photo_groups` gives them: copies, and photos of one drive or place, have the same.
        labels: (N V,) int32, index into CLASS_NAMES.
        yolo_probs, vit_probs: (N V, 2) float32.
        vit_features: (N V, C) float16, where the branch cache holds them.
    """

    samples: list[Sample]
    digests: list[str]
    groups: list[str]
    labels: np.ndarray
    yolo_probs: np.ndarray
    vit_probs: np.ndarray
    vit_features: np.ndarray | None = None

    @property
    def views(self) -> int:
        """V."""
        return len(self.labels) // len(self.samples)

    @property
    def features(self) -> int | None:
        """C; None where there are none."""
        return None if self.vit_features is None else self.vit_features.shape[1]

    @property
    def originals(self) -> np.ndarray:
        """(N,) int64, the row of each photo itself."""
        return np.arange(0, len(self), self.views)

    def rows_of(self, numbers: np.ndarray) -> np.ndarray:
        """(n V,) int64, the rows of the photos with these numbers, (n,) int."""
        return (self.originals[numbers][:, None] + np.arange(self.views)).ravel()

    def choose(self, numbers: np.ndarray) -> "Photos":
        """The photos with these numbers, (n,) int, with all their views."""
        rows = self.rows_of(numbers)
        kept = {}
        for field in fields(self):
            value = getattr(self, field.name)
            kept[field.name] = [value[number] for number in numbers] if isinstance(value, list) else _rows(value, rows)
        return Photos(**kept)

    def __add__(self, other: "Photos") -> "Photos":
        """These photos and then those of another role, which have as many views."""
        kept = {}
        for field in fields(self):
            two = getattr(self, field.name), getattr(other, field.name)
            if two[0] is None:
                kept[field.name] = None
            else:
                kept[field.name] = two[0] + two[1] if isinstance(two[0], list) else np.concatenate(two)
        return Photos(**kept)

    def __len__(self) -> int:
        """How many rows, N V."""
        return len(self.labels)


def _rows(values: np.ndarray | None, numbers: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[numbers]


def load_photos(config: RoadworkConfig, manifest: dict) -> tuple[Photos, Photos | None]:
    """Read train/ and val/ (or a part of train/ held out) and join them with the branch cache.

    Returns:
        Training and validation photos; None for the latter if data.validation_fraction is 0 and there is no val/.

    Raises:
        RequestError: no cache for these splits, a cache of other photos, views or folds, a class without photos, a head
            that is to be fitted on held-out photos when there are none or too few, or one that cannot be fitted as is
            asked for.
    """
    refuse_other_views(config, manifest)
    refuse_other_folds(config, manifest)
    refuse_impossible_head(config, manifest)
    samples = scan_at_home(config.data.root, ("train", "val"))
    splits = [split for split in ("train", "val") if any(sample.split == split for sample in samples)]
    records = branch_cache.read_cache(config.cache.folder, splits)
    skipped = {row["sample_id"] for split in splits for row in manifest["splits"][split]["skipped"]}
    digests = photo_digests(samples)
    branch_cache.refuse_other_photos(records, samples, list(digests.values()), skipped)
    digests = {name: digest for name, digest in digests.items() if name in records}
    kept = [sample for sample in samples if sample.sample_id in digests]
    training, validation, groups = divide_photos(config, kept, digests)
    _refuse_missing_class(training, "train/", config)
    _refuse_missing_folds(config, manifest, training)
    if config.fusion.fit_on == "val" and not validation:
        raise RequestError(
            "fusion.fit_on: val needs held-out photos, and there are none",
            where=config.data.root,
            todo="make val/ with `kerasfusion data split`, or set data.validation_fraction or fusion.fit_on: train",
        )
    if config.fusion.fit_on != "train" and validation:
        _refuse_missing_class(validation, "the held-out photos", config)
        _refuse_seen_by_yolo(validation, training, digests, manifest)
    if config.fusion.fit_on != "train":
        learns = validation if config.fusion.fit_on == "val" else training + validation
        refuse_few_photos(config, [sample.label for sample in learns], [groups[s.sample_id] for s in learns])
    return _join(training, digests, groups, records), (
        _join(validation, digests, groups, records) if validation else None
    )


def load_split(config: RoadworkConfig, manifest: dict, split: str) -> Photos:
    """Read one split whole and join it with the branch cache.

    Raises:
        RequestError: no photos or none that was readable, no cache of this split, or a cache of other photos or views.
    """
    refuse_other_views(config, manifest)
    samples = scan_at_home(config.data.root, (split,))
    records = branch_cache.read_cache(config.cache.folder, [split])
    skipped = {row["sample_id"] for row in manifest["splits"][split]["skipped"]}
    digests = photo_digests(samples)
    branch_cache.refuse_other_photos(records, samples, list(digests.values()), skipped)
    digests = {name: digest for name, digest in digests.items() if name in records}
    if not digests:
        raise RequestError(
            f"the branch cache holds no photo of {split}/: all of them were left out as unreadable",
            where=config.data.root / split,
            todo="mend them (kerasfusion data check names each), then run precompute again",
        )
    groups = photo_groups(digests, read_groups(config.data.root))
    return _join([sample for sample in samples if sample.sample_id in digests], digests, groups, records)


def stored_pixels(photos: Photos, config: RoadworkConfig, image_size: int, label: str) -> StoredArray:
    """The views as the `image` input sees them, made once and kept on disk by the files' digests.

    Returns:
        (N V, S, S, 3) uint8.
    """
    size = image_size

    def views(sample: Sample) -> np.ndarray:
        pixels, digest = read_image(sample.path, config.data.max_pixels)
        return np.stack([squash(view, size) for view in views_of(pixels, digest, sample.split, config.views)])

    path = pixels_path(photos, config, image_size)
    shape = (len(photos), size, size, 3)
    return stored_array(path, shape, "uint8", lambda: ordered_map(views, photos.samples), f"decode {label}")


def pixels_path(photos: Photos, config: RoadworkConfig, image_size: int) -> Path:
    """Where `stored_pixels` keeps these photos."""
    return _store(config, f"squash-{image_size}", photos)


def stored_features(
    photos: Photos,
    config: RoadworkConfig,
    forward: Callable,
    n_features: int,
    name: str,
    pixels: StoredArray,
    label: str,
) -> StoredArray:
    """A frozen network's features of un-augmented views, worked out once and kept on disk.

    Args:
        forward: (B, S, S, 3) uint8 -> (B, C) float32 array.
        n_features: C.
        name: tells networks, weights and sizes apart.
        pixels: what `stored_pixels` gave for these photos.

    Returns:
        (N V, C) float32.
    """

    def blocks() -> Iterator[np.ndarray]:
        batches = np.split(np.arange(len(pixels)), range(config.fit.batch, len(pixels), config.fit.batch))
        # A second batch fills the gaps in which the first leaves cores idle.
        return ordered_map(lambda numbers: forward(pixels.take(numbers)), batches, ahead=4, threads=2)

    path = features_path(photos, config, name)
    return stored_array(path, (len(photos), n_features), "float32", blocks, f"features of {label}")


def features_path(photos: Photos, config: RoadworkConfig, name: str) -> Path:
    """Where `stored_features` keeps those of these photos."""
    return _store(config, f"features-{name}", photos)


def _store(config: RoadworkConfig, kind: str, photos: Photos) -> Path:
    """By what the views are made of; held-out photos of train/ have the views of train/."""
    made_of = photos.digests
    if views := describe_views(config.views):
        made_of = [json.dumps(views, sort_keys=True), photos.samples[0].split, *made_of]
    return config.fit.pixel_cache / f"{kind}-{lines_sha256(made_of)[:16]}.npy"


def _join(samples: list[Sample], digests: dict[str, str], groups: dict[str, str], records: dict) -> Photos:
    rows = [records[sample.sample_id] for sample in samples]
    return Photos(
        samples=samples,
        digests=[digests[sample.sample_id] for sample in samples],
        groups=[groups[sample.sample_id] for sample in samples],
        labels=np.repeat(np.array([row.label for row in rows], np.int32), len(rows[0].yolo_probs)),
        yolo_probs=np.concatenate([row.yolo_probs for row in rows]),
        vit_probs=np.concatenate([row.vit_probs for row in rows]),
        vit_features=None if rows[0].vit_features is None else np.concatenate([row.vit_features for row in rows]),
    )


def _refuse_seen_by_yolo(
    held_out: list[Sample], training: list[Sample], digests: dict[str, str], manifest: dict
) -> None:
    """Where what YOLO was trained on is known, the head must not be fitted on any of it."""
    learned, where = manifest["yolo"]["trained_on"], held_out[0].path.parent
    if "train_sha256" in manifest["yolo"]:
        names = [sample.sample_id for sample in held_out]
        refuse_seen(manifest["yolo"]["train_sha256"], {name: digests[name] for name in names}, where)
    elif learned is None:
        return
    elif held_out[0].split not in learned["splits"]:
        warn_of_others(learned, training)
    else:
        refuse_other_training(learned, training, where)


def _refuse_missing_folds(config: RoadworkConfig, manifest: dict, training: list[Sample]) -> None:
    """Where the head is to learn from answers out of fold, each training photo has a fold."""
    if config.fusion.fit_on != "all":
        return
    if "folds" not in manifest:
        raise RequestError(
            "fusion.fit_on: all needs answers of classifiers that have not seen the photo, and the branch cache was "
            "made without folds",
            where=config.cache.folder,
            todo="kerasfusion train-yolo --folds 3, then kerasfusion precompute --set yolo.folds=3 into a new folder "
            "(--cache), or set fusion.fit_on: val",
        )
    strangers = sorted({sample.sample_id for sample in training} - manifest["folds"]["of"].keys())
    if strangers:
        raise RequestError(
            f"{len(strangers)} training photo(s) were in no fold when YOLO was trained: {', '.join(strangers[:3])}",
            where=config.cache.folder,
            todo="the seed and data.validation_fraction that YOLO was trained with, or train YOLO again",
        )


def _refuse_missing_class(samples: list[Sample], what: str, config: RoadworkConfig) -> None:
    counts = [sum(sample.label == label for sample in samples) for label in range(len(CLASS_NAMES))]
    if not all(counts):
        raise RequestError(
            f"{what} has no {CLASS_NAMES[counts.index(0)]} photos",
            where=config.data.root,
            expected="photos of both classes",
            todo="kerasfusion data check shows the counts; data split makes stratified splits",
        )
