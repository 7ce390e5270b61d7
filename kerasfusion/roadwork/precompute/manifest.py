"""What a branch cache was made of: its manifest, begun anew or held against the request."""

from collections.abc import Sequence
from importlib.metadata import version

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.run_folder import differences
from kerasfusion.roadwork.branches.vit import VitCheckpoint
from kerasfusion.roadwork.challenge.views import describe_views, views_in_words
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample, listing_sha256
from kerasfusion.roadwork.precompute import branch_cache as cache
from kerasfusion.roadwork.precompute.fold_classifiers import (
    FoldClassifiers,
    refuse_other_classifiers,
    refuse_other_folds,
)
from kerasfusion.roadwork.precompute.seen_by_yolo import yolo_record

FEATURES = "float16"
"""How the ViT's features are kept: 2 bytes a number."""


def find_manifest(
    config: RoadworkConfig, checkpoint: VitCheckpoint, yolo_image_size: int, folds: FoldClassifiers | None
) -> dict:
    """The manifest of the cache folder, or what a new one says.

    Args:
        config: everything.
        checkpoint: the ViT's.
        yolo_image_size: side of YOLO's crops, pixels.
        folds: as `find_fold_classifiers` gives them.

    Raises:
        RequestError: it is of other settings; names each that differs.
    """
    folder, identity = config.cache.folder, _identity(config, checkpoint, yolo_image_size)
    if not (folder / cache.MANIFEST).exists():
        return {**identity, **({"folds": folds.describe()} if folds else {}), "splits": {}}
    manifest = cache.read_manifest(folder)
    refuse_other_views(config, manifest)
    refuse_other_folds(config, manifest)
    if folds is not None:
        refuse_other_classifiers(config, folds, manifest["folds"])
    refuse_missing_features(config, manifest)
    if "settings" not in manifest["vit"]:  # an older version's: what config.json said then is not known
        del identity["vit"]["settings"]
    compared = {key: value for key, value in manifest.items() if key not in ("splits", "folds")}
    changed = differences(identity, compared)
    if changed:
        raise RequestError(
            "the cache folder was made with other settings:\n  - " + "\n  - ".join(changed),
            where=folder,
            todo="name a new folder with --cache (or cache.folder), or delete this one",
        )
    return manifest


def _identity(config: RoadworkConfig, checkpoint: VitCheckpoint, yolo_image_size: int) -> dict:
    """What the answers of a cache follow from: weights, how pixels are made, views, versions."""
    yolo = yolo_record(config.yolo_weights)
    return {
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
        "yolo": {
            "sha256": file_sha256(config.yolo_weights),
            "trained_on": yolo.get("train"),
            **({"train_sha256": yolo["train_sha256"]} if "train_sha256" in yolo else {}),
        },
        "vit": {
            "sha256": checkpoint.sha256,
            "settings": checkpoint.settings,
            "output_order": list(checkpoint.order),
            "precision": config.cache.precision,
            **({"features": FEATURES} if keeps_features(config) else {}),
        },
        "versions": {name: version(name) for name in ("ultralytics", "keras-hub", "pillow")},
        **describe_views(config.views),
    }


def keeps_features(config: RoadworkConfig) -> bool:
    """Whether precompute keeps what the ViT's classifier sees: as the cache was begun, or as it is asked for."""
    begun = (config.cache.folder / cache.MANIFEST).exists()
    return "features" in cache.read_manifest(config.cache.folder)["vit"] if begun else config.keeps_vit_features


def refuse_missing_features(config: RoadworkConfig, manifest: dict) -> None:
    """Check that a cache holds the ViT's features where the configuration asks for them.

    Raises:
        RequestError: it does not.
    """
    if config.keeps_vit_features and "features" not in manifest["vit"]:
        raise RequestError(
            "the branch cache holds the ViT's probabilities alone, and the configuration asks for its features too",
            where=config.cache.folder,
            todo="kerasfusion precompute into a new folder (--cache), or go without: --set cache.vit_features=false "
            "--set fusion.head=linear --set fusion.vit_adapted=false",
        )


def refuse_other_views(config: RoadworkConfig, manifest: dict) -> None:
    """Check that a cache holds the views that the configuration names.

    Raises:
        RequestError: it holds others.
    """
    expected, found = describe_views(config.views), {"views": manifest["views"]} if "views" in manifest else {}
    if found == expected:
        return
    raise RequestError(
        f"the branch cache holds {views_in_words(found)}, and the configuration asks for {views_in_words(expected)}",
        where=config.cache.folder,
        todo=f"kerasfusion precompute into a new folder (--cache), or take the cache's: {_settings_for(found)}",
    )


def _settings_for(found: dict) -> str:
    """The `--set` options under which a cache's views are those of the configuration."""
    if not found:
        return "--set views.count=0"
    return f"--set views.count={found['views']['count']} --set views.layout={found['views']['layout']}"


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
