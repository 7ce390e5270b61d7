"""Compose the trained parts with the ViT and YOLO into the one file that is deployed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.files.earlier_file import says
from kerasfusion.files.run_folder import differences, environment
from kerasfusion.files.saving import save_model
from kerasfusion.roadwork.branches.ensemble import compose, outputs_of
from kerasfusion.roadwork.branches.features_head import VIT
from kerasfusion.roadwork.branches.vit import VitCheckpoint, build_vit
from kerasfusion.roadwork.branches.yolo_keras import YoloCheckpoint, build_yolo
from kerasfusion.roadwork.config import BRANCHES
from kerasfusion.roadwork.data.dataset import CLASS_NAMES

PARTS = "trained_parts.keras"
FUSION = "fusion.keras"
PIXELS = {
    "image": "float32 RGB 0..255; whole frame squashed to the input's size, Pillow BILINEAR (antialiased)",
    "yolo_image": "float32 RGB 0..255; shortest side to the input's size, Pillow BILINEAR (antialiased), centre crop",
}


@dataclass(frozen=True)
class BranchCheckpoints:
    """The branches that answered for the trained parts, as checkpoints; None for one that the fusion goes without."""

    vit: VitCheckpoint | None
    yolo: YoloCheckpoint | None


def describe(config: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """What `kerasfusion.json` inside the file says.

    Args:
        config: the resolved configuration, as plain mappings.
        manifest: of the branch cache that the parts were fitted on.

    Returns:
        JSON types. Of branches that `fusion.without` names there is nothing but, of the ViT, the `default_vit` whose
        answers the cache keeps.
    """
    branches = [name for name in BRANCHES if name not in config["fusion"]["without"]]
    pictures = pictures_of(branches)
    described = {
        "system": "roadwork",
        "class_names": list(CLASS_NAMES),
        "outputs": list(outputs_of(branches)),
        "pixels": {name: PIXELS[name] for name in pictures},
        **{f"{name}_size": manifest["sizes"][name] for name in pictures},
        "weights": {name: manifest[name]["sha256"] for name in ("yolo", "vit") if name in branches},
        "vit_settings": manifest["vit"].get("settings"),
        "data": {split: done["listing_sha256"] for split, done in manifest["splits"].items()},
        "yolo_trained_on": manifest["yolo"]["trained_on"],
        "versions": environment()["packages"],
        "config": config,
    }
    if "yolo" not in branches:
        del described["yolo_trained_on"]
    return described if "vit" in branches else described | {"default_vit": manifest["vit"]["sha256"]}


def pictures_of(branches: Sequence[str]) -> list[str]:
    """The picture inputs that these branches read, as in PIXELS."""
    read = {"image": {"vit", "efficientnetv2"}, "yolo_image": {"yolo"}}
    return [name for name in PIXELS if read[name] & set(branches)]


def export(parts, description: dict[str, Any], branches: BranchCheckpoints, out: Path) -> None:
    """Compose the trained parts and their branches, and save the result as one file that a clean process answered with.

    Args:
        parts: the model that `fit` trained (`trained_parts.keras`).
        description: of the parts, as `describe` gives it.
        branches: those whose probabilities the head was fitted on.
        out: the `.keras` file to write.

    Raises:
        RequestError: other weights than those that the branch cache was made with.
        KerasFusionError: a clean process cannot open the file or answers otherwise.
    """
    expected = description["weights"]
    vit = yolo = None
    if branches.vit is not None:
        refuse_other_vit(branches.vit, expected["vit"], description.get("vit_settings"))
        vit = build_vit(branches.vit, with_features=VIT in parts.input)
    if branches.yolo is not None:
        refuse_other_weights("YOLO", branches.yolo.sha256, expected["yolo"], branches.yolo.path)
        yolo = build_yolo(branches.yolo)
    fusion = compose(parts, vit, yolo)
    of_fusion = {"model_sha256": model_digest(fusion), "format": "keras", "precision": "float32"}
    save_model(fusion, out, description | _of_parts(parts) | of_fusion, comparison_inputs(fusion))


def is_composed(path: Path, parts, description: dict[str, Any]) -> bool:
    """Whether a file is there, whole, and what `export` makes of these trained parts, with nothing done to it since.

    Args:
        path: of the file.
        parts, description: as for `export`.
    """
    return says(path, description | _of_parts(parts), but=("model_sha256", "format", "precision"))


def _of_parts(parts) -> dict[str, str]:
    return {"parts_sha256": model_digest(parts)}


def refuse_other_weights(what: str, found: str, expected: str, where: Path) -> None:
    """Check a branch's weights against those whose probabilities the head is fitted on.

    Args:
        what: "ViT" or "YOLO".
        found: sha256 of the weights at hand.
        expected: sha256 of those that precompute ran with.
        where: the weights at hand.

    Raises:
        RequestError: they differ.
    """
    if found != expected:
        raise RequestError(
            f"other {what} weights than those that precompute ran with: sha256 {found[:12]}..., expected "
            f"{expected[:12]}...",
            where=where,
            todo=f"name the right weights with --{what.lower()}, or run precompute and fit again",
        )


def refuse_other_vit(vit: VitCheckpoint, sha256: str, settings: dict[str, Any] | None) -> None:
    """Check a ViT's weights, and what its config.json says, against the one that precompute ran with.

    Args:
        vit: at hand.
        sha256, settings: of the other; settings are None where an older version made the cache.

    Raises:
        RequestError: they differ; names each setting.
    """
    refuse_other_weights("ViT", vit.sha256, sha256, vit.folder)
    changed = differences(vit.settings, settings) if settings is not None else []
    if changed:
        raise RequestError(
            "the ViT's config.json describes another network than the one that precompute ran with:\n  - "
            + "\n  - ".join(changed),
            where=vit.folder / "config.json",
            todo="bring config.json back as it was, or run precompute and fit again",
        )


def model_digest(model) -> str:
    """Of a model's weights: what its exports to other formats are known by, and the one file by its trained parts."""
    digest = hashlib.sha256()
    for value in model.get_weights():
        digest.update(value.tobytes())
    return digest.hexdigest()


def comparison_inputs(model) -> dict[str, np.ndarray]:
    """Three varied rows of each input, on which a saved file is compared with the model in memory."""
    rng = np.random.default_rng(0)
    return {name: rng.uniform(0, 255, (3, *value.shape[1:])).astype(np.float32) for name, value in model.input.items()}
