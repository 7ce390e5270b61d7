"""Compose the trained parts with the ViT into the one file that is deployed."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.dataset import CLASS_NAMES
from kerasfusion.roadwork.ensemble import OUTPUTS, compose
from kerasfusion.roadwork.vit import VitCheckpoint, build_vit
from kerasfusion.run_folder import environment
from kerasfusion.saving import save_model

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
        "image_size": manifest["sizes"]["image"],
        "yolo_image_size": manifest["sizes"]["yolo_image"],
        "weights": {"yolo": manifest["yolo"]["sha256"], "vit": manifest["vit"]["sha256"]},
        "data": {split: done["listing_sha256"] for split, done in manifest["splits"].items()},
        "yolo_trained_on": manifest["yolo"]["trained_on"],
        "versions": environment()["packages"],
        "config": config,
    }


def export(parts, description: dict[str, Any], vit: VitCheckpoint, out: Path) -> None:
    """Compose the trained parts and the ViT, and save the result as one file that a clean process has answered with.

    Args:
        parts: the model that `fit` trained (`trained_parts.keras`).
        description: of the parts, as `describe` gives it.
        vit: the ViT whose probabilities the head was fitted on.
        out: the `.keras` file to write.

    Raises:
        RequestError: another ViT than the one that the branch cache was made with.
        KerasFusionError: a clean process cannot open the file or answers otherwise.
    """
    refuse_other_vit(vit, description["weights"]["vit"])
    fusion = compose(parts, build_vit(vit))
    save_model(fusion, out, description, comparison_inputs(vit.image_size))


def refuse_other_vit(vit: VitCheckpoint, expected: str) -> None:
    """Check a ViT against the digest of the one whose probabilities the head is fitted on.

    Raises:
        RequestError: they differ.
    """
    if vit.sha256 != expected:
        raise RequestError(
            f"another ViT than the one that precompute asked: sha256 {vit.sha256[:12]}..., expected {expected[:12]}...",
            where=vit.folder,
            todo="name the right ViT with --vit, or run precompute and fit again",
        )


def comparison_inputs(image_size: int) -> dict[str, np.ndarray]:
    """Three varied rows of `image` and `yolo_probs`, on which a saved file is compared with the model in memory."""
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (3, image_size, image_size, 3))
    p = rng.uniform(0, 1, (3, 1))
    return {"image": image.astype(np.float32), "yolo_probs": np.concatenate([1 - p, p], axis=1).astype(np.float32)}
