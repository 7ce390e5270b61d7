"""A small ViT that stands in for the subnet's default model where no hub is needed: in the demo."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasfusion.images.decoding import read_image, squash
from kerasfusion.parallel import ordered_map
from kerasfusion.roadwork.branches.vit import new_classifier
from kerasfusion.roadwork.data.dataset import Sample

IMAGE_SIZE = 96
EPOCHS = 6


def train_demo_vit(samples: Sequence[Sample], folder: Path, seed: int) -> None:
    """Train a keras-hub ViT from random weights and save it as a preset.

    Args:
        samples: photos to learn from.
        folder: where the preset is written; its outputs are (no roadwork, roadwork).
        seed: of weights, order and flips.
    """
    import keras

    keras.utils.set_random_seed(seed)
    images = np.stack(list(ordered_map(lambda sample: squash(read_image(sample.path)[0], IMAGE_SIZE), samples)))
    labels = np.array([sample.label for sample in samples])
    images, labels = np.concatenate([images, images[:, :, ::-1]]), np.tile(labels, 2)
    classifier = new_classifier(IMAGE_SIZE)
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    model = keras.Model(image, classifier(keras.layers.Rescaling(1 / 127.5, -1.0)(image)))
    steps = EPOCHS * -(-len(labels) // 32)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=1e-3, warmup_steps=steps // 10)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.05), loss, metrics=["accuracy"], jit_compile=False)
    model.fit(images, labels, batch_size=32, epochs=EPOCHS, verbose=2)
    classifier.save_to_preset(str(folder))
