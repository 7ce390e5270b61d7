"""A small paired set on which training can be watched, where the state is the plume's size; and a network to train."""

import keras
import numpy as np
from PIL import Image

from kerasfusion.fume.data.samples import GasFrame, Sample, paired_path, write_samples

WIDTH, HEIGHT = 96, 64
RADII = (6, 11, 16)
"""Of the plume in pixels, by class id."""


def write_set(root, counts, seed=0):
    """ROOT with frames, masks and paired CSVs; `counts` is {split: samples}. Every fourth sample lacks one gas."""
    rng = np.random.default_rng(seed)
    (root / "frames").mkdir(parents=True)
    for split, count in counts.items():
        samples = []
        for number in range(count):
            class_id, kind = number % 3, number % 8
            frames = {
                gas: None if kind == lacking else _frame(root, f"{split}{number}{gas}", class_id, level, rng)
                for gas, lacking, level in (("co2", 3, 70), ("ch4", 7, -60))
            }
            samples.append(Sample(**frames, ph_value=6.0, class_id=class_id))
        write_samples(paired_path(root, split), samples)
    return root


def _frame(root, name, class_id, level, rng):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = rng.integers(30, WIDTH - 30), rng.integers(20, HEIGHT - 20)
    gas = (columns - x) ** 2 + (rows - y) ** 2 < RADII[class_id] ** 2
    grey = rng.normal(120, 6, (HEIGHT, WIDTH)) + level * gas
    mask = np.where(gas, 2, 0).astype(np.uint8)
    grey[:, :5], mask[:, :5] = 20, 1
    for kind, picture in (("", np.clip(grey, 0, 255).astype(np.uint8)), ("_mask", mask)):
        Image.fromarray(picture).save(root / "frames" / f"{name}{kind}.png")
    return GasFrame(f"frames/{name}.png", f"frames/{name}_mask.png", name)


def tiny_network(name, height, width, shared_encoder):
    """MultiTaskFastSCNN's inputs and outputs in a few layers: what matters here is how it is trained."""
    frame = keras.Input((height, width, 1), name="frame")
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(keras.layers.Rescaling(1 / 127.5, -1)(frame))
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
    pooled = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(x))
    outputs = {"mask": keras.layers.Conv2D(3, 1)(x), "state": keras.layers.Dense(3)(pooled)}
    return keras.Model({"frame": frame}, outputs)
