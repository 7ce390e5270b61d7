"""Which weights are on this machine, and where to put those that are not. Nothing is downloaded."""

import os
import re
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.machine.findings import MISSING, OK, WARNING, Finding
from kerasfusion.roadwork.branches.vit import HUB, weights_files
from kerasfusion.roadwork.config import RoadworkConfig

IMAGENET = "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2"
YOLO = "https://github.com/ultralytics/assets/releases"


def check_weights(config: RoadworkConfig, online: bool) -> list[Finding]:
    """ViT, EfficientNetV2, what YOLO starts from, and the trained YOLO.

    Args:
        config: names them.
        online: whether the hub can be reached: what is not here is then fetched when it is needed.
    """
    trained = config.yolo_weights
    return [
        check_vit(config.vit.weights, online),
        check_efficientnetv2(config, online),
        _check_yolo_start(config.yolo.model, online),
        Finding("trained YOLO", OK, _known(trained) if trained.is_file() else f"not yet: {trained}"),
    ]


def check_vit(source: str, online: bool) -> Finding:
    """The ViT's folder, or its copy in the hub's cache."""
    try:
        folder = find_in_hub_cache(source) if source.startswith(HUB) else Path(source)
        weights = [] if folder is None else weights_files(folder)
    except RequestError as error:
        return Finding("ViT", MISSING, f"{error.what}: {error.where}", error.todo)
    if weights and (folder / "config.json").is_file():
        return Finding("ViT", OK, "; ".join(map(_known, weights)))
    todo = "put config.json, preprocessor_config.json and model.safetensors into a folder and set vit.weights to it"
    if not source.startswith(HUB):
        return Finding("ViT", MISSING, f"no checkpoint in {source}", todo)
    if online:
        return Finding("ViT", WARNING, f"{source} is not here yet, and is fetched when it is needed", todo)
    return Finding("ViT", MISSING, f"{source} is not in the hub's cache, and the hub cannot be reached", todo)


def find_in_hub_cache(source: str) -> Path | None:
    """The newest snapshot of "hf://owner/name[@revision]" with weights in the hub's cache."""
    name, _, revision = source.removeprefix(HUB).partition("@")
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser() / f"models--{name.replace('/', '--')}"
    reference = cache / "refs" / (revision or "main")
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
    folder = cache / "snapshots" / commit if commit else None
    return folder if folder is not None and weights_files(folder) else None


def check_efficientnetv2(config: RoadworkConfig, online: bool) -> Finding:
    """The ImageNet file of the configured variant, or the file that is named."""
    about, weights = "EfficientNetV2", config.efficientnetv2.weights
    if weights is None:
        return Finding(about, OK, "starts from random weights, as configured")
    if weights != "imagenet":
        path = Path(weights)
        return (
            Finding(about, OK, _known(path))
            if path.is_file()
            else Finding(about, MISSING, f"{path} does not exist", "set efficientnetv2.weights")
        )
    name = f"efficientnetv2-{config.efficientnetv2.variant}_notop.h5"
    path = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / name
    if path.is_file():
        return Finding(about, OK, _known(path))
    todo = f"fetch {IMAGENET}/{name} into {path.parent}, or set efficientnetv2.weights to its path"
    if online:
        return Finding(about, WARNING, f"{name} is not here yet, and is fetched when it is needed", todo)
    return Finding(about, MISSING, f"{path} does not exist, and there is no network", todo)


def _check_yolo_start(model: str, online: bool) -> Finding:
    about, path = "YOLO to start from", Path(model)
    if path.suffix.lower() in (".yaml", ".yml"):
        return Finding(about, OK, f"{model}: random weights, as configured")
    if path.is_file():
        return Finding(about, OK, _known(path))
    todo = f"put {path.name} there (from {YOLO}), or set yolo.model; yolo11n-cls.yaml starts from random weights"
    if online:
        return Finding(about, WARNING, f"{path.absolute()} is not here yet, and is fetched when it is needed", todo)
    return Finding(about, MISSING, f"{path.absolute()} does not exist, and there is no network", todo)


def _known(path: Path) -> str:
    # The hub's cache names a large file by its digest; others are read.
    target = path.resolve().name
    digest = target if re.fullmatch(r"[0-9a-f]{64}", target) else file_sha256(path)
    return f"{path} ({path.stat().st_size / 1e6:.1f} MB, sha256 {digest[:12]}...)"
