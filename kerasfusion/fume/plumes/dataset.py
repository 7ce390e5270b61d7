"""Generated dual-gas sets: frames, masks and annotations as `data pair` and training read them."""

import io
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.run_folder import refuse_used
from kerasfusion.files.writing import write_file
from kerasfusion.fume.data.annotations import SPLITS, Frame, annotation_path, write_frames
from kerasfusion.fume.plumes.copies import augmented_copy
from kerasfusion.fume.plumes.picture import Picture, draw_picture
from kerasfusion.fume.plumes.plan import Original, plan
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track

SIDES = (32, 4096)
"""Smallest and largest width and height."""

Task = tuple[Original, str]


def write_dataset(
    out: Path,
    originals: int | Mapping[str, int],
    seed: int = 42,
    *,
    size: tuple[int, int] = (640, 480),
    copies: int = 3,
    balanced: bool = False,
) -> dict[str, list[Frame]]:
    """Write a set to out/{train,val,test}_annotations.csv, out/frames and out/masks.

    The same arguments give the same bytes, and a picture depends on the seed, its original's id and its gas alone.
    The CSV files are written last: a set that has them is whole.

    Args:
        out: a folder that does not exist yet or is empty.
        originals: how many moments are filmed, by one camera or both; or {split: how many}. One number is divided
            70/15/15, whole originals only. See `plan` for the shares of states and gases.
        seed: 0 or more.
        size: width and height of the frames in pixels.
        copies: augmented copies per frame, besides the frame itself (the public set has 20).
        balanced: as many originals of each state, and the same gases for each.

    Returns:
        {split: its frames}, in the order of the CSV files.

    Raises:
        RequestError: `out` holds something or is a file, or a number is out of range.
        KerasFusionError: a file cannot be written, or another run is writing `out`.
    """
    out = Path(out)
    check_request(out, seed, size, copies)
    tasks = [(original, gas) for original in plan(originals, seed, balanced) for gas in original.gases]
    with only_writer_of(out):
        check_request(out, seed, size, copies)  # another one may just have filled it
        for name in ("frames", "masks"):
            (out / name).mkdir(parents=True, exist_ok=True)
        written = ordered_map(lambda task: write_original(out, task, seed, size, copies), tasks)
        frames = list(chain.from_iterable(track(written, "draw plumes", total=len(tasks))))
        split_of = {original.original_id: original.split for original, _ in tasks}
        found = {split: [frame for frame in frames if split_of[frame.original_id] == split] for split in SPLITS}
        for split in SPLITS:
            write_frames(annotation_path(out, split), found[split])
    return found


def check_request(out: Path, seed: int, size: tuple[int, int], copies: int) -> None:
    """Raise RequestError where write_dataset would fail or mix its files with others."""
    refuse_used(out, "frames", {"seed": seed, "copies": copies})
    if not all(SIDES[0] <= side <= SIDES[1] for side in size) or max(size) > 2 * min(size):
        raise RequestError(
            f"size is {size[0]}x{size[1]}",
            where="size",
            expected=f"{SIDES[0]} to {SIDES[1]} pixels each way, the longer side at most twice the shorter",
            todo="give another size, such as 320x240",
        )


def write_original(out: Path, task: Task, seed: int, size: tuple[int, int], copies: int) -> list[Frame]:
    """Draw one gas of an original, and write it and its copies."""
    original, gas = task
    first = draw_picture(seed, original.original_id, gas, original.ph, size)
    frames = []
    for copy in range(copies + 1):
        picture = augmented_copy(first, seed, original.original_id, gas, copy) if copy else first
        frames.append(_write_picture(out, original, gas, copy, picture))
    return frames


def _write_picture(out: Path, original: Original, gas: str, copy: int, picture: Picture) -> Frame:
    name = f"{original.original_id}_{gas}_{copy:02d}.png"
    write_file(out / "frames" / name, _png(picture.frame))
    write_file(out / "masks" / name, _png(picture.mask))
    return Frame(
        gas=gas,
        frame_path=f"frames/{name}",
        mask_path=f"masks/{name}",
        ph_value=original.ph,
        class_id=original.class_id,
        original_id=original.original_id,
        augmentation_id=str(copy),
    )


def _png(pixels: np.ndarray) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG", compress_level=4)
    return encoded.getvalue()
