"""A moment as a picture of the written film: the frames at their own size side by side, masks over them."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.data.frames import resize_frame, resize_mask
from kerasfusion.fume.detect.panels import overlay
from kerasfusion.fume.films.alignment import Moment
from kerasfusion.fume.films.measuring import GAS_NAMES, Row

LINE = 20
"""Height of each of the two lines of words above the pictures, pixels: the moment, and the gases."""


class OverlayPainter:
    """Paints moments, all of one size: that of each gas's first frame.

    Args:
        sizes: {gas: (H, W)}, left to right.
    """

    def __init__(self, sizes: Mapping[str, tuple[int, int]]):
        self._sizes = dict(sizes)
        self._font = ImageFont.load_default(13)
        self.height = 2 * LINE + max(height for height, _ in self._sizes.values())
        self.width = sum(width for _, width in self._sizes.values())

    def paint(self, moment: Moment, masks: Mapping[str, np.ndarray], row: Row) -> np.ndarray:
        """(H, W, 3) uint8 RGB; a gas that was not filmed then is black, and said to be missing."""
        sheet = Image.new("RGB", (self.width, self.height))
        pen, left = ImageDraw.Draw(sheet), 0
        for gas, (height, width) in self._sizes.items():
            words = f"no {gas.upper()}"
            if (shot := moment.shots.get(gas)) is not None:
                mask = masks.get(gas, masks.get("union"))
                picture = resize_frame(shot.levels, width, height)
                mask = np.zeros((height, width), np.uint8) if mask is None else resize_mask(mask, width, height)
                sheet.paste(Image.fromarray(overlay(picture, mask)), (left, 2 * LINE))
                words = self._words(gas, row)
            pen.text((left + 4, 1.5 * LINE), words, (255, 255, 255), self._font, anchor="lm")
            left += width
        told = f"{row.time:.2f} s"
        if row.smoothed is not None:
            told += f"  {STATES[int(row.smoothed.argmax())]} {row.smoothed.max():.2f}"
        pen.text((4, LINE / 2), told, (255, 255, 255), self._font, anchor="lm")
        return np.asarray(sheet)

    def _words(self, gas: str, row: Row) -> str:
        plume = row.plumes.get(gas, row.plumes.get("union"))
        return gas.upper() if plume is None else f"{GAS_NAMES[gas]} {plume.percent:.2f} %"
