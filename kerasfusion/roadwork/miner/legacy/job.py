"""One import: the older layout's two files, its YOLO and its ViT become one `fusion.keras` with the same answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.run_folder import environment
from kerasfusion.files.saving import load_network, save_model
from kerasfusion.roadwork.branches.one_file import PIXELS, comparison_inputs, model_digest
from kerasfusion.roadwork.branches.vit import VitCheckpoint, build_vit
from kerasfusion.roadwork.branches.vit import read_checkpoint as read_vit
from kerasfusion.roadwork.branches.yolo_keras import YoloCheckpoint
from kerasfusion.roadwork.branches.yolo_keras import read_checkpoint as read_yolo
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, class_order
from kerasfusion.roadwork.miner.legacy.files import LegacyFiles
from kerasfusion.roadwork.miner.legacy.graph import (
    MEAN,
    STD,
    build_legacy_yolo,
    class_index,
    compose_legacy,
    normalised,
    read_branch,
    read_head,
)

TOLERANCE = 1e-3
"""Largest difference of a probability between the one file and the files that it is made of."""
BICUBIC = (
    "float32 RGB 0..255; whole frame squashed to the input's size, Pillow BICUBIC (antialiased); inside: / 255, minus "
    f"mean {MEAN}, over std {STD}"
)


def import_legacy(files: LegacyFiles, out: Path, report: Callable[[str], None] = print) -> None:
    """Compose the one file.

    Args:
        files: as `find_files` gives them.
        out: the `.keras` file to write, as `choose_out` gives it.
        report: takes a line for the person who waits.

    Raises:
        RequestError: a file is damaged, hostile, or of another kind; or the hub cannot be reached.
        KerasFusionError: the one file answers otherwise than the two, a clean process cannot open it, or another run
            is writing it.
    """
    with only_writer_of(out):
        _compose(files, out, report)


def _compose(files: LegacyFiles, out: Path, report: Callable[[str], None]) -> None:
    vit, yolo = _read_vit(files), read_yolo(files.yolo)
    report(about_class(yolo, files.roadwork_class_index))
    branches = {
        "vit": build_vit(vit),
        "yolo": build_legacy_yolo(yolo, files.roadwork_class_index),
        files.third: read_branch(files.branch, files.third),
    }
    fusion = compose_legacy(branches, read_head(files.head, files.third))
    inputs = comparison_inputs(fusion)
    report(f"largest difference from the files that it is made of: {_difference(files, fusion, inputs):.1e}")
    report(f"composing {out} and comparing it in a clean process")
    save_model(fusion, out, _describe(files, vit, yolo, fusion), inputs)


def _read_vit(files: LegacyFiles) -> VitCheckpoint:
    try:
        return read_vit(files.vit, files.vit_classes)
    except RequestError as error:
        if files.vit_classes is None and "vit.class_names" in (error.todo or ""):  # there is no such key here
            todo = "--vit-classes None,Roadwork: the names of the network's outputs, in their order"
            raise RequestError(error.what, where=error.where, todo=todo) from error
        raise


def about_class(yolo: YoloCheckpoint, roadwork_class_index: int) -> str:
    """Which of YOLO's classes is taken, and whether its name says otherwise: a line for the person who waits."""
    index = class_index(yolo, roadwork_class_index)
    said = f"YOLO's class {index}, {yolo.names[index]!r}, is taken for roadwork"
    try:
        named = class_order(yolo.names, yolo.path)[1]
    except KerasFusionError:
        named = None
    if named is None:
        return f"{said}; its names do not tell ({', '.join(yolo.names[:5])}{'...' if len(yolo.names) > 5 else ''})"
    if named != index:
        return f"warning: {said}, as the older build did by its number; by its name it would be class {named}"
    return said


def _difference(files: LegacyFiles, fusion, inputs: dict[str, np.ndarray]) -> float:
    """Largest difference of P(roadwork) from what the two files themselves answer.

    Raises:
        KerasFusionError: above TOLERANCE.
    """
    answers = {name: np.asarray(probs)[:, 1] for name, probs in fusion(inputs, training=False).items()}
    pictures = normalised(inputs["image_bicubic"])
    third = np.asarray(load_network(files.branch)(pictures, training=False))[:, 1]
    fused = load_network(files.head)(np.stack([answers["vit"], answers["yolo"], third], axis=1), training=False)
    differences = {files.third: answers[files.third] - third, "fusion": answers["fusion"] - np.asarray(fused)[:, 1]}
    for name, difference in differences.items():
        if not np.abs(difference).max() <= TOLERANCE:
            raise KerasFusionError(
                f"the one file answers otherwise: {name} differs by {np.abs(difference).max():.2g}",
                where=files.branch if name == files.third else files.head,
                expected=f"at most {TOLERANCE}",
            )
    return float(max(np.abs(difference).max() for difference in differences.values()))


def _describe(files: LegacyFiles, vit: VitCheckpoint, yolo: YoloCheckpoint, fusion) -> dict[str, Any]:
    return {
        "system": "roadwork",
        "class_names": list(CLASS_NAMES),
        "outputs": list(fusion.output),
        "pixels": PIXELS | {"image_bicubic": BICUBIC},
        **{f"{name}_size": value.shape[1] for name, value in fusion.input.items()},
        "weights": {
            "yolo": yolo.sha256,
            "vit": vit.sha256,
            files.third: file_sha256(files.branch),
            "fusion_head": file_sha256(files.head),
        },
        "imported_from": {"layout": "two files", "files": [files.branch.name, files.head.name]},
        "yolo_class": class_index(yolo, files.roadwork_class_index),
        "versions": environment()["packages"],
        "model_sha256": model_digest(fusion),
        "format": "keras",
        "precision": "float32",
    }
