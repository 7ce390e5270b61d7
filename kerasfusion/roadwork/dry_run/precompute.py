"""`precompute --dry-run`: what it would take, from some shards' worth of photos in a folder that is deleted."""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.address import file_size
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.run_folder import require_folder
from kerasfusion.machine.probe import Estimate, Stage, duration, process_seconds, spread, timed
from kerasfusion.machine.stage_clock import peak_memory_mb, resident_memory_mb
from kerasfusion.progress import silent
from kerasfusion.roadwork.branches.vit import read_checkpoint
from kerasfusion.roadwork.challenge.views import view_count
from kerasfusion.roadwork.cluster.ray_library import LOCAL, Node, refuse_other_address
from kerasfusion.roadwork.config import RoadworkConfig, with_absolute_paths
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, SPLITS, Sample, refuse_no_photos, scan
from kerasfusion.roadwork.precompute.answering import Branches
from kerasfusion.roadwork.precompute.branch_cache import refuse_unknown_shards
from kerasfusion.roadwork.precompute.fold_classifiers import find_fold_classifiers
from kerasfusion.roadwork.precompute.manifest import check_listing, find_manifest, keeps_features
from kerasfusion.roadwork.precompute.on_cluster import find_machines
from kerasfusion.roadwork.precompute.seen_by_yolo import refuse_held_out_photos
from kerasfusion.roadwork.precompute.shards import fill_shard, plan_shards

TRIAL_SECONDS = 6.0
READ_AHEAD = 32
"""Photos that are decoded before the first batch is answered, and so cost less than the others."""


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Attributes:
        load: seconds until both branches are ready.
        first: seconds that the first photos took longer than others: the graph is made, the first photos are read.
        view: seconds a view, with its share of the photo.
        views: how many were worked.
        view_bytes: of the cache, a view.
        memory: of this process and YOLO's, bytes.
        parameters: of the ViT.
        features: numbers that its classifier sees of a view.
    """

    load: float
    first: float
    view: float
    views: int
    view_bytes: float
    memory: int
    parameters: int
    features: int


def estimate_precompute(
    config: RoadworkConfig, splits: Sequence[str] = SPLITS, skip_unreadable: bool = False, on: str = LOCAL
) -> Estimate:
    """Check what `precompute` checks, and measure what it would take. Nothing is written but to a temporary folder.

    Args:
        config, splits, skip_unreadable, on: as for `precompute`; of a cluster the machines are checked, and the trial
            is one of this machine.

    Raises:
        RequestError: as `precompute`.
        KerasFusionError: a photo of the trial is unreadable, unless such are to be left out.
    """
    start_up = process_seconds()
    begin = time.perf_counter()
    refuse_other_address(on)
    if on != LOCAL:
        config = with_absolute_paths(config)
    require_folder(config.cache.folder)
    refuse_unknown_shards(config.cache.folder)
    found = scan(config.data.root)
    refuse_no_photos(found, splits, config.data.root)
    samples = [sample for sample in found if sample.split in splits]
    machines = find_machines(on, config, samples) if on != LOCAL else []
    checkpoint = read_checkpoint(config.vit.weights, config.vit.class_names)
    folds = find_fold_classifiers(config, found)
    refuse_held_out_photos(config, found, splits, on)
    kept = keeps_features(config)
    branches, load = timed(lambda: Branches(config, checkpoint, folds, kept))
    with branches:
        manifest = find_manifest(config, checkpoint, branches.sizes["yolo_image"], folds)
        left = {split: _left(config, manifest, split, samples) for split in splits}
        trial = _try_out(config, branches, _tried(samples, left), load, skip_unreadable)
    count = sum(photos * view_count(config.views, split) for split, photos in left.items())
    stages = [
        Stage("start", 1, "process", start_up),
        Stage("load ViT and YOLO", 1, "run", trial.load),
        Stage("ask both", count, "views", trial.view, trial.first if count else 0.0),
    ]
    return Estimate(
        "precompute",
        _facts(config, samples, left, trial)
        | {"vit_features": {"kept": kept, "bytes_a_view": 2 * trial.features, "bytes": 2 * trial.features * count}}
        | (_by_machines(machines, stages) if machines else {}),
        stages,
        {str(config.cache.folder): round(count * trial.view_bytes)},
        trial.memory,
        f"{trial.views} views in batches of {config.cache.batch}",
        time.perf_counter() - begin,
    )


def _by_machines(machines: Sequence[Node], stages: Sequence[Stage]) -> dict[str, object]:
    """What so many machines would take: each starts and loads, and they share what is asked."""
    asking = stages[-1]
    once = sum(stage.seconds for stage in stages[:-1]) + asking.seconds_once
    took = {count: once + asking.count * asking.seconds_each / count for count in sorted({1, 2, len(machines), 10})}
    return {
        "machines": {node.name: f"processors: {node.cpus}" for node in machines},
        "if_all_are_like_this_one": {f"with_{count}": duration(seconds) for count, seconds in took.items()},
    }


def _left(config: RoadworkConfig, manifest: dict, split: str, samples: Sequence[Sample]) -> int:
    """Photos of a split in shards that are not there yet."""
    chosen = [sample for sample in samples if sample.split == split]
    if not chosen:
        return 0
    check_listing(config, manifest, split, chosen)
    return sum(len(part) for path, part in plan_shards(config, split, chosen) if not path.exists())


def _tried(samples: Sequence[Sample], left: dict[str, int]) -> list[Sample]:
    """Photos of one split, which have equally many views: of that with the most to do."""
    split = max(left, key=lambda name: (left[name], sum(sample.split == name for sample in samples)))
    return [sample for sample in samples if sample.split == split]


def _try_out(config: RoadworkConfig, branches: Branches, samples, load: float, skip_unreadable: bool) -> Trial:
    chosen = spread(samples, 1024)
    views = view_count(config.views, chosen[0].split)
    unreadable: dict[str, str] = {}
    stamps = [time.perf_counter()]
    with tempfile.TemporaryDirectory() as folder, silent():
        path = Path(folder, "trial.tfrecord")
        work = fill_shard(path, chosen, branches, config, True, unreadable)
        for _ in work:
            stamps.append(time.perf_counter())
            if stamps[-1] - stamps[1] > TRIAL_SECONDS and len(stamps) > 3 * config.cache.batch:
                break
        work.close()
        few = chosen[: config.cache.batch]
        for _ in fill_shard(path.with_name("few.tfrecord"), few, branches, config, True, unreadable):
            pass
        size = path.with_name("few.tfrecord").stat().st_size / (len(few) * views)
        memory = peak_memory_mb() + resident_memory_mb(children_only=True)
    if unreadable and not skip_unreadable:
        raise KerasFusionError(
            f"unreadable photos: {', '.join(sorted(unreadable)[:3])}",
            where=config.data.root,
            todo="kerasfusion data check lists all of them; or leave them out with --skip-unreadable",
        )
    photo, first = _pace(stamps, config.cache.batch // math.gcd(config.cache.batch, views))
    memory_bytes = round(memory * 2**20)
    asked = (len(stamps) - 1) * views
    return Trial(load, first, photo / views, asked, size, memory_bytes, branches.parameters, branches.features)


def _pace(stamps: Sequence[float], batch: int) -> tuple[float, float]:
    """(seconds a photo, what the first photos took longer), from the times at which photos were worked.

    Args:
        stamps: a time a photo, after that of the beginning.
        batch: the fewest photos whose views are whole batches.
    """
    ends = stamps[::batch]  # the last photo of a batch waits for its answers
    begin = min(1 + -(-READ_AHEAD // batch), (len(ends) - 1) // 2)
    if len(ends) - 1 - begin < 1:
        return (stamps[-1] - stamps[0]) / (len(stamps) - 1), 0.0
    photo = (ends[-1] - ends[begin]) / ((len(ends) - 1 - begin) * batch)
    return photo, max(0.0, ends[begin] - ends[0] - begin * batch * photo)


def _facts(config: RoadworkConfig, samples: Sequence[Sample], left: dict[str, int], trial: Trial) -> dict[str, object]:
    facts: dict[str, object] = {}
    for split in left:
        chosen = [sample for sample in samples if sample.split == split]
        counts = {name: sum(sample.label == label for sample in chosen) for label, name in enumerate(CLASS_NAMES)}
        size = sum(file_size(sample.path) for sample in chosen)
        facts[split] = {
            "photos": len(chosen),
            **counts,
            "views_a_photo": view_count(config.views, split),
            "bytes": size,
            "in_the_cache": len(chosen) - left[split],
        }
    return facts | {
        "vit": {"parameters": trial.parameters, "trained": 0},
        "batch": config.cache.batch,
        "cache": str(config.cache.folder),
    }
