"""Whether the frames of a whole set are images, before masks are paired with what is none."""

from collections.abc import Sequence
from pathlib import Path

from kerasfusion.fume.data.annotations import Frame
from kerasfusion.fume.data.csv_rows import name_ten
from kerasfusion.images.decoding import ImageError, read_stored
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track


def check_frames(root: Path, frames: Sequence[Frame]) -> None:
    """Decode every frame; what its pixels mean, and which page counts, is only known where a network is trained.

    Args:
        root: what the frames' paths are relative to.
        frames: each once.

    Raises:
        ImageError: frames that are no whole images; names ten of them.
    """
    looks = ordered_map(lambda frame: _trouble(root / frame.frame_path), frames)
    found = [trouble for trouble in track(looks, "check frames", total=len(frames)) if trouble is not None]
    if found:
        named = name_ten([f"{error.where}: {error.what}" for error in found])
        raise ImageError(
            f"{len(found)} of {len(frames)} frames cannot be read:{named}",
            expected="PNG, TIFF, BMP, JPEG and what else Pillow reads",
            todo="export these frames again, or take their rows out",
        )


def _trouble(path: Path) -> ImageError | None:
    try:
        read_stored(path, page=1)
    except ImageError as error:
        return error
    return None
