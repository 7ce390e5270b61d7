"""Files to frames and masks; decoded and resized once, then kept on disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import lines_sha256, source_sha256
from kerasfusion.fume.config import Data
from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.data.csv_rows import name_ten
from kerasfusion.fume.data.frame_reading import read_frame
from kerasfusion.fume.data.samples import GasFrame, Sample
from kerasfusion.fume.mask_files.outlines import SUFFIX as OUTLINES
from kerasfusion.fume.mask_files.reading import read_mask
from kerasfusion.images.decoding import ImageError
from kerasfusion.images.stored_arrays import StoredArray, stored_array
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track
from kerasfusion.reporting import command_line

READING = 4
"""Raised when a file's pixels come to be read as others: what earlier versions decoded is then not taken."""


def resize_frame(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W) uint8 -> (height, width) uint8, Pillow's antialiased BILINEAR."""
    return _resized(frame, width, height, Image.Resampling.BILINEAR)


def resize_mask(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W) uint8 -> (height, width) uint8 with the same values; nearest."""
    return _resized(mask, width, height, Image.Resampling.NEAREST)


def _resized(picture: np.ndarray, width: int, height: int, how: Image.Resampling) -> np.ndarray:
    if picture.shape == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), how))


@dataclass(frozen=True)
class Frames:
    """The frames and masks of N samples.

    Attributes:
        samples: N samples.
        pixels: (M, 2, height, width) uint8, frame and mask; each pair of files once.
        rows: (N, 2) int64 row of `pixels` of each gas; -1 where the sample lacks it.
        labels: (N,) int32 class ids.
        digest: sha256 of the files' contents and of what sample each is in, hex.
    """

    samples: list[Sample]
    pixels: StoredArray
    rows: np.ndarray
    labels: np.ndarray
    digest: str

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def presence(self) -> np.ndarray:
        """(N, 2) float32: 1 where the sample has the gas."""
        return (self.rows >= 0).astype(np.float32)

    def take(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """The samples with these numbers.

        Returns:
            "frames" and "masks" (B, height, width, 2) uint8, last axis CO2, CH4, black where missing; "presence" (B, 2)
            float32; "label" (B,) int32.
        """
        rows = self.rows[numbers]
        pictures = np.zeros((len(numbers), len(GASES), *self.pixels.shape[1:]), np.uint8)
        pictures[rows >= 0] = self.pixels.take(rows[rows >= 0])
        frames, masks = np.moveaxis(pictures, (2, 1), (0, -1))
        return {
            "frames": np.ascontiguousarray(frames),
            "masks": np.ascontiguousarray(masks),
            "presence": self.presence[numbers],
            "label": self.labels[numbers],
        }


def load_frames(samples: Sequence[Sample], data: Data, label: str) -> Frames:
    """Decode the samples' files, unless an earlier run has.

    Args:
        samples: with masks.
        data: where the files lie, how they are read, the size of the result, and the folder that it is kept in.
        label: what they are, for the progress bars.

    Raises:
        RequestError: files that are not there or cannot be read; names ten of them with their samples.
    """
    files = list_files(samples)
    refuse_missing(samples, data.dataset_root)
    digests = file_digests(files, data.dataset_root, label)
    width, height = data.image_size

    def blocks() -> Iterator[np.ndarray]:
        return (pair[None] for pair in ordered_map(lambda frame: _read_pair(frame, data), files))

    shape = (len(files), 2, height, width)
    pixels = stored_array(frames_path(data, digests), shape, "uint8", blocks, f"decode {label}")
    rows, labels = _rows(samples, files), np.array([sample.class_id for sample in samples], np.int32)
    digest = samples_digest(samples, digests)
    return Frames(list(samples), pixels, np.array(rows, np.int64).reshape(-1, len(GASES)), labels, digest)


def list_files(samples: Sequence[Sample]) -> list[GasFrame]:
    """The frames that samples are made of, each once."""
    return list(dict.fromkeys(frame for sample in samples for frame in sample.frames.values()))


def file_digests(files: Sequence[GasFrame], root: Path, label: str) -> list[str]:
    """The digests of each frame's two files, and its name where it says which part of the mask's file counts."""
    names = list(dict.fromkeys(name for frame in files for name in (frame.frame_path, frame.mask_path)))
    digests = track(ordered_map(lambda name: source_sha256(root / name), names), f"check {label}", total=len(names))
    of = dict(zip(names, digests, strict=True))
    return [
        f"{of[frame.frame_path]} {of[frame.mask_path]}" + (f" {frame.frame_path}" if _may_be_of_many(frame) else "")
        for frame in files
    ]


def _may_be_of_many(frame: GasFrame) -> bool:
    return frame.mask_path.lower().endswith(OUTLINES)


def frames_path(data: Data, digests: Sequence[str]) -> Path:
    """Where `load_frames` keeps the pictures of files with these digests."""
    width, height = data.image_size
    digest = lines_sha256([*digests, f"reading {READING}: {data.frames} {data.masks}"])
    return data.frame_cache / f"frames-{width}x{height}-{digest[:16]}.npy"


def samples_digest(samples: Sequence[Sample], digests: Sequence[str]) -> str:
    """The `Frames.digest` of samples, from what `file_digests` gave for their files."""
    rows = zip(_rows(samples, list_files(samples)), samples, strict=True)
    return lines_sha256([*digests, *(f"{row} {sample.class_id}" for row, sample in rows)])


def _rows(samples: Sequence[Sample], files: Sequence[GasFrame]) -> list[list[int]]:
    row_of = {frame: row for row, frame in enumerate(files)}
    return [[row_of.get(getattr(sample, gas), -1) for gas in GASES] for sample in samples]


def refuse_missing(samples: Sequence[Sample], root: Path) -> None:
    """Stop if a sample's file is not there.

    Raises:
        RequestError: names ten of the files and the rows that list them.
    """
    asking = {}
    for sample in samples:
        for frame in sample.frames.values():
            for path in (frame.frame_path, frame.mask_path):
                asking.setdefault(path, sample.source or sample.sample_id)
    missing = [f"{source}: {path}" for path, source in asking.items() if path and not (root / path).is_file()]
    if missing:
        raise RequestError(
            f"{len(missing)} file(s) do not exist:{name_ten(missing)}",
            where=root,
            expected="paths relative to data.dataset_root",
            todo="mend these rows, or bring the files back and run it again",
        )


def sizes_differ(mask: tuple[int, int], frame: tuple[int, int]) -> str:
    """What is wrong with a mask of another size than its frame's; (H, W) both."""
    return f"the mask has {mask[1]} x {mask[0]} pixels, the frame {frame[1]} x {frame[0]}"


def _read_pair(frame: GasFrame, data: Data) -> np.ndarray:
    root = data.dataset_root
    grey = read_frame(root / frame.frame_path, data.frames)
    mask = read_mask(root / frame.mask_path, data.masks, frame.frame_path)
    if grey.shape != mask.shape:
        pair = command_line(["kerasfusion", "data", "pair", root])
        raise ImageError(
            sizes_differ(mask.shape, grey.shape),
            where=root / frame.mask_path,
            expected="a mask of the frame's size",
            todo=f"export it anew at that size, or take its row out; {pair} names all such masks",
        )
    return np.stack([resize_frame(grey, *data.image_size), resize_mask(mask, *data.image_size)])
