"""Which of a model's files to open, where that is left to this program: the fastest in the precision asked for."""

import warnings
from contextlib import suppress
from pathlib import Path

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.formats.measuring import measure
from kerasfusion.formats.opening import FORMATS, read_description
from kerasfusion.roadwork.export_samples import drawn_pictures


def choose_file(path: Path, precision: str) -> Path:
    """Choose among a model's file and the exports of the same model beside it.

    Each candidate answers a few pictures in a process of its own; one that this machine cannot run is left out with a
    warning. A single candidate is taken without that.

    Args:
        path: `fusion.keras` or one of its exports.
        precision: "float32", "bfloat16", "int8", or "auto" for any.

    Raises:
        RequestError: there is no such export.
        KerasFusionError: this machine runs none of them.
    """
    same = _files_of(read_description(path)["model_sha256"], path.parent)
    candidates = [other for other, its in same.items() if precision in ("auto", its)]
    if not candidates:
        raise RequestError(
            f"no {precision} export of this model beside it",
            where=path.parent,
            todo=f"kerasfusion export {path} --format openvino --precision {precision}",
        )
    return candidates[0] if len(candidates) == 1 else _fastest(candidates)


def _files_of(model_sha256: str, folder: Path) -> dict[Path, str]:
    """The files of a model in a folder, with their precisions; files of other kinds or models are passed over."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in FORMATS.values():
            with suppress(RequestError):
                said = read_description(path)
                if said.get("model_sha256") == model_sha256:
                    found[path] = said["precision"]
    return found


def _fastest(candidates: list[Path]) -> Path:
    times: dict[Path, float] = {}
    pictures = drawn_pictures(_sizes(read_description(candidates[0])), count=4)
    for path in candidates:
        try:
            times[path] = measure(path, pictures).p50_ms
        except KerasFusionError as error:
            warnings.warn(f"left out: {path}: {error.what}", stacklevel=2)
    if not times:
        raise KerasFusionError("this machine runs none of the model's files", where=candidates[0].parent)
    return min(times, key=times.get)


def _sizes(description: dict) -> dict[str, int]:
    return {"image": description["image_size"], "yolo_image": description["yolo_image_size"]}
