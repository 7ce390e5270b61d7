"""Pictures of samples for a page: frames, true masks and answers as strips; what is to be read stands in the page."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kerasfusion.fume.config import MODEL
from kerasfusion.fume.data.samples import Sample
from kerasfusion.fume.detect.answer_panels import answer_rows
from kerasfusion.fume.detect.answering import Network
from kerasfusion.fume.detect.panels import PanelRow, row_pictures
from kerasfusion.fume.evaluate.split import read_truth
from kerasfusion.fume.report.limits import same_model
from kerasfusion.fume.report.run import Run

WIDTH, GAP = 200, 4
"""Of one picture of a strip and between two, pixels."""

GREY = (128, 128, 128)
QUALITY = 88
"""Of the JPEGs."""

STRIP = (
    "a row a gas, CO2 first; from left to right the frame, the true mask, the answered mask, and the answer over the "
    "frame. Blue is tube, orange gas; a purple outline is the true gas"
)
"""What a strip shows, for captions."""


def data_root(run: Run, data: Path | None) -> Path:
    """Where the evaluated frames lie: as it was said now, as they were evaluated, or as the run was trained."""
    if data is not None:
        return data
    asked = Path(run.record.get("data_root", run.config.data.dataset_root))
    return asked if asked.is_dir() else run.config.data.dataset_root


def why_not_drawn(run: Run, samples: Sequence[Sample], root: Path) -> str | None:
    """Why samples cannot be drawn again; None if they can."""
    if not same_model(run):
        return f"the file that answered ({run.record.get('model', MODEL)}) is not in the run folder any more"
    frames = [frame for sample in samples for frame in sample.frames.values()]
    names = (name for frame in frames for name in (frame.frame_path, frame.mask_path))
    if gone := next((name for name in names if not (root / name).is_file()), None):
        return f"frames are not at hand, such as {root / gone}"
    return None


def answer_strip(network: Network, sample: Sample, root: Path) -> bytes:
    """Answer a sample again and draw it: a JPEG.

    Raises:
        ImageError: a file cannot be read.
    """
    return draw_strip(answered_rows(network, sample, root))


def answered_rows(network: Network, sample: Sample, root: Path) -> list[PanelRow]:
    """What is drawn of a sample that is answered again; without the gases that it lacks."""
    frames = network.read_frames({gas: root / frame.frame_path for gas, frame in sample.frames.items()})
    (answer,) = network.answer([network.prepare(frames)])
    rows = answer_rows(network, frames, answer, read_truth(sample, root, network.masks))
    return [row for row in rows if row.frame is not None]


def draw_strip(rows: Sequence[PanelRow], others: Sequence[PanelRow] = ()) -> bytes:
    """Draw rows below each other.

    Args:
        rows: with frames.
        others: what another network said of the same frames, row by row: its overlay stands at the right end, in the
            place of both answered masks.

    Returns:
        A JPEG.
    """
    lines = [[picture for picture in row_pictures(row, WIDTH).values() if picture is not None] for row in rows]
    if others:
        overlays = [row_pictures(other, WIDTH)["overlay"] for other in others]
        lines = [
            [pictures[0], pictures[1], pictures[-1], *([extra] if extra is not None else [])]
            for pictures, extra in zip(lines, overlays, strict=True)
        ]
    heights = [max(picture.shape[0] for picture in line) for line in lines]
    columns = max(len(line) for line in lines)
    size = (columns * (WIDTH + GAP) - GAP, sum(heights) + GAP * (len(lines) - 1))
    sheet, y = Image.new("RGB", size, GREY), 0
    for line, height in zip(lines, heights, strict=True):
        for column, picture in enumerate(line):
            sheet.paste(Image.fromarray(np.ascontiguousarray(picture)).convert("RGB"), (column * (WIDTH + GAP), y))
        y += height + GAP
    encoded = io.BytesIO()
    sheet.save(encoded, "JPEG", quality=QUALITY, subsampling=0)
    return encoded.getvalue()
