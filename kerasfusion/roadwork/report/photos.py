"""Photos of an evaluation as thumbnails, with what was said of them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from kerasfusion.address import Place
from kerasfusion.images.decoding import ImageError, read_image
from kerasfusion.report_page.blocks import Block, Note, Picture, Pictures, Table
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.evaluate.figures import title_of
from kerasfusion.roadwork.evaluate.predictions import Predictions
from kerasfusion.roadwork.scoring.reward import clean_answers, decide

SIDE, QUALITY = 320, 80
MOST = 12


@dataclass(frozen=True)
class Told:
    """A photo and what is written below it.

    Attributes:
        sample_id: its path below the data's root.
        digest: sha256 of the file that was answered; None where it is not known.
        lines: what was said.
    """

    sample_id: str
    digest: str | None
    lines: Sequence[str]


def worst_mistakes(kept: Predictions, output: str) -> list[Told]:
    """The photos that an output was surest of and had wrong, the surest first; unreadable ones are none of them."""
    p, valid = clean_answers(kept.answers[output])
    wrong = np.flatnonzero(valid & (decide(p) != kept.labels))
    rows = wrong[np.argsort(-np.abs(p[wrong] - 0.5), kind="stable")][:MOST]
    return [told(kept, row, output) for row in rows]


def told(kept: Predictions, row: int, output: str) -> Told:
    """A photo with its truth, what `output` said of it and what the others said."""
    name = kept.sample_ids[row]
    others = [f"{title_of(each)} {_said(p[row])}" for each, p in kept.answers.items() if each != output]
    truth = CLASS_NAMES[kept.labels[row]].replace("_", " ")
    lines = [f"truth: {truth}", f"{title_of(output)} said {_said(kept.answers[output][row])}", ", ".join(others)]
    return Told(name, kept.digests.get(name), [line for line in lines if line])


def photo_blocks(photos: Sequence[Told], root: Place | None, caption: str) -> list[Block]:
    """Thumbnails of those that are at hand, and a list of the others.

    Args:
        photos: which.
        root: the data's root; None if it is not known.
        caption: what they are.
    """
    pictures, missing = [], []
    for photo in photos:
        data = thumbnail(root, photo) if root is not None else None
        (missing if data is None else pictures).append(
            photo if data is None else Picture(data, photo.sample_id, photo.lines)
        )
    blocks: list[Block] = [Pictures(pictures, caption)] if pictures else []
    if missing:
        where = f"at {root}" if root else "known"
        blocks.append(
            Note(
                f"{len(missing)} of these photos are not, or no longer the same, {where}: they are listed without a "
                "picture. `kerasfusion report --data FOLDER` looks for them in another folder.",
                kind="missing",
            )
        )
        rows = [{"photo": photo.sample_id, "what was said": "; ".join(photo.lines)} for photo in missing]
        blocks.append(Table(rows, caption))
    return blocks


def thumbnail(root: Place, photo: Told) -> bytes | None:
    """A JPEG of at most 320 pixels a side, without the photo's metadata; None if it is not there or another one now."""
    relative = PurePosixPath(photo.sample_id)
    if relative.is_absolute() or ".." in relative.parts:  # a run folder may come from somebody else
        return None
    try:
        pixels, digest = read_image(root / relative)
    except ImageError:
        return None
    if photo.digest not in (None, digest):
        return None
    image, encoded = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


def _said(p: float) -> str:
    return "nothing" if np.isnan(p) else f"{p:.3f}"
