"""The shards of a split: which photos each holds, and how one is filled."""

from collections.abc import Iterator, Sequence

import numpy as np

from kerasfusion.address import Place
from kerasfusion.images.decoding import ImageError, crop_centre, read_image, squash
from kerasfusion.parallel import ordered_map
from kerasfusion.roadwork.challenge.views import views_of
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.precompute import branch_cache as cache
from kerasfusion.roadwork.precompute.answering import Branches, Picture


def plan_shards(config: RoadworkConfig, split: str, samples: Sequence[Sample]) -> list[tuple[Place, Sequence[Sample]]]:
    """Each shard's path and samples."""
    size = config.cache.shard_size
    parts = [samples[start : start + size] for start in range(0, len(samples), size)]
    return [(cache.shard_path(config.cache.folder, split, number), part) for number, part in enumerate(parts)]


class FillsHere:
    """Fills shards in this process; use it in a `with` statement, which ends the branches.

    Args:
        branches: are asked about each batch.
        config: as for `fill_shard`.

    Attributes:
        sizes: side of each branch's square input, pixels, by input.
    """

    def __init__(self, branches: Branches, config: RoadworkConfig):
        self._branches, self._config = branches, config
        self.sizes = branches.sizes

    def fill(
        self, shards: Sequence[tuple[Place, Sequence[Sample]]], skip_unreadable: bool, unreadable: dict[str, str]
    ) -> Iterator[Sample]:
        """Write those shards that are not there; yields each sample once it is worked.

        Args:
            shards: as `plan_shards` gives them.
            skip_unreadable, unreadable: as for `fill_shard`.
        """
        for path, shard in shards:
            yield from fill_shard(path, shard, self._branches, self._config, skip_unreadable, unreadable)

    def __enter__(self) -> "FillsHere":
        return self

    def __exit__(self, *error) -> None:
        self._branches.__exit__(*error)


def fill_shard(
    path: Place,
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
        config: views, cache.batch and data.max_pixels.
        skip_unreadable: write the shard without unreadable photos.
        unreadable: {sample_id: reason}; the shard's are added.
    """
    if path.exists() and _is_finished(path, shard, config, unreadable):
        yield from shard
        return
    asked: list[tuple[Sample, str]] = []
    answers: list[tuple[np.ndarray, ...]] = []
    waiting: list[Picture] = []
    broken: dict[str, str] = {}
    read = ordered_map(lambda sample: _read(sample, branches, config), shard)
    for sample, photo in zip(shard, read, strict=True):
        if isinstance(photo, ImageError):
            broken[sample.sample_id] = photo.what
        else:
            digest, pictures = photo
            asked.append((sample, digest))
            waiting += pictures
        while len(waiting) >= config.cache.batch or (waiting and sample is shard[-1]):
            answers.append(branches(waiting[: config.cache.batch]))
            del waiting[: config.cache.batch]
        yield sample
    unreadable |= broken
    if not broken or skip_unreadable:
        cache.write_shard(path, _records(asked, answers))


def _records(asked: Sequence[tuple[Sample, str]], answers: Sequence[tuple[np.ndarray, ...]]) -> Iterator[cache.Record]:
    """What the batches of views say of each photo, which has as many views as every other."""
    if not asked:
        return
    batches = [np.concatenate(kept) for kept in zip(*answers, strict=True)]
    said = [rows.reshape(len(asked), -1, rows.shape[1]) for rows in batches]
    for row, (sample, digest) in enumerate(asked):
        yield cache.Record(sample.sample_id, digest, sample.split, sample.label, *(rows[row] for rows in said))


def _is_finished(path: Place, shard, config, unreadable) -> bool:
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


def _read(sample: Sample, branches: Branches, config: RoadworkConfig) -> tuple[str, list[Picture]] | ImageError:
    """A photo's digest and its views as the branches see them."""
    try:
        pixels, digest = read_image(sample.path, config.data.max_pixels)
        views = views_of(pixels, digest, sample.split, config.views)
    except ImageError as error:
        return error
    sizes, answering = branches.sizes, branches.answering(sample.sample_id)
    return digest, [
        Picture(squash(view, sizes["image"]), crop_centre(view, sizes["yolo_image"]), answering) for view in views
    ]
