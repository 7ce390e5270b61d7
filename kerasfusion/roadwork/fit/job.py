"""`fit`: train the parts, save them, and compose the one file if the other branches' weights are at hand."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.config import to_dict
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.earlier_file import earlier_model
from kerasfusion.files.one_writer import only_writer
from kerasfusion.files.run_folder import require_folder
from kerasfusion.files.saving import save_model
from kerasfusion.roadwork.branches import yolo_keras
from kerasfusion.roadwork.branches.one_file import (
    FUSION,
    PARTS,
    BranchCheckpoints,
    describe,
    export,
    is_composed,
    refuse_other_vit,
    refuse_other_weights,
)
from kerasfusion.roadwork.branches.vit import read_checkpoint
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.head.record import read_record
from kerasfusion.roadwork.precompute import branch_cache
from kerasfusion.trackers.wandb_run import refuse_unusable


@dataclass(frozen=True)
class FitResult:
    """What `fit` left.

    Attributes:
        parts: the trained parts.
        fusion: the composed file; None if the weights of a branch were not at hand.
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
        RequestError: data, cache, weights and settings do not belong together; says which and what to run. Or a
            folder cannot be written to.
        KerasFusionError: training or saving failed, or another run is writing the folder.
    """
    refuse_unusable(config.tracking)
    folder = config.run_folder
    require_folder(folder, config.fit.pixel_cache)
    with only_writer(folder):  # which train-yolo holds too: the YOLO that is found stays the one that is composed
        manifest = branch_cache.read_manifest(config.cache.folder)
        branches, reason = find_branches(config, manifest)
        from kerasfusion.roadwork.fit.train import fit_parts

        parts = fit_parts(config, manifest, restart, report)
        model = parts.whole
        description = describe(to_dict(config), manifest) | {"outputs": list(model.output)}
        if chosen := read_record(folder):
            description["head"] = chosen
        earlier = earlier_model(folder / PARTS, model, description)
        if earlier is None:
            save_model(model, folder / PARTS, description, sample=None)
        if branches is None:
            (folder / FUSION).unlink(missing_ok=True)  # an earlier fit's, of other parts
            return FitResult(folder / PARTS, None, reason)
        if earlier is not None:
            if is_composed(folder / FUSION, earlier, description):
                report(f"fitted as asked for before: {PARTS} and {FUSION} stay as they are")
                return FitResult(folder / PARTS, folder / FUSION)
            model = earlier
        report(f"composing{_with(branches)} and comparing the file in a clean process")
        export(model, description, branches, folder / FUSION)
        return FitResult(folder / PARTS, folder / FUSION)


def _with(branches: BranchCheckpoints) -> str:
    titles = [title for title, branch in (("ViT", branches.vit), ("YOLO", branches.yolo)) if branch is not None]
    return f" with {' and '.join(titles)}" if titles else ""


def find_branches(config: RoadworkConfig, manifest: dict) -> tuple[BranchCheckpoints | None, str | None]:
    """The branches of the fusion that precompute asked, looked for before the training begins, or why one is not here.

    Raises:
        RequestError: the weights at hand are others than those that the cache was made with.
    """
    path, missing = config.yolo_weights, []
    has_yolo, vit = "yolo" in config.fusion.branches, None
    if has_yolo and path.is_file():
        refuse_other_weights("YOLO", file_sha256(path), manifest["yolo"]["sha256"], path)
    elif has_yolo:
        missing.append(f"the YOLO weights are not at {path} (fit --yolo FILE takes those of another run)")
    if "vit" in config.fusion.branches:
        try:
            vit = read_checkpoint(config.vit.weights, config.vit.class_names)
        except KerasFusionError as error:
            if Path(config.vit.weights).exists():  # there, but not what it should be
                raise
            missing.append(error.what if error.where is None else f"{error.what}: {error.where}")
        else:
            refuse_other_vit(vit, manifest["vit"]["sha256"], manifest["vit"].get("settings"))
    if missing:
        return None, "; ".join(missing)
    return BranchCheckpoints(vit, yolo_keras.read_checkpoint(path) if has_yolo else None), None
