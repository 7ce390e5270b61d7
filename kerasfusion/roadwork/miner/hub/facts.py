"""What a model card says of data and limits: only what the model's file and its evaluation tell."""

from collections.abc import Mapping, Sequence
from typing import Any

from kerasfusion.address import place
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.digests import lines_sha256
from kerasfusion.roadwork.calibrate.text import has_effect
from kerasfusion.roadwork.cascade.record import read_cascade
from kerasfusion.roadwork.config import DEFAULT_VIT, is_default_vit
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, scan
from kerasfusion.roadwork.miner.hub.evidence import SPLIT, Evidence

WIDE = 0.1
"""Width of the accuracy's interval from which a card says that the photos were few."""


def data_rows(description: dict[str, Any], evidence: Evidence) -> list[dict[str, object]]:
    """A row for each split: its use, its photos of each class where these are at hand, and its digest."""
    return [
        {"split": f"{split}/", "photos": _count(description, split, digest, evidence), "digest": f"`{digest}`"}
        for split, digest in description.get("data", {}).items()
    ]


def limits(description: dict[str, Any], evidence: Evidence) -> list[str]:
    """What a reader has to know before taking the numbers for more than they are."""
    config = description.get("config", {})
    lines = ["Validators round at 0.5: an answer of exactly 0.5 counts as no roadwork."]
    lines += _calibration_limits(description.get("calibration"))
    lines += _cascade_limits(description)
    if evidence.missing is None:
        lines += _measured_limits(evidence.outputs["fusion"], evidence.record)
    too_good = "its own numbers and the fusion's" if "vit" in description["outputs"] else "its own numbers"
    lines += [
        f"Whether the default ViT had seen some of these photos when it was trained is not known; if so, {too_good} "
        "are too good.",
        "Night, rain, snow, other cameras and other countries: not measured apart; what the photos above do not show, "
        "nobody knows of.",
    ]
    lines += _vit_limits(config.get("vit", {}).get("weights"), description.get("weights", {}).get("vit"))
    random = _from_random(config, description["outputs"])
    if random:
        lines.append(f"Trained from random weights, not from pretrained ones: {', '.join(random)}.")
    return lines


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows with the same keys as a Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _count(description: dict[str, Any], split: str, digest: str, evidence: Evidence) -> str:
    root = place(description.get("config", {}).get("data", {}).get("root", ""))
    try:
        samples = scan(root, (split,))
    except KerasFusionError:  # not there, or not to be reached from here
        samples = []
    if lines_sha256(f"{sample.sample_id} {sample.label}" for sample in samples) == digest:
        labels = [sample.label for sample in samples]
        return ", ".join(f"{labels.count(label)} {name}" for label, name in enumerate(CLASS_NAMES))
    trained = description.get("yolo_trained_on", {})
    if trained.get("splits") == [split]:
        return str(trained["n"])
    return "not known"


def _calibration_limits(said: dict[str, Any] | None) -> list[str]:
    if said is None or not has_effect(said):
        return ["The probabilities are not calibrated: 0.8 need not be right 8 times in 10."]
    lines = [f"The calibration was fitted on {said['split']}/ of the data it was given; elsewhere it may be off."]
    if said["split"] == SPLIT:
        lines.append("It was fitted on test photos: numbers measured on these flatter it.")
    return lines


def _cascade_limits(description: dict[str, Any]) -> list[str]:
    """What a cascade leaves open."""
    found = read_cascade(description, "the model's file")
    if found is None:
        return []
    low, high = found.window
    return [
        f"kerasfusion asks the ViT only where the output `first` lies between {low:g} and {high:g}; else `first` is "
        f"the answer: on {found.photos} held-out photos that changed {found.row.changed:.2%} of the decisions, with "
        f"95 % confidence at most {found.row.changed_upper95:.2%}. Plain Keras asks all branches about every photo."
    ]


def _measured_limits(values: dict[str, Any], record: dict[str, Any]) -> list[str]:
    low, high = values["accuracy_ci95"]
    lines = []
    if high - low > WIDE:
        lines.append(f"{values['n']} test photos leave the accuracy open between {low:.3f} and {high:.3f}.")
    if values["n_valid"] < values["n"]:
        lines.append(f"{values['n'] - values['n_valid']} of {values['n']} test photos could not be read.")
    if record.get("max_samples") is not None and record["max_samples"] <= values["n"]:
        lines.append(f"It was measured on a random part of {SPLIT}/: {values['n']} photos.")
    return lines


def _vit_limits(source: str | None, digest: str | None) -> list[str]:
    if source is None or digest is None or is_default_vit(source):
        return []
    found = f"`{source}`" if source.startswith("hf://") else "a folder of whoever made this"
    return [
        f"`vit` came from {found} (sha256 `{digest}`): whether it is what the subnet's miners answer with by default "
        f"(`{DEFAULT_VIT}`) is for you to compare."
    ]


def _from_random(config: dict[str, Any], outputs: Sequence[str]) -> list[str]:
    found = []
    if "yolo" in outputs and str(config.get("yolo", {}).get("model", "")).endswith((".yaml", ".yml")):
        found.append("YOLO")
    if "efficientnetv2" in outputs and "efficientnetv2" in config and config["efficientnetv2"].get("weights") is None:
        found.append("EfficientNetV2")
    return found
