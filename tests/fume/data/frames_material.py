"""Small generated annotations that several tests share."""

import random
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.fume.data.annotations import STATES, Frame, annotation_path, write_frames
from tests.material.odd_photos import encoded

MASK = encoded(Image.fromarray(np.array([[0, 1, 2]], np.uint8)), "PNG")
PH = {0: (6.2, 6.5), 1: (5.9,), 2: (5.0, 5.6)}
"""pH values of each class id."""


def make_frames(seed: int, originals: int = 12, copies: int = 4, shared_ids: bool = True) -> list[Frame]:
    """Frames of both gases in no order; some originals lack a gas, some copies are gone.

    With `shared_ids` the two gases of an original share its id, as if filmed together.
    """
    draw = random.Random(seed)
    frames = []
    for number in range(originals):
        class_id = number % len(STATES)
        ph_value = draw.choice(PH[class_id])
        for gas in draw.choice([("co2",), ("ch4",), ("co2", "ch4"), ("co2", "ch4")]):
            original_id = f"o{number:02d}" if shared_ids else f"{gas}-{number:02d}"
            for copy in range(copies):
                if copy and draw.random() < 0.2:
                    continue
                name = f"{gas}/{number:02d}_{copy}.png"
                frames.append(
                    Frame(gas, f"images/{name}", f"masks/{name}", ph_value, class_id, original_id, f"aug{copy}")
                )
    draw.shuffle(frames)
    return frames


def write_dataset(root: Path, frames: dict[str, list[Frame]], name: str | None = None) -> Path:
    """ROOT with {split}_annotations.csv (or one file with this name), frames and masks of three pixels."""
    for split, found in frames.items():
        write_frames(root / name if name else annotation_path(root, split), found)
        for frame in found:
            for path in (root / frame.frame_path, root / frame.mask_path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(MASK)
    return root
