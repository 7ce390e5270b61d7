"""One `export`: from a run folder or a model file to the file that is asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.run_folder import require_folder
from kerasfusion.files.saving import load_model, read_description
from kerasfusion.formats.converting import (
    Exported,
    Target,
    choose_name,
    convert,
    refuse_missing_precision,
    refuse_wrong_name,
)
from kerasfusion.formats.opening import FORMATS
from kerasfusion.roadwork.branches import yolo_keras
from kerasfusion.roadwork.branches.ensemble import HEADS
from kerasfusion.roadwork.branches.one_file import FUSION, PARTS, BranchCheckpoints, export
from kerasfusion.roadwork.branches.vit import read_checkpoint
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.detect.sample_pictures import choose_photos, drawn_pictures, photo_pictures
from kerasfusion.roadwork.export.check import compare


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        source: a run folder, `trained_parts.keras` or `fusion.keras`.
        vit: the ViT's source; None takes what the run was configured with.
        yolo: best.pt; None takes what the run was configured with.
        format: one of formats.opening.FORMATS.
        precision: "float32", "bfloat16" or "int8".
        samples: folder of photos on which an export is checked; None takes the validation photos that
            the run was configured with, or drawn scenes where these are not here.
        out: the file to write; None is beside the source.
    """

    source: Path
    vit: str | None = None
    yolo: Path | None = None
    format: str = "keras"
    precision: str = "float32"
    samples: Path | None = None
    out: Path | None = None


def run(request: Request, report: Callable[[str], None] = print) -> Exported:
    """Compose the one file, or write it in another format or precision.

    Args:
        request: what is asked for.
        report: takes a line for the person who waits.

    Raises:
        RequestError: no trained parts, other weights, a format without this precision, a wrong name.
        KerasFusionError: the file does not answer as it should and is not kept, or another run is writing it.
    """
    refuse_missing_precision(request.format, request.precision)
    path = _source_file(request)
    with only_writer_of(*_written(request, path)):
        return _run(request, path, report)


def _written(request: Request, path: Path) -> list[Path]:
    """The files that may be written."""
    composed = path.with_name(FUSION)
    if not _is_conversion(request):
        return [request.out or composed]
    is_composed = "model_sha256" in read_description(path)
    source = path if is_composed else composed
    out = choose_name(source, request.format, request.precision, request.out)
    return [out] if is_composed else [composed, out]


def _run(request: Request, path: Path, report: Callable[[str], None]) -> Exported:
    model, description = load_model(path)
    if "model_sha256" not in description:
        composed = request.out if not _is_conversion(request) and request.out else path.with_name(FUSION)
        refuse_wrong_name(composed, ".keras")
        report(f"composing {composed} and comparing it in a clean process")
        export(model, description, _find_branches(request, description), composed)
        if not _is_conversion(request):
            return Exported(composed, [])
        path, (model, description) = composed, load_model(composed)
    out = choose_name(path, request.format, request.precision, request.out)
    pictures = _pictures(model, description, request, report)
    report(f"writing {out} and comparing it with {path} on {len(next(iter(pictures.values())))} pictures")
    target = Target(out, request.format, request.precision, HEADS)
    return convert(path, model, description, target, pictures, compare)


def refuse_source(request: Request) -> None:
    """Check, without loading TensorFlow, that there is a model to export and that its place can be written to.

    Raises:
        RequestError: otherwise.
    """
    path = _source_file(request)
    read_description(path)
    if request.out is not None:
        refuse_wrong_name(request.out, FORMATS[request.format])
    require_folder((request.out or path).parent)


def _source_file(request: Request) -> Path:
    path = request.source
    if not path.is_dir():
        return path
    composed = path / FUSION
    return composed if composed.is_file() and _is_conversion(request) else path / PARTS


def _pictures(model, description: dict, request: Request, report) -> dict[str, np.ndarray]:
    sizes = {name: value.shape[1] for name, value in model.input.items()}
    folder = request.samples or _validation_photos(description)
    if folder is None:
        report("checking on drawn scenes; photos are better: --samples FOLDER")
        return drawn_pictures(sizes)
    photos = choose_photos(folder)
    report(f"checking on {len(photos)} photos of {folder}")
    return photo_pictures(photos, sizes, report)


def _validation_photos(description: dict) -> Path | None:
    """The photos that the run was configured with, if they are here; an imported model knows of none."""
    if "config" not in description:
        return None
    folder = Path(description["config"]["data"]["root"], "val")
    return folder if folder.is_dir() else None


def _find_branches(request: Request, description: dict) -> BranchCheckpoints:
    config = load_config(RoadworkConfig, flags=description["config"])
    has = config.fusion.branches
    for flag, name in (("--vit", "vit"), ("--yolo", "yolo")):
        if getattr(request, name) is not None and name not in has:
            raise RequestError(
                f"these parts were trained without {name}", where=flag, todo=f"leave {flag} away, or fit again with it"
            )
    return BranchCheckpoints(
        vit=read_checkpoint(request.vit or config.vit.weights, config.vit.class_names) if "vit" in has else None,
        yolo=yolo_keras.read_checkpoint(request.yolo or config.yolo_weights) if "yolo" in has else None,
    )


def _is_conversion(request: Request) -> bool:
    return (request.format, request.precision) != ("keras", "float32")
