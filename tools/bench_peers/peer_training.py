"""The usual training loop as a worker: Pillow opens, resizes and augments; Keras' train_on_batch learns."""

from bench_peers.channel import open_replies, serve

REPLIES = open_replies()

import random  # noqa: E402  the libraries' own prints must not reach the replies
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import keras  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image, ImageEnhance, ImageOps  # noqa: E402

SIZE, BATCH = 224, 16


def build_model() -> keras.Model:
    """A frozen EfficientNetV2-B0 with a two-class classifier, compiled with compile()'s defaults."""
    trunk = keras.applications.EfficientNetV2B0(
        weights=None, include_top=False, pooling="avg", input_shape=(SIZE, SIZE, 3)
    )
    trunk.trainable = False
    model = keras.Sequential([trunk, keras.layers.Dropout(0.2), keras.layers.Dense(2, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def read(photo: str, augment: str) -> np.ndarray:
    """A photo for the network, (S, S, 3) float32 0..255.

    Args:
        photo: the file.
        augment: "no"; "small" changes the resized picture, "full" the photo before it is resized.
    """
    image = Image.open(photo).convert("RGB")
    if augment == "full":
        image = change(image)
    image = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    if augment == "small":
        image = change(image)
    return np.asarray(image, np.float32)


def change(image: Image.Image) -> Image.Image:
    """Flip, turn, brighten and contrast at random, as far as kerasfusion's light augmentation does."""
    if random.random() < 0.5:
        image = ImageOps.mirror(image)
    image = image.rotate(random.uniform(-10, 10), Image.Resampling.BILINEAR)
    image = ImageEnhance.Brightness(image).enhance(random.uniform(0.9, 1.1))
    return ImageEnhance.Contrast(image).enhance(random.uniform(0.9, 1.1))


def main() -> None:
    """Build the model, then train whenever asked."""
    model = build_model()

    def train(photos: list[str], augment: str) -> dict[str, float]:
        """Learn from these photos once; a label is read from the folder's name. Seconds, in all and Pillow's."""
        begin, reading = time.perf_counter(), 0.0
        for start in range(0, len(photos), BATCH):
            batch = photos[start : start + BATCH]
            labels = np.array([Path(photo).parent.name == "roadwork" for photo in batch], np.int32)
            before = time.perf_counter()
            images = np.stack([read(photo, augment) for photo in batch])
            reading += time.perf_counter() - before
            model.train_on_batch(images, labels)
        return {"seconds": time.perf_counter() - begin, "reading": reading}

    serve(REPLIES, {"train": train})


if __name__ == "__main__":
    main()
