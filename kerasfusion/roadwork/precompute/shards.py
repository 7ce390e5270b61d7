"""The shards of a split: which photos each holds, and how one is filled."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kerasfusion.images.decoding import ImageError, crop_centre, read_image, squash
from kerasfusion.parallel import ordered_map
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.precompute import branch_cache as cache
from kerasfusion.roadwork.precompute.answering import Branches, Views


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
