"""Whether the frames of a whole set are images, before masks are paired with what is none."""

from collections.abc import Sequence
from pathlib import Path

from kerasfusion.fume.data.annotations import Frame
from kerasfusion.fume.data.csv_rows import name_ten
from kerasfusion.images.decoding import ImageError, read_stored
from kerasfusion.images.flir import is_radiometric
from kerasfusion.images.tiff_pages import page_offsets
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track


def check_frames(root: Path, frames: Sequence[Frame]) -> dict[str, tuple[int, int]]:
    """Decode every frame; what its pixels mean, and which page counts, is only known where a network is trained.

    Args:
        root: what the frames' paths are relative to.
        frames: each once.

    Returns:
        {frame_path: (H, W)}, but for files whose size depends on what is set about reading: TIFFs of several pages, and
        JPEGs with a camera's counts in them.

    Raises:
        ImageError: frames that are no whole images; names ten of them.
    """
    looks = ordered_map(lambda frame: _look(root / frame.frame_path), frames)
    looks = list(track(looks, "check frames", total=len(frames)))
    if found := [look for look in looks if isinstance(look, ImageError)]:
        named = name_ten([f"{error.where}: {error.what}" for error in found])
        raise ImageError(
            f"{len(found)} of {len(frames)} frames cannot be read:{named}",
            expected="PNG, TIFF, BMP, JPEG and what else Pillow reads",
            todo="export these frames again, or take their rows out",
        )
    return {frame.frame_path: size for frame, size in zip(frames, looks, strict=True) if size is not None}


def _look(path: Path) -> tuple[int, int] | ImageError | None:
    try:
        stored = read_stored(path, page=1)
    except ImageError as error:
        return error
    if is_radiometric(stored.encoded) or len(page_offsets(stored.encoded)) > 1:
        return None
    return stored.pixels.shape[:2]
