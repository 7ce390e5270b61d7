"""One `export`: from a run folder or a model file to the file that is asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.config import load_config
from kerasfusion.errors import RequestError
from kerasfusion.roadwork import yolo_keras
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.export import FUSION, PARTS, Branches, export
from kerasfusion.roadwork.vit import read_checkpoint
from kerasfusion.saving import load_model


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        source: a run folder, `trained_parts.keras` or `fusion.keras`.
        vit: the ViT's source; None takes what the run was configured with.
        yolo: best.pt; None takes what the run was configured with.
        out: the file to write; None is beside the source.
    """

    source: Path
    vit: str | None = None
    yolo: Path | None = None
    out: Path | None = None


def run(request: Request, report: Callable[[str], None] = print) -> Path:
    """Compose, and write what is asked for.

    Returns:
        The file.

    Raises:
        RequestError: no trained parts, other weights, a wrong name.
        KerasFusionError: the file does not answer as it should.
    """
    path = request.source / PARTS if request.source.is_dir() else request.source
    out = request.out or path.with_name(FUSION)
    if out.suffix != ".keras":
        raise RequestError("the file's name must end in .keras", where=out)
    parts, description = load_model(path)
    config = load_config(RoadworkConfig, flags=description["config"])
    branches = Branches(
        vit=read_checkpoint(request.vit or config.vit.weights, config.vit.class_names),
        yolo=yolo_keras.read_checkpoint(request.yolo or config.yolo_weights),
    )
    export(parts, description, branches, out)
    return out
