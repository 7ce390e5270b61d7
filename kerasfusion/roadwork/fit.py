"""`fit`: train the parts, save them, and compose the one file if the ViT's weights are at hand."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.config import to_dict
from kerasfusion.digests import file_sha256
from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork import prediction_cache
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.ensemble import build_trained_parts
from kerasfusion.roadwork.export import FUSION, PARTS, describe, export, refuse_other_vit
from kerasfusion.roadwork.vit import VitCheckpoint, read_checkpoint
from kerasfusion.run_folder import describe_run
from kerasfusion.saving import save_model


@dataclass(frozen=True)
class FitResult:
    """What `fit` left.

    Attributes:
        parts: the trained parts.
        fusion: the composed file; None if the ViT was not at hand.
        reason: why there is none.
    """

    parts: Path
    fusion: Path | None
    reason: str | None = None


def fit(config: RoadworkConfig, restart: bool = False, report: Callable[[str], None] = print) -> FitResult:
    """Train or go on, save, compose.

    Args:
        config: everything.
        restart: forget an earlier run in the folder.
        report: takes a line for the person who waits.

    Raises:
        RequestError: data, cache, weights and settings do not belong together; says which and what to run.
        KerasFusionError: training or saving failed.
    """
    folder = config.run_folder
    manifest = prediction_cache.read_manifest(config.cache.folder)
    refuse_other_weights(config, manifest)
    checkpoint, reason = _find_vit(config, manifest)
    if restart:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    describe_run(folder, config)
    from kerasfusion.roadwork.train import fit_parts

    parts = fit_parts(config, manifest)
    model = build_trained_parts(parts.trunk, parts.classifier, parts.head)
    description = describe(to_dict(config), manifest)
    save_model(model, folder / PARTS, description, sample=None)
    if checkpoint is None:
        (folder / FUSION).unlink(missing_ok=True)  # an earlier fit's, of other parts
        return FitResult(folder / PARTS, None, reason)
    report("composing with the ViT and comparing the file in a clean process")
    export(model, description, checkpoint, folder / FUSION)
    return FitResult(folder / PARTS, folder / FUSION)


def refuse_other_weights(config: RoadworkConfig, manifest: dict) -> None:
    """Check that the YOLO weights that are here, if any, are those that the cache was made with.

    Raises:
        RequestError: they differ.
    """
    if config.yolo_weights.is_file() and file_sha256(config.yolo_weights) != manifest["yolo"]["sha256"]:
        raise RequestError(
            "cache and YOLO weights differ: the cache was made with other weights (yolo.sha256)",
            where=f"{config.cache.folder} and {config.yolo_weights}",
            todo="run precompute with these weights into a new cache.folder, or set yolo.weights to the right best.pt",
        )


def _find_vit(config: RoadworkConfig, manifest: dict) -> tuple[VitCheckpoint | None, str | None]:
    """The ViT that precompute asked, looked for before the training begins, or why it is not here."""
    try:
        checkpoint = read_checkpoint(config.vit.weights, config.vit.class_names)
    except KerasFusionError as error:
        if Path(config.vit.weights).exists():  # there, but not what it should be
            raise
        return None, error.what
    refuse_other_vit(checkpoint, manifest["vit"]["sha256"])
    return checkpoint, None
