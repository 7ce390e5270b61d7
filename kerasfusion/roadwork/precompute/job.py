"""Ask YOLO and the ViT about every photo once, and keep their answers in the branch cache."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from importlib.metadata import PackageNotFoundError

from kerasfusion.address import Address, Place
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.run_folder import require_folder
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track
from kerasfusion.roadwork.branches.vit import read_checkpoint
from kerasfusion.roadwork.cluster.ray_library import LOCAL, refuse_other_address
from kerasfusion.roadwork.config import RoadworkConfig, with_absolute_paths
from kerasfusion.roadwork.data.dataset import SPLITS, refuse_no_photos, scan
from kerasfusion.roadwork.precompute import branch_cache as cache
from kerasfusion.roadwork.precompute.answering import Branches
from kerasfusion.roadwork.precompute.fold_classifiers import find_fold_classifiers
from kerasfusion.roadwork.precompute.manifest import check_listing, find_manifest, keeps_features
from kerasfusion.roadwork.precompute.on_cluster import FillsOnCluster
from kerasfusion.roadwork.precompute.seen_by_yolo import refuse_held_out_photos, refuse_held_out_records
from kerasfusion.roadwork.precompute.shards import FillsHere, plan_shards


def precompute(
    config: RoadworkConfig, splits: Sequence[str] = SPLITS, skip_unreadable: bool = False, on: str = LOCAL
) -> dict:
    """Fill the branch cache with the given splits; what an earlier run has finished is kept.

    Args:
        config: data, weights, and where the cache is.
        splits: the splits to work through; one without photos is passed over if another has some.
        skip_unreadable: leave unreadable photos out and list them in the manifest, instead of failing.
        on: "local" fills shards in this process; "auto" or ray://HOST:PORT on the machines of a Ray cluster.

    Returns:
        The manifest.

    Raises:
        RequestError: missing data or weights, no photos in any of the splits, a YOLO that has learned from held-out
            photos, or a cache folder that was made of others, holds shards without a manifest, or cannot be written to;
            a cluster that does not answer, or with a machine that is unfit for the work.
        KerasFusionError: unreadable photos (the shards without them are done and kept), another run at work, or no
            machine left.
    """
    refuse_other_address(on)
    if on != LOCAL:
        config = with_absolute_paths(config)
    require_folder(config.cache.folder)
    cache.refuse_unknown_shards(config.cache.folder)
    samples = scan(config.data.root)
    refuse_no_photos(samples, splits, config.data.root)
    checkpoint = read_checkpoint(config.vit.weights, config.vit.class_names)
    folds = find_fold_classifiers(config, samples)
    refuse_held_out_photos(config, samples, splits, on)
    folder = config.cache.folder
    with ExitStack() as stack:
        begun = (folder / cache.MANIFEST).exists()
        if begun or on != LOCAL:  # a cluster's machines are to see the folder
            stack.enter_context(_turn(folder))
        if begun:  # refused before anything is loaded
            with suppress(FileNotFoundError, PackageNotFoundError):  # loading says better what is missing
                find_manifest(config, checkpoint, cache.read_manifest(folder)["sizes"]["yolo_image"], folds)
        filler = stack.enter_context(_open(on, config, samples, checkpoint, folds))
        if not begun and on == LOCAL:  # only now: a request that is refused leaves no folder
            stack.enter_context(_turn(folder))
        manifest = find_manifest(config, checkpoint, filler.sizes["yolo_image"], folds)
        cache.remove_leftovers(folder)
        cache.write_manifest(folder, manifest)
        unreadable: dict[str, str] = {}
        for split in splits:
            chosen = [sample for sample in samples if sample.split == split]
            if chosen:
                unreadable |= _fill_split(config, manifest, split, chosen, filler, skip_unreadable, on)
        if unreadable and not skip_unreadable:
            raise _unreadable_error(unreadable)
        return manifest


def _turn(folder: Place) -> AbstractContextManager:
    """One run at a time writes to a folder. An address has no lock: two runs write the same shards, each whole."""
    return nullcontext() if isinstance(folder, Address) else only_writer(folder, "cache")


def _open(on: str, config: RoadworkConfig, samples, checkpoint, folds) -> FillsHere | FillsOnCluster:
    with_features = keeps_features(config)
    if on == LOCAL:
        return FillsHere(Branches(config, checkpoint, folds, with_features), config)
    return FillsOnCluster(on, config, samples, checkpoint, folds, with_features)


def _fill_split(config, manifest, split, samples, filler, skip_unreadable, on) -> dict[str, str]:
    """Work through a split; returns {sample_id: reason} of its unreadable photos."""
    folder = config.cache.folder
    listing = check_listing(config, manifest, split, samples)
    manifest["splits"][split] = {"complete": False, "samples": len(samples), "listing_sha256": listing}
    cache.write_manifest(folder, manifest)
    unreadable: dict[str, str] = {}
    shards = plan_shards(config, split, samples)
    paths = [path for path, _ in shards]
    work = filler.fill(shards, skip_unreadable, unreadable)
    for _ in track(work, f"precompute {split}", total=len(samples)):
        pass
    if unreadable and not skip_unreadable:
        return unreadable
    refuse_held_out_records(config, split, paths, on)
    manifest["splits"][split] |= {
        "complete": True,
        "skipped": [{"sample_id": name, "reason": reason} for name, reason in sorted(unreadable.items())],
        "shards": [
            {"file": path.name, "sha256": digest}
            for path, digest in zip(paths, ordered_map(file_sha256, paths), strict=True)
        ],
    }
    cache.write_manifest(folder, manifest)
    return unreadable


def _unreadable_error(unreadable: dict[str, str]) -> KerasFusionError:
    shown = [f"{name}: {reason}" for name, reason in sorted(unreadable.items())[:20]]
    more = [f"and {len(unreadable) - 20} more"] if len(unreadable) > 20 else []
    return KerasFusionError(
        f"{len(unreadable)} unreadable photo(s); the shards without them are done and kept:\n  - "
        + "\n  - ".join(shown + more),
        todo="mend these files and run precompute again, or leave them out with --skip-unreadable",
    )
