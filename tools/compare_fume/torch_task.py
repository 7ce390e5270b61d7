"""What the torch side is asked to train, apart from its training: only that one needs torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One training.

    Attributes:
        root: the set's folder, with paired CSVs.
        image_size: width and height, pixels.
        cache: folder of decoded frames.
        epochs, batch, seed: of the training.
        checkpoint: where the weights go.
    """

    root: str
    image_size: tuple[int, int]
    cache: str
    epochs: int
    batch: int
    seed: int
    checkpoint: str
