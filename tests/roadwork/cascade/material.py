"""A fusion of three small branches, and grey photos that it can tell apart: roadwork is brighter."""

from pathlib import Path

import keras
import numpy as np
from click.testing import CliRunner
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kerasfusion.cli.main import main
from kerasfusion.files.saving import save_model
from kerasfusion.roadwork.branches.one_file import model_digest

SIZE = 8
SURE, UNSURE = 0.85, 0.5
"""Greys about which the first stage is sure, and is not."""

CUTS = {"yolo": 0.5, "efficientnetv2": 0.48, "vit": 0.5}


def build_fusion(without=()):
    """Each branch's P(roadwork) rises with brightness; the fusion also sees features of EfficientNetV2, as some do."""
    pictures = {"image": ("vit", "efficientnetv2"), "yolo_image": ("yolo",)}
    inputs = {
        name: keras.Input((SIZE, SIZE, 3), name=name)
        for name, branches in pictures.items()
        if any(branch not in without for branch in branches)
    }
    answers, features = {}, []
    for name, cut in CUTS.items():
        if name in without:
            continue
        picture = inputs["yolo_image" if name == "yolo" else "image"]
        mean = keras.layers.GlobalAveragePooling2D(name=f"{name}_pool")(keras.layers.Rescaling(1 / 255)(picture))
        # Named as those of the real branches, which stay in float32 in every precision.
        dense = keras.layers.Dense(2, activation="softmax", name="vit_logits" if name == "vit" else f"{name}_probs")
        answers[name] = dense(mean)
        slope = np.full((3, 1), 60 / 3 / 2)
        dense.set_weights([np.hstack([-slope, slope]), np.array([1, -1]) * 60 * cut / 2])
        features += [mean] if name == "efficientnetv2" else []
    head = keras.layers.Dense(2, activation="softmax", name="fusion_probs")
    fused = head(keras.layers.Concatenate()([*answers.values(), *features]))
    kernel = np.zeros(head.kernel.shape)
    for row, name in enumerate(answers):
        kernel[2 * row : 2 * row + 2] = np.array([[2, -2], [-2, 2]]) * (2 if name == "vit" else 1)
    head.set_weights([kernel, np.zeros(2)])
    named = {
        name: keras.layers.Identity(name=name, dtype="float32")(value)
        for name, value in {"fusion": fused, **answers}.items()
    }
    return keras.Model(inputs, named, name="fusion")


def write_fusion(path: Path, data: Path, without=()) -> Path:
    """The same as a file."""
    network = build_fusion(without)
    description = {
        "system": "roadwork",
        "outputs": list(network.output),
        "pixels": dict.fromkeys(network.input, "as they come"),
        **{f"{name}_size": SIZE for name in network.input},
        "config": {"data": {"root": str(data)}, "fusion": {"fit_on": "val"}},
        "model_sha256": model_digest(network),
        "format": "keras",
        "precision": "float32",
    }
    save_model(network, path, description, None)
    return path


def write_photos(root: Path, splits=("val", "test"), count: int = 60) -> Path:
    """`count` grey photos of each class and split; one in ten lies near the cut."""
    rng = np.random.default_rng(1)
    for split in splits:
        for label, name in enumerate(("no_roadwork", "roadwork")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                away = rng.uniform(0.0, 0.005) if number % 10 == 0 else rng.uniform(0.2, 0.4)
                grey = round(255 * (0.5 + (away if label else -away)))
                own = PngInfo()  # so that none is another's copy
                own.add_text("number", str(number))
                image = Image.fromarray(np.full((SIZE, SIZE, 3), grey, np.uint8))
                image.save(folder / f"{number:03d}.png", pnginfo=own)
    return root


def greys(*values: float) -> dict[str, np.ndarray]:
    """Inputs of plain grey pictures, 0..1."""
    pictures = np.stack([np.full((SIZE, SIZE, 3), 255 * value, np.float32) for value in values])
    return {"image": pictures, "yolo_image": pictures}


def prepared(*values: float) -> list[dict[str, np.ndarray]]:
    """The same photo by photo, as a detector prepares them."""
    return [{name: pixels[row] for name, pixels in greys(*values).items()} for row in range(len(values))]


def run(*arguments, code: int = 0):
    """A command line in this process."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result
