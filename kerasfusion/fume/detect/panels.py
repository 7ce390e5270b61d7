"""Pictures of samples: input, truth, prediction and overlay of each gas side by side."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.frames import resize_frame, resize_mask
from kerasfusion.fume.data.masks import COLOURS, GAS, coloured

COLUMNS = ("input", "truth", "prediction", "overlay")
"""Side by side, without "truth" where none is known."""

WIDTH = 320
"""Of one picture in a panel, pixels."""

SHARE = 0.45
"""Of the mask's colour in an overlay."""

OUTLINE = (204, 121, 167)
"""RGB of the true gas's edge in an overlay (reddish purple of the same palette)."""

GAP, LINE, MARGIN = 8, 22, 12
INK, PAPER, PALE = (20, 20, 20), (255, 255, 255), (236, 236, 236)


@dataclass(frozen=True)
class PanelRow:
    """One gas of a sample.

    Attributes:
        title: what stands at its left, for example "CO2".
        frame: (H, W) uint8 grey levels; None where the sample lacks the gas.
        truth, prediction: (H, W) uint8 masks of the frame's size; None where there is none.
    """

    title: str
    frame: np.ndarray | None
    truth: np.ndarray | None = None
    prediction: np.ndarray | None = None


def draw_panel(rows: Sequence[PanelRow], title: str) -> np.ndarray:
    """Draw a sample.

    Args:
        rows: one for each gas; a missing gas is a line of words.
        title: above the pictures; as many lines as it has.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    columns = [name for name in COLUMNS if name != "truth" or any(row.truth is not None for row in rows)]
    heights = [LINE if row.frame is None else scaled_height(row.frame) for row in rows]
    side = max(LINE * 3, *(int(_font().getlength(row.title)) + GAP * 2 for row in rows))
    top = MARGIN + LINE * (title.count("\n") + 2)
    width = side + len(columns) * (WIDTH + GAP) + MARGIN
    sheet = Image.new("RGB", (width, top + sum(heights) + len(rows) * GAP + LINE + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.multiline_text((MARGIN, MARGIN), title, INK, _font(), spacing=LINE - _font().size)
    for column, name in enumerate(columns):
        pen.text((side + column * (WIDTH + GAP) + WIDTH / 2, top - 4), name, INK, _font(), anchor="ms")
    y = top
    for row, height in zip(rows, heights, strict=True):
        pen.text((MARGIN, y + height / 2), row.title, INK, _font(), anchor="lm")
        pictures = row_pictures(row)
        for column, name in enumerate(columns):
            _place(sheet, pictures[name], row, (side + column * (WIDTH + GAP), y), height)
        y += height + GAP
    _draw_legend(pen, side, sheet.height - MARGIN - LINE / 2, "truth" in columns)
    return np.asarray(sheet)


def overlay(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A grey frame tinted where the mask has tube or gas: (H, W) uint8 twice -> (H, W, 3) uint8."""
    grey = np.repeat(frame[..., None], 3, axis=-1).astype(np.float32)
    tinted = (1 - SHARE) * grey + SHARE * coloured(mask)
    return np.where((mask > 0)[..., None], tinted, grey).round().astype(np.uint8)


def outline(shape: np.ndarray) -> np.ndarray:
    """The edge of a shape, two pixels wide and inside it; where it meets the picture's edge there is none.

    Args:
        shape: (H, W) bool.

    Returns:
        (H, W) bool.
    """
    inside = shape
    for _ in range(2):
        padded = np.pad(inside, 1, mode="edge")
        inside = inside & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return shape & ~inside


def row_pictures(row: PanelRow, width: int = WIDTH) -> dict[str, np.ndarray | None]:
    """The pictures of a row: {column: (H, width) or (H, width, 3) uint8}; None where there is nothing to show."""
    if row.frame is None:
        return dict.fromkeys(COLUMNS)
    height = scaled_height(row.frame, width)
    frame = resize_frame(row.frame, width, height)
    truth, prediction = (
        None if mask is None else resize_mask(mask, width, height) for mask in (row.truth, row.prediction)
    )
    tinted = None if prediction is None else overlay(frame, prediction)
    if tinted is not None and truth is not None:
        tinted[outline(truth == GAS)] = OUTLINE
    coloured_masks = (None if mask is None else coloured(mask) for mask in (truth, prediction))
    return dict(zip(COLUMNS, (frame, *coloured_masks, tinted), strict=True))


def spread(truth: Sequence[int], right: Sequence[bool | None], count: int, seed: int = 42) -> list[int]:
    """Choose samples of every state, answered rightly and wrongly, as evenly as there are any.

    Args:
        truth: (N,) true states.
        right: (N,) whether the answer was right; None where there is none.
        count: how many are chosen, at most.
        seed: of the choice.

    Returns:
        Numbers of samples, rising.
    """
    cells = defaultdict(list)
    for number in np.random.default_rng(seed).permutation(len(truth)):
        cells[right[number] is False, truth[number]].append(int(number))
    chosen: list[int] = []
    while len(chosen) < count and any(cells.values()):
        chosen += [cells[cell].pop() for cell in sorted(cells) if cells[cell]]
    return sorted(chosen[:count])


def _place(sheet: Image.Image, picture: np.ndarray | None, row: PanelRow, place: tuple[int, int], height: int) -> None:
    x, y = place
    if picture is not None:
        sheet.paste(Image.fromarray(picture).convert("RGB"), (x, y + (height - picture.shape[0]) // 2))
        return
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((x, y, x + WIDTH - 1, y + height - 1), PALE)
    words = f"no {row.title} frame" if row.frame is None else "none"
    pen.text((x + WIDTH / 2, y + height / 2), words, INK, _font(), anchor="mm")


def _draw_legend(pen: ImageDraw.ImageDraw, x: float, y: float, with_truth: bool) -> None:
    entries = [(tuple(map(int, colour)), name) for colour, name in zip(COLOURS, PIXEL_CLASSES, strict=True)]
    for colour, name in [*entries, *([(OUTLINE, "outline in the overlay: true gas")] if with_truth else [])]:
        pen.rectangle((x, y - 6, x + 16, y + 6), colour, INK)
        pen.text((x + 22, y), name, INK, _font(), anchor="lm")
        x += 40 + _font().getlength(name)


def scaled_height(picture: np.ndarray, width: int = WIDTH) -> int:
    """The height of a picture of this width."""
    return max(1, round(width * picture.shape[0] / picture.shape[1]))


def _font():
    return ImageFont.load_default(14)
