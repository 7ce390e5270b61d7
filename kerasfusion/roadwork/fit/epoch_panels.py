"""A grid of held-out photos with what each branch, and the fusion where it is trained too, says of them."""

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from kerasfusion.images.decoding import read_image
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.fit.training_data import Photos

COUNT, COLUMNS = 8, 4
WIDTH, HEIGHT = 260, 180
"""Of a photo's place in the grid, pixels."""

LINE, GAP, NAME = 18, 12, 112
INK, PAPER, PALE = (20, 20, 20), (255, 255, 255), (228, 228, 228)
RIGHT, WRONG = (0, 114, 178), (213, 94, 0)
"""RGB of an answer's bar (blue and vermilion of Okabe and Ito's palette)."""

CAPTION = "bars: P(roadwork); blue is right, orange is wrong"


class EpochPanels:
    """Draws the same photos, as many of each class, each time it is called.

    Args:
        photos: held-out ones, with their cached probabilities.
        gather: numbers of rows -> the arrays that the trained graph reads, by name.
        max_pixels: largest photo that is decoded.

    Attributes:
        photos: the same.
        numbers: (K,) int64, the rows that are drawn: photos, none of their challenges.
    """

    def __init__(self, photos: Photos, gather: Callable[[np.ndarray], Mapping[str, np.ndarray]], max_pixels: int):
        self.photos, self._gather = photos, gather
        self.numbers = photos.originals[_spread(photos.labels[photos.originals])]
        paths = (photos.samples[number // photos.views].path for number in self.numbers)
        self._views = [_view(read_image(path, max_pixels)[0]) for path in paths]

    def __call__(self, graph) -> np.ndarray:
        """Ask the graph that is being trained, which says "efficientnetv2" and perhaps "fusion".

        Returns:
            (H, W, 3) uint8.
        """
        import keras

        arrays = self._gather(self.numbers)
        inputs = {name: keras.ops.convert_to_tensor(arrays[name], "float32") for name in graph.input}
        trained = graph(inputs, training=False)
        return self.draw({name: np.asarray(probs)[:, 1] for name, probs in trained.items()})

    def draw(self, trained: Mapping[str, np.ndarray]) -> np.ndarray:
        """Draw the photos with the cached answers and these.

        Args:
            trained: output -> (K,) P(roadwork) of the grid's photos.

        Returns:
            (H, W, 3) uint8.
        """
        photos, numbers = self.photos, self.numbers
        answers = {"vit": photos.vit_probs[numbers, 1], "yolo": photos.yolo_probs[numbers, 1], **trained}
        order = [name for name in ("fusion", "vit", "yolo", "efficientnetv2", "vit_adapted") if name in answers]
        cell = HEIGHT + (len(order) + 1) * LINE + GAP * 2
        rows = -(-len(numbers) // COLUMNS)
        sheet = Image.new("RGB", (COLUMNS * (WIDTH + GAP) + GAP, rows * cell + GAP + LINE), PAPER)
        pen = ImageDraw.Draw(sheet)
        pen.text((GAP, sheet.height - LINE - 4), CAPTION, INK, ImageFont.load_default(13))
        for place, (number, view) in enumerate(zip(numbers, self._views, strict=True)):
            corner = (GAP + place % COLUMNS * (WIDTH + GAP), GAP + place // COLUMNS * cell)
            sheet.paste(view, corner)
            label = int(photos.labels[number])
            said = {name: float(answers[name][place]) for name in order}
            _draw_answers(pen, corner, label, said)
        return np.asarray(sheet)


def _spread(labels: np.ndarray) -> np.ndarray:
    """As many photos of each class as there are, evenly over the sorted names."""
    chosen = []
    for label in range(len(CLASS_NAMES)):
        rows = np.flatnonzero(labels == label)
        chosen += [int(rows[i]) for i in np.linspace(0, len(rows) - 1, min(COUNT // 2, len(rows))).round().astype(int)]
    return np.array(chosen, np.int64)


def _view(pixels: np.ndarray) -> Image.Image:
    return ImageOps.pad(Image.fromarray(pixels), (WIDTH, HEIGHT), Image.Resampling.BILINEAR, PALE)


def _draw_answers(pen: ImageDraw.ImageDraw, corner: tuple[int, int], label: int, said: Mapping[str, float]) -> None:
    x, y = corner[0], corner[1] + HEIGHT + 4
    font = ImageFont.load_default(13)
    pen.text((x, y), f"truth: {CLASS_NAMES[label].replace('_', ' ')}", INK, font)
    length = WIDTH - NAME - 44
    for name, p in said.items():
        y += LINE
        pen.text((x, y), name, INK, font)
        pen.rectangle((x + NAME, y + 3, x + NAME + length, y + 13), PALE)
        # The subnet rounds at 0.5, and a half to the even 0.
        colour = RIGHT if (p > 0.5) == bool(label) else WRONG
        pen.rectangle((x + NAME, y + 3, x + NAME + round(p * length), y + 13), colour)
        pen.text((x + WIDTH, y), f"{p:.2f}", INK, font, anchor="ra")
