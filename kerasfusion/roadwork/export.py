"""Compose the trained parts with the ViT into the one file that is deployed."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.dataset import CLASS_NAMES
from kerasfusion.roadwork.ensemble import OUTPUTS, compose
from kerasfusion.roadwork.vit import build_vit, read_checkpoint
from kerasfusion.run_folder import environment
from kerasfusion.saving import load_model, save_model

PARTS = "trained_parts.keras"
FUSION = "fusion.keras"
PIXELS = {
    "image": "float32 RGB 0..255; whole frame squashed to the input's size, Pillow BILINEAR (antialiased)",
    "yolo_image": "uint8 RGB; shortest side to yolo_image_size, Pillow BILINEAR, centre crop; what YOLO is given",
    "yolo_probs": "float32; YOLO's probabilities in the order of class_names",
}


def describe(config: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """What `kerasfusion.json` inside the file says.

    Args:
        config: the resolved configuration, as plain mappings.
        manifest: of the branch cache that the parts were fitted on.
    """
    return {
        "system": "roadwork",
        "class_names": list(CLASS_NAMES),
        "outputs": list(OUTPUTS),
        "pixels": PIXELS,
        "yolo_image_size": manifest["sizes"]["yolo_image"],
        "weights": {"yolo": manifest["yolo"]["sha256"], "vit": manifest["vit"]["sha256"]},
        "data": {split: done["listing_sha256"] for split, done in manifest["splits"].items()},
        "yolo_trained_on": manifest["yolo"]["trained_on"],
        "versions": environment()["packages"],
        "config": config,
    }


def export(parts_path: Path, vit_source: str, out: Path, class_names: tuple[str, ...] | None = None) -> None:
    """Read the trained parts and the ViT, compose them, and save the result as one verified file.

    Args:
        parts_path: the `trained_parts.keras` that `fit` left.
        vit_source: hf://owner/name, a Hugging Face ViT folder, or a keras-hub preset.
        out: the `.keras` file to write.
        class_names: as `read_checkpoint` takes them.

    Raises:
        RequestError: a missing file, or a ViT other than the one that the branch cache was made with.
        KerasFusionError: a clean process cannot open the file or answers otherwise.
    """
    parts, description = load_model(parts_path)
    checkpoint = read_checkpoint(vit_source, class_names)
    expected = description["weights"]["vit"]
    if checkpoint.sha256 != expected:
        raise RequestError(
            f"another ViT than the one that precompute asked: sha256 {checkpoint.sha256[:12]}..., expected "
            f"{expected[:12]}...",
            where=checkpoint.folder,
            todo="name the right ViT with --vit, or run precompute and fit again",
        )
    fusion = compose(parts, build_vit(checkpoint))
    save_model(fusion, out, description, comparison_inputs(checkpoint.image_size, ("image", "yolo_probs")))


def comparison_inputs(image_size: int, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Three batches rows of varied inputs, on which a saved file is compared with the model in memory."""
    rng = np.random.default_rng(0)
    columns = {"image": rng.uniform(0, 255, (3, image_size, image_size, 3))}
    for name in names[1:]:
        p = rng.uniform(0, 1, (3, 1))
        columns[name] = np.concatenate([1 - p, p], axis=1)
    return {name: columns[name].astype(np.float32) for name in names}
