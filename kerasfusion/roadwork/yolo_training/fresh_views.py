"""The training pictures of photos that have views: a fresh view of each photo in every epoch.

What a picture is made of depends on the seed, the epoch and the photo alone: not on which loader process makes it, nor
on how many there are, nor on whether the training was stopped and continued in between.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.images.decoding import crop_centre, decode_image
from kerasfusion.roadwork.challenge.kinds import MIX, draw_kind
from kerasfusion.roadwork.challenge.making import challenge
from kerasfusion.roadwork.config import Views

MIXED = 32.0
"""Both parameters of mixup's Beta distribution, as in ultralytics' detection: about half of each picture."""


class EpochOrder:
    """Goes through an order of pictures anew in each epoch, and tells the dataset which epoch that is.

    Loader processes live on from epoch to epoch and work ahead of the training, so that the dataset in them can neither
    be told the epoch nor count it: it has to come with the picture's number.

    Args:
        order: gives the numbers of one epoch whenever it is gone through.
        first: number of the first epoch, asked for when that begins.
    """

    def __init__(self, order: Collection[int], first: Callable[[], int]):
        self._order, self._first = order, first
        self._epoch: int | None = None

    def __iter__(self) -> Iterator[tuple[int, int]]:
        self._epoch = epoch = self._first() if self._epoch is None else self._epoch + 1
        for number in self._order:
            yield epoch, number

    def __len__(self) -> int:
        return len(self._order)


@dataclass(frozen=True)
class FreshViews:
    """A dataset as torch's loaders want it; it is pickled for loader processes that are spawned.

    Attributes:
        samples: file and class of each small copy.
        classes: how many classes there are.
        views: which challenges are made of the copies.
        image_size: side that the classifier sees, pixels.
        seed: of all random draws.
        mixup: chance that a picture is mixed with one of another photo.
        photo: (h, w, 3) uint8 and a seed -> the augmented picture of a whole photo, a tensor.
        square: the same for an (image_size, image_size, 3) challenge.
    """

    samples: tuple[tuple[Path, int], ...]
    classes: int
    views: Views
    image_size: int
    seed: int
    mixup: float
    photo: Callable[[np.ndarray, int], Any]
    square: Callable[[np.ndarray, int], Any]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Any]:
        """What an epoch sees of a photo.

        Args:
            place: epoch and number of the photo, from `EpochOrder`.

        Returns:
            "img": (3, image_size, image_size) float32; "cls": (classes,) float32, the share of each class.
        """
        epoch, number = place
        stream = np.random.default_rng((self.seed, epoch, number))
        picture, shares = self._view(number, stream)
        if stream.random() < self.mixup and len(self) > 1:
            other, its_shares = self._view((number + int(stream.integers(1, len(self)))) % len(self), stream)
            weight = stream.beta(MIXED, MIXED)
            picture = picture * weight + other * (1 - weight)
            shares = shares * weight + its_shares * (1 - weight)
        return {"img": picture, "cls": shares.astype(np.float32)}

    def _view(self, number: int, stream: np.random.Generator) -> tuple[Any, np.ndarray]:
        path, label = self.samples[number]
        picture = decode_image(path.read_bytes())
        seed = int(stream.integers(2**63))
        # One of `count` views is the photo itself, as where the views are kept.
        kind = draw_kind(self.views.layout, MIX, stream) if stream.random() >= 1 / self.views.count else None
        if kind is not None:
            picture = challenge(picture, kind, stream)
        # `plain` is the photo in its own size: it is augmented like the photo itself. The other layouts have been
        # turned and cropped, by exactly as much as validators do it. Another crop would show parts smaller than any
        # that are asked about, and cut letterboxes' bars off; more turning would blacken corners that are never black.
        # Colours are changed last, where few pixels are left: of what was black, no more than a dark grey comes of it.
        if kind is None or kind.layout == "plain":
            view = self.photo(picture, seed)
        else:
            view = self.square(crop_centre(picture, self.image_size), seed)
        return view, np.eye(self.classes)[label]


def copies_in(folder: Path, names: Mapping[int, str]) -> tuple[tuple[Path, int], ...]:
    """File and class of each picture in the class folders of a training tree, in the order of their names.

    Args:
        folder: the tree's train/.
        names: the model's classes.
    """
    return tuple((path, label) for label, name in sorted(names.items()) for path in sorted((folder / name).iterdir()))
