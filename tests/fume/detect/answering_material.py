"""Frames that say themselves what the answer is, and networks that read it off them.

A pixel of level 0..75 is background, 76..175 tube, more is gas; the level of a frame's upper left pixel is 0, 30 or 60
for the three states. So a network of a few layers answers rightly wherever a frame was not tampered with, and what
evaluation must find is known without asking it.
"""

import csv

import keras
import numpy as np
from keras import layers, ops
from PIL import Image

from kerasfusion.config import load_config, to_dict
from kerasfusion.files.saving import save_model
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.annotations import GASES, STATES
from kerasfusion.fume.networks.architectures import ARCHITECTURES

WIDTH, HEIGHT = 96, 64
LEVELS = np.array([10, 120, 230], np.uint8)
STATE_LEVELS = (0, 30, 60)


def draw_mask(seed, size=(HEIGHT, WIDTH)):
    """(H, W) uint8: a tube and a rectangle of gas, asymmetric, the upper left 8 x 8 pixels background."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(size, np.uint8)
    top, left = rng.integers(8, size[0] // 2), rng.integers(8, size[1] // 2)
    mask[size[0] - 6 :, 10:40] = 1
    mask[top : top + rng.integers(6, 20), left : left + rng.integers(6, 30)] = 2
    return mask


def frame_of(mask, state):
    """(H, W) uint8 that the networks below answer with this mask and this state."""
    frame = LEVELS[mask]
    frame[:8, :8] = STATE_LEVELS[state]  # a block: it survives a resize to another size
    return frame


def write_set(root, rows, split="test", sizes=None):
    """Write frames, masks and the paired CSV.

    Args:
        root: folder.
        rows: (gases, true state, state that the frames say, original) of each sample; gases such as "co2 ch4".
        split: name in the CSV's name.
        sizes: {number of a row: (H, W)}.

    Returns:
        [{gas: (frame, mask)}] of each row.
    """
    written, lines = [], []
    for number, (gases, state, said, original) in enumerate(rows):
        line = {"ph_value": 6.0, "class_id": state, "class_name": STATES[state]}
        line["is_paired"] = len(gases.split()) == 2
        line["missing_modality"] = next((gas for gas in GASES if gas not in gases.split()), "")
        pictures = {}
        for gas in gases.split():
            size = (sizes or {}).get(number, (HEIGHT, WIDTH))
            mask = draw_mask(10 * number + GASES.index(gas), size)
            pictures[gas] = frame_of(mask, said), mask
            for kind, pixels in zip(("frame", "mask"), pictures[gas], strict=True):
                line[f"{gas}_{kind}"] = f"{gas}/{kind}s/{split}{number:02}.png"
                path = root / line[f"{gas}_{kind}"]
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
            line[f"{gas}_original_sample_id"] = f"{gas}-{original}"
        written.append(pictures)
        lines.append(line)
    columns = [f"{gas}_{kind}" for gas in GASES for kind in ("frame", "mask", "original_sample_id")]
    columns += ["ph_value", "class_id", "class_name", "is_paired", "missing_modality"]
    with (root / f"paired_{split}_annotations.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(lines)
    return written


def save_reader(path, name, root="data", *settings):
    """Save a network of the given name's inputs and outputs that reads the answer off the frames."""
    inputs = {gas: keras.Input((HEIGHT, WIDTH, 1), name=gas) for gas in ARCHITECTURES[name].inputs if gas in _FRAMES}
    given = dict(inputs)
    if "modality_mask" in ARCHITECTURES[name].inputs:
        given["modality_mask"] = keras.Input((2,), name="modality_mask")
        share = given["modality_mask"] / ops.sum(given["modality_mask"], axis=-1, keepdims=True)
    else:
        share = ops.ones_like(ops.stack([frame[:, 0, 0, 0] for frame in inputs.values()], axis=-1)) / len(inputs)
    corner = ops.stack([frame[:, 0, 0, 0] for frame in inputs.values()], axis=-1)
    made = {"state": _ordered(ops.sum(corner * share, axis=-1)[..., None], (15, 45), "state")}
    for output in ARCHITECTURES[name].outputs:
        if output == "mask":
            made["mask"] = _ordered(ops.max(ops.stack(list(inputs.values())), axis=0), (75, 175), "mask")
        elif output != "state":
            made[output] = _ordered(inputs[output.removesuffix("_mask")], (75, 175), output)
    outputs = {output: made[output] for output in ARCHITECTURES[name].outputs}
    return _save(keras.Model(given, outputs), path, name, root, settings)


def leave_out_costs(monkeypatch):
    """Counting and timing build the whole network, which takes seconds: once is enough."""
    size = {"model": "x", "image_size": [WIDTH, HEIGHT], "trainable_parameters": 1, "macs": 1, "per": "pair"}
    speed = {"total_ms": 1.0, "fps": 1000.0, "runs": 1}
    monkeypatch.setattr("kerasfusion.fume.evaluate.job.costs", lambda network, files: {"size": size, "speed": speed})


_FRAMES = (*GASES, "frame")


def _save(model, path, name, root, settings=()):
    texts = [f"data.image_size=[{WIDTH}, {HEIGHT}]", f"model.name={name}", f"data.dataset_root={root}", *settings]
    description = {
        "system": "fume",
        "model": name,
        "image_size": [WIDTH, HEIGHT],
        "class_names": list(STATES),
        "pixel_classes": list(PIXEL_CLASSES),
        "config": to_dict(load_config(FumeConfig, None, texts)),
    }
    save_model(model, path, description, None)
    return path


def _ordered(levels, limits, name):
    """(..., 1) levels -> (..., 3) probabilities of the classes below, between and above the limits."""
    low, high = limits
    logits = ops.concatenate([0 * levels, levels - low, 2 * levels - low - high], axis=-1)
    return layers.Softmax(name=name)(logits / 4)
