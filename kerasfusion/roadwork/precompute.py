"""Ask YOLO and the ViT about every photo once, and keep their answers in the branch cache."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from kerasfusion.amx import avoid_broken_amx
from kerasfusion.digests import file_sha256
from kerasfusion.errors import KerasFusionError, RequestError, require
from kerasfusion.image_decoding import ImageError, crop_centre, read_image, squash
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track
from kerasfusion.roadwork import prediction_cache as cache
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.dataset import CLASS_NAMES, SPLITS, Sample, listing_sha256, scan
from kerasfusion.roadwork.vit import VitCheckpoint, build_vit, read_checkpoint
from kerasfusion.roadwork.yolo_process import YoloProcess
from kerasfusion.run_folder import differences, require_folder


@dataclass(frozen=True)
class Views:
    """One photo as the branches see it: `squashed` for the ViT and `crop` for YOLO, (S, S, 3) uint8 each."""

    sample: Sample
    image_sha256: str
    squashed: np.ndarray
    crop: np.ndarray


class Branches:
    """YOLO and the ViT, ready to answer; use it in a `with` statement.

    Args:
        config: names the weights of both.
        checkpoint: the ViT's.

    Attributes:
        sizes: side of each branch's square input, pixels, by input.
        parameters: of the ViT.
    """

    def __init__(self, config: RoadworkConfig, checkpoint: VitCheckpoint):
        if config.cache.precision == "bfloat16":
            avoid_broken_amx("tensorflow")  # before TensorFlow is there
        import tensorflow as tf

        vit = build_vit(checkpoint)
        self.parameters = vit.count_params()
        if config.cache.precision == "bfloat16":
            from kerasfusion.formats.keras_file import in_bfloat16
            from kerasfusion.roadwork.ensemble import HEADS

            vit = in_bfloat16(vit, HEADS)
        size = checkpoint.image_size
        # One trace whatever the batch: a shard's last batch is smaller.
        self._vit = tf.function(
            lambda image: vit(image, training=False),
            input_signature=[tf.TensorSpec((None, size, size, 3), tf.float32)],
        )
        self._yolo = YoloProcess(config.yolo_weights, config.yolo.device)
        self.sizes = {"image": size, "yolo_image": self._yolo.image_size}

    def __call__(self, views: Sequence[Views]) -> list[cache.Record]:
        """Answer one batch."""
        yolo = self._yolo.submit(np.stack([view.crop for view in views]))
        vit_probs = self._vit(np.stack([view.squashed for view in views]).astype(np.float32)).numpy()
        return [
            cache.Record(view.sample.sample_id, view.image_sha256, view.sample.split, view.sample.label, *probs)
            for view, *probs in zip(views, yolo(), vit_probs, strict=True)
        ]

    def __enter__(self) -> "Branches":
        return self

    def __exit__(self, *_) -> None:
        self._yolo.close()


def precompute(config: RoadworkConfig, splits: Sequence[str] = SPLITS, skip_unreadable: bool = False) -> dict:
    """Fill the branch cache with the given splits; what an earlier run has finished is kept.

    Args:
        config: data, weights, and where the cache is.
        splits: the splits to work through; one without photos is passed over.
        skip_unreadable: leave unreadable photos out and list them in the manifest, instead of failing.

    Returns:
        The manifest.

    Raises:
        RequestError: missing data or weights, or a cache folder that was made of others or cannot be written to.
        KerasFusionError: unreadable photos (the shards without them are done and kept), or another run at work.
    """
    filelock = require("filelock", extra="train")
    require_folder(config.cache.folder)
    samples = scan(config.data.root)
    checkpoint = read_checkpoint(config.vit.weights, config.vit.class_names)
    folder = config.cache.folder
    # The lock is the operating system's and ends with the process, so a killed run leaves none behind.
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        with ExitStack() as stack:
            if (folder / cache.MANIFEST).exists():  # refused before anything is loaded
                stack.enter_context(lock)
                with suppress(FileNotFoundError, PackageNotFoundError):  # loading says better what is missing
                    find_manifest(config, checkpoint, cache.read_manifest(folder)["sizes"]["yolo_image"])
            branches = stack.enter_context(Branches(config, checkpoint))
            folder.mkdir(parents=True, exist_ok=True)  # only now: a request that is refused leaves no folder
            stack.enter_context(lock)
            manifest = find_manifest(config, checkpoint, branches.sizes["yolo_image"])
            cache.write_manifest(folder, manifest)
            unreadable: dict[str, str] = {}
            for split in splits:
                chosen = [sample for sample in samples if sample.split == split]
                if chosen:
                    unreadable |= _fill_split(config, manifest, split, chosen, branches, skip_unreadable)
            if unreadable and not skip_unreadable:
                raise _unreadable_error(unreadable)
            return manifest
    except filelock.Timeout:
        raise KerasFusionError("another run is writing this cache", where=folder, todo="wait until it ends") from None


def find_manifest(config: RoadworkConfig, checkpoint: VitCheckpoint, yolo_image_size: int) -> dict:
    """The manifest of the cache folder, or what a new one says.

    Raises:
        RequestError: it is of other settings; names each that differs.
    """
    folder = config.cache.folder
    identity = {
        "format_version": cache.FORMAT_VERSION,
        "class_names": list(CLASS_NAMES),
        "shard_size": config.cache.shard_size,
        "max_pixels": config.data.max_pixels,
        "sizes": {"image": checkpoint.image_size, "yolo_image": yolo_image_size},
        "preprocessing": {
            "decoder": "pillow",
            "image": "whole frame squashed, Pillow BILINEAR",
            "yolo_image": "shortest side resized, Pillow BILINEAR, centre crop",
            "vit_scale": list(checkpoint.scale),
            "vit_offset": list(checkpoint.offset),
        },
        "yolo": {"sha256": file_sha256(config.yolo_weights), "trained_on": _yolo_training(config.yolo_weights)},
        "vit": {
            "sha256": checkpoint.sha256,
            "output_order": list(checkpoint.order),
            "precision": config.cache.precision,
        },
        "versions": {name: version(name) for name in ("ultralytics", "keras-hub", "pillow")},
    }
    if not (folder / cache.MANIFEST).exists():
        return {**identity, "splits": {}}
    manifest = cache.read_manifest(folder)
    changed = differences(identity, {key: value for key, value in manifest.items() if key != "splits"})
    if changed:
        raise RequestError(
            "the cache folder was made with other settings:\n  - " + "\n  - ".join(changed),
            where=folder,
            todo="name a new folder with --cache (or cache.folder), or delete this one",
        )
    return manifest


def _yolo_training(weights: Path) -> dict | None:
    """What YOLO was trained on, from the record beside its weights; None if they came from elsewhere."""
    record = weights.with_name("training.json")
    known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    return known["train"] if known.get("weights_sha256") == file_sha256(weights) else None


def _fill_split(config, manifest, split, samples, branches, skip_unreadable) -> dict[str, str]:
    """Work through a split; returns {sample_id: reason} of its unreadable photos."""
    folder = config.cache.folder
    listing = check_listing(config, manifest, split, samples)
    manifest["splits"][split] = {"complete": False, "samples": len(samples), "listing_sha256": listing}
    cache.write_manifest(folder, manifest)
    unreadable: dict[str, str] = {}
    shards = plan_shards(config, split, samples)
    paths = [path for path, _ in shards]
    work = (
        sample
        for path, shard in shards
        for sample in fill_shard(path, shard, branches, config, skip_unreadable, unreadable)
    )
    for _ in track(work, f"precompute {split}", total=len(samples)):
        pass
    if unreadable and not skip_unreadable:
        return unreadable
    manifest["splits"][split] |= {
        "complete": True,
        "skipped": [{"sample_id": name, "reason": reason} for name, reason in sorted(unreadable.items())],
        "shards": [{"file": path.name, "sha256": file_sha256(path)} for path in paths],
    }
    cache.write_manifest(folder, manifest)
    return unreadable


def check_listing(config: RoadworkConfig, manifest: dict, split: str, samples: Sequence[Sample]) -> str:
    """The digest of a split's sample ids and labels.

    Raises:
        RequestError: the cache was begun with others.
    """
    listing = listing_sha256(samples)
    known = manifest["splits"].get(split)
    if known and known["listing_sha256"] != listing:
        raise RequestError(
            f"the photos of {split}/ are not those that the cache was begun with ({known['samples']} then, "
            f"{len(samples)} now)",
            where=config.cache.folder,
            todo="name a new folder with --cache (or cache.folder), or delete this one",
        )
    return listing


def plan_shards(config: RoadworkConfig, split: str, samples: Sequence[Sample]) -> list[tuple[Path, Sequence[Sample]]]:
    """Each shard's path and samples."""
    size = config.cache.shard_size
    parts = [samples[start : start + size] for start in range(0, len(samples), size)]
    return [(cache.shard_path(config.cache.folder, split, number), part) for number, part in enumerate(parts)]


def fill_shard(
    path: Path,
    shard: Sequence[Sample],
    branches: Branches,
    config: RoadworkConfig,
    skip_unreadable: bool,
    unreadable: dict[str, str],
) -> Iterator[Sample]:
    """Write one shard unless it is there; yields each of its samples once the sample is worked.

    Args:
        path: of the shard.
        shard: its samples.
        branches: are asked about each batch.
        config: cache.batch and data.max_pixels.
        skip_unreadable: write the shard without unreadable photos.
        unreadable: {sample_id: reason}; the shard's are added.
    """
    if path.exists() and _is_finished(path, shard, config, unreadable):
        yield from shard
        return
    records, broken = [], {}
    views = ordered_map(lambda sample: _read_views(sample, branches.sizes, config.data.max_pixels), shard)
    batch: list[Views] = []
    for sample, view in zip(shard, views, strict=True):
        if isinstance(view, ImageError):
            broken[sample.sample_id] = view.what
        else:
            batch.append(view)
        if len(batch) == config.cache.batch or (batch and sample is shard[-1]):
            records += branches(batch)
            batch = []
        yield sample
    unreadable |= broken
    if not broken or skip_unreadable:
        cache.write_shard(path, records)


def _is_finished(path: Path, shard, config, unreadable) -> bool:
    """Whether a shard of an earlier run can stay: every photo is in it, or was and still is unreadable."""
    present = {record.sample_id for record in cache.read_shard(path)}
    for sample in shard:
        if sample.sample_id not in present:
            try:
                read_image(sample.path, config.data.max_pixels)
            except ImageError as error:
                unreadable[sample.sample_id] = error.what
                continue
            return False  # mended since
    return True


def _read_views(sample: Sample, sizes: dict[str, int], max_pixels: int) -> Views | ImageError:
    try:
        pixels, digest = read_image(sample.path, max_pixels)
    except ImageError as error:
        return error
    return Views(sample, digest, squash(pixels, sizes["image"]), crop_centre(pixels, sizes["yolo_image"]))


def _unreadable_error(unreadable: dict[str, str]) -> KerasFusionError:
    shown = [f"{name}: {reason}" for name, reason in sorted(unreadable.items())[:20]]
    more = [f"and {len(unreadable) - 20} more"] if len(unreadable) > 20 else []
    return KerasFusionError(
        f"{len(unreadable)} unreadable photo(s); the shards without them are done and kept:\n  - "
        + "\n  - ".join(shown + more),
        todo="mend these files and run precompute again, or leave them out with --skip-unreadable",
    )
