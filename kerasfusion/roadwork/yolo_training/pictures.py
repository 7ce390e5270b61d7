"""The pictures that ultralytics trains on: small copies of the photos in a folder of ours.

Ultralytics writes a cache file beside the pictures and re-saves a JPEG that does not end in its end marker, so it
never gets the user's folder. Links to the photos would leave it to each release of ultralytics whether a re-save
replaces the link or the photo; plain copies would take the photos' space twice. So each photo is decoded once, by
the decoder that everything else here uses, and stored small, which also spares decoding the full photo in every
epoch. The challenges that are learned from are made of these copies, anew in each epoch. They differ from a
validator's, which are made of the photo itself, by one more resize and a JPEG of quality 95: no more than the
augmentation changes.
"""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.images.decoding import crop_centre, read_image
from kerasfusion.roadwork.challenge.geometry import SIDE
from kerasfusion.roadwork.challenge.recipe import SMALLEST_SHARE
from kerasfusion.roadwork.challenge.views import view_count, views_of
from kerasfusion.roadwork.config import Views
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample

SMALLEST_SIDE = 10
"""Pixels; ultralytics leaves out smaller pictures."""

CHALLENGE_SIDE = math.ceil(SIDE / math.sqrt(SMALLEST_SHARE))
"""Pixels; the shortest side of which a validator's smallest crop, a fifth of the area, still has as many pixels a
side as are sent (of a square; a longer picture has more)."""

REPORT_FROM = 500
"""Photos from which on progress is reported in tenths."""


def write_training_tree(
    train: Sequence[Sample],
    val: Sequence[Sample],
    folder: Path,
    image_size: int,
    views: Views,
    max_pixels: int,
    report: Callable[[str], None],
) -> list[str]:
    """Write folder/train/CLASS/NUMBER.jpg and folder/val/CLASS/NUMBER-VIEW.png; the numbers follow the sample ids.

    Args:
        train, val: the photos.
        folder: where to; further calls add to it.
        image_size: side that the classifier sees, pixels.
        views: of the validation photos each is written; the training photos' copies are large enough to make them.
        max_pixels: largest photo, width x height.
        report: takes a line now and then.

    Returns:
        The sha256 of each training photo's file, sorted.

    Raises:
        RequestError: a photo with a side under 10 pixels.
        KerasFusionError: a photo cannot be read (named), or the disk is full.
    """
    jobs = [
        (sample, folder / split / CLASS_NAMES[sample.label] / f"{number:07d}", split)
        for split, samples in (("train", train), ("val", val))
        for number, sample in enumerate(sorted(samples))
    ]
    for split in ("train", "val"):
        for name in CLASS_NAMES:
            (folder / split / name).mkdir(parents=True, exist_ok=True)

    def write(job: tuple[Sample, Path, str]) -> str:
        sample, target, split = job
        image, digest = _read(sample, max_pixels)
        if split == "train":
            # 4:4:4 at quality 95: what JPEG takes away here is far below what the augmentation changes.
            picture = Image.fromarray(shrink(image, copy_side(image_size, views)))
            picture.save(target.with_suffix(".jpg"), quality=95, subsampling=0)
            return digest
        # Lossless and already cropped: the best epoch is chosen on the pixels that predictions are made from. Every
        # photo has as many views as the others, so that each counts equally.
        for number, view in enumerate(views_of(image, digest, split, views)):
            path = target.with_name(f"{target.name}-{number:02d}.png")
            Image.fromarray(crop_centre(view, image_size)).save(path, compress_level=1)
        return digest

    try:
        return sorted(_run(write, jobs, report)[: len(train)])
    except OSError as error:
        raise KerasFusionError(
            f"cannot write the pictures for YOLO: {error.strerror or error}",
            where=folder,
            todo=f"free disk space; {len(jobs):,} photos take about {_megabytes(train, val, image_size, views):,} MB",
        ) from error


def copy_side(image_size: int, views: Views) -> int:
    """The shortest side of a training photo's copy, pixels.

    RandomResizedCrop takes, at ultralytics' default scale of 0.5, at least half of a picture's area: of a square
    0.71 of the side, which then still has `image_size` pixels of sqrt(2) x `image_size`.
    """
    side = math.ceil(math.sqrt(2) * image_size)
    return max(side, CHALLENGE_SIDE) if views.count > 1 else side


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """Bring the shortest side down to `side`; a smaller picture stays as it is.

    Args:
        image: (H, W, 3) uint8.
        side: pixels.

    Returns:
        (h, w, 3) uint8 of the same aspect ratio, Pillow's antialiased BILINEAR.
    """
    height, width = image.shape[:2]
    ratio = side / min(height, width)
    if ratio >= 1:
        return image
    size = (round(width * ratio), round(height * ratio))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def _run(write: Callable[..., str], jobs: Sequence[object], report: Callable[[str], None]) -> list[str]:
    digests = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for done, digest in enumerate(pool.map(write, jobs), start=1):
                digests.append(digest)
                if len(jobs) >= REPORT_FROM and done % (len(jobs) // 10) == 0:
                    report(f"prepared {done:,} of {len(jobs):,} photos")
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else an error or Ctrl-C would wait for all the other photos
            raise
    return digests


def _read(sample: Sample, max_pixels: int) -> tuple[np.ndarray, str]:
    image, digest = read_image(sample.path, max_pixels)
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise RequestError(
            f"the photo has only {width} x {height} pixels",
            where=sample.path,
            expected=f"at least {SMALLEST_SIDE} a side to train YOLO",
            todo="remove it from the dataset",
        )
    return image, digest


def _megabytes(train: Sequence[Sample], val: Sequence[Sample], image_size: int, views: Views) -> int:
    # Measured: about 0.55 bytes a pixel for 16:9 photos as JPEG, 2 bytes a pixel as PNG.
    copies = len(train) * copy_side(image_size, views) ** 2 * 16 / 9 * 0.55
    return math.ceil((copies + len(val) * view_count(views, "val") * image_size**2 * 2) / 1e6)
