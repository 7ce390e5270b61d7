"""The pictures that ultralytics trains on: small copies of the photos in a folder of ours.

Ultralytics writes a cache file beside the pictures and re-saves a JPEG that does not end in its end marker, so it
never gets the user's folder. Links to the photos would leave it to each release of ultralytics whether a re-save
replaces the link or the photo; plain copies would take the photos' space twice. So each photo is decoded once, by
the decoder that everything else here uses, and stored small, which also spares decoding the full photo in every
epoch.
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
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample

SMALLEST_SIDE = 10
"""Pixels; ultralytics leaves out smaller pictures."""

REPORT_FROM = 500
"""Pictures from which on progress is reported in tenths."""


def write_training_tree(
    train: Sequence[Sample],
    val: Sequence[Sample],
    folder: Path,
    image_size: int,
    max_pixels: int,
    report: Callable[[str], None],
) -> None:
    """Write folder/{train,val}/{no_roadwork,roadwork}/NUMBER.{jpg,png}; the numbers follow the sample ids.

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
            (folder / split / name).mkdir(parents=True)

    def write(job: tuple[Sample, Path, str]) -> None:
        sample, target, split = job
        image = _read(sample, max_pixels)
        if split == "train":
            # 4:4:4 at quality 95: what JPEG takes away here is far below what the augmentation changes.
            picture = Image.fromarray(shrink(image, image_size))
            picture.save(target.with_suffix(".jpg"), quality=95, subsampling=0)
        else:
            # Lossless and already cropped: the best epoch is chosen on the pixels that predictions are made from.
            Image.fromarray(crop_centre(image, image_size)).save(target.with_suffix(".png"), compress_level=1)

    try:
        _run(write, jobs, report)
    except OSError as error:
        raise KerasFusionError(
            f"cannot write the pictures for YOLO: {error.strerror or error}",
            where=folder,
            todo=f"free disk space; {len(jobs):,} pictures take about {_megabytes(train, val, image_size):,} MB",
        ) from error


def shrink(image: np.ndarray, image_size: int) -> np.ndarray:
    """Bring the shortest side down to sqrt(2) x `image_size`; a smaller picture stays as it is.

    RandomResizedCrop takes, at ultralytics' default scale of 0.5, at least half of a picture's area: of a square
    0.71 of the side, which then still has `image_size` pixels.

    Args:
        image: (H, W, 3) uint8.
        image_size: side that the classifier sees, pixels.

    Returns:
        (h, w, 3) uint8 of the same aspect ratio, Pillow's antialiased BILINEAR.
    """
    height, width = image.shape[:2]
    ratio = math.ceil(math.sqrt(2) * image_size) / min(height, width)
    if ratio >= 1:
        return image
    size = (round(width * ratio), round(height * ratio))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def _run(write: Callable[..., None], jobs: Sequence[object], report: Callable[[str], None]) -> None:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for done, _ in enumerate(pool.map(write, jobs), start=1):
                if len(jobs) >= REPORT_FROM and done % (len(jobs) // 10) == 0:
                    report(f"prepared {done:,} of {len(jobs):,} pictures")
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else an error or Ctrl-C would wait for all the other photos
            raise


def _read(sample: Sample, max_pixels: int) -> np.ndarray:
    image, _ = read_image(sample.path, max_pixels)
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise RequestError(
            f"the photo has only {width} x {height} pixels",
            where=sample.path,
            expected=f"at least {SMALLEST_SIDE} a side to train YOLO",
            todo="remove it from the dataset",
        )
    return image


def _megabytes(train: Sequence[Sample], val: Sequence[Sample], image_size: int) -> int:
    # Measured: about 0.55 bytes a pixel for 16:9 photos as JPEG, 2 bytes a pixel as PNG.
    pixels = image_size**2
    return math.ceil((len(train) * pixels * 2 * 16 / 9 * 0.55 + len(val) * pixels * 2) / 1e6)
