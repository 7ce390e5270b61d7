"""One picture of what all runs of an ablation say of the same few samples."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kerasfusion.fume.ablate.plan import compared_samples
from kerasfusion.fume.ablate.results import Result
from kerasfusion.fume.config_types import PIXEL_CLASSES
from kerasfusion.fume.data.annotations import GASES, STATES
from kerasfusion.fume.data.frame_reading import read_frame
from kerasfusion.fume.data.frames import resize_frame, resize_mask
from kerasfusion.fume.data.masks import COLOURS, GAS, coloured, union_of
from kerasfusion.fume.data.samples import Sample
from kerasfusion.fume.detect.panels import INK, MARGIN, OUTLINE, PALE, PAPER, outline, spread
from kerasfusion.fume.evaluate.split import read_truth
from kerasfusion.fume.mask_files.reading import read_mask
from kerasfusion.images.png import write_png

SAMPLES = 3
WIDTH, GAP, LINE = 176, 6, 16


def write_comparison_panels(results: Sequence[Result], path: Path) -> bool:
    """Draw some test samples with the masks that each run saved of them.

    Args:
        results: finished runs; the samples are the first one's. Only runs that learned masks, and of the
            same files, are drawn.
        path: the PNG to write.

    Returns:
        Whether there was anything to draw.

    Raises:
        ImageError: a frame or a mask cannot be read.
    """
    root = results[0].config.data.dataset_root
    shown = [result for result in results if result.masks]
    shown = [result for result in shown if result.config.data.dataset_root == root]
    if not shown:
        return False
    samples = choose_samples(compared_samples(results[0].config))
    rows = [_row(sample, gas, shown, root) for sample in samples for gas in sample.frames]
    write_png(path, _draw(["input", "truth", *(result.name for result in shown)], rows))
    return True


def choose_samples(samples: Sequence[Sample]) -> list[Sample]:
    """A sample of each state, pairs if there are any; always the same ones of the same samples."""
    pairs = [sample for sample in samples if sample.is_paired] or list(samples)
    return [pairs[number] for number in spread([sample.class_id for sample in pairs], [None] * len(pairs), SAMPLES)]


def _row(sample: Sample, gas: str, shown: Sequence[Result], root: Path) -> tuple[str, list[np.ndarray | str]]:
    """What stands at the left, and a picture, or words instead, for each column."""
    data = shown[0].config.data
    grey = read_frame(root / sample.frames[gas].frame_path, data.frames)
    size = (WIDTH, max(1, round(WIDTH * grey.shape[0] / grey.shape[1])))
    masks = read_truth(sample, root, data.masks)
    truths = {name: resize_mask(mask, *size) for name, mask in masks.items()}
    edges = {"mask": union_of(truths.values()), gas: truths[gas]}
    edges = {name: outline(mask == GAS) for name, mask in edges.items()}
    pictures: list[np.ndarray | str] = [_rgb(resize_frame(grey, *size)), coloured(truths[gas])]
    pictures += [_mask_picture(result, sample, gas, size, edges) for result in shown]
    return f"{STATES[sample.class_id]}\n{gas.upper()}", pictures


def _mask_picture(
    result: Result, sample: Sample, gas: str, size: tuple[int, int], edges: dict[str, np.ndarray]
) -> np.ndarray | str:
    """The saved mask with the edge of the true gas, or why there is none."""
    if result.config.data.gases not in ("both", gas):
        return f"was not given\n{gas.upper()}"
    joins = "mask" in result.masks and result.config.data.gases == "both"
    if joins and gas != next(iter(sample.frames)):
        return "one mask of\nboth gases:\nsee above"
    path = result.config.run_folder / "masks" / Path(sample.frames[gas].frame_path).with_suffix(".png")
    if not path.is_file():
        return "no saved mask"
    picture = coloured(resize_mask(read_mask(path), *size))
    picture[edges["mask" if joins else gas]] = OUTLINE
    return picture


def _draw(titles: Sequence[str], rows: Sequence[tuple[str, list[np.ndarray | str]]]) -> np.ndarray:
    font = ImageFont.load_default(12)
    side = MARGIN + max(int(font.getlength(line)) for name, _ in rows for line in name.split("\n")) + GAP
    columns = [_wrapped(title, font) for title in titles]
    top = MARGIN + LINE * max(title.count("\n") + 1 for title in columns) + GAP
    heights = [pictures[0].shape[0] for _, pictures in rows]
    # A wider gap between samples: a sample's gases belong together.
    gaps = [GAP * 3 if name.endswith(GASES[0].upper()) and number else GAP for number, (name, _) in enumerate(rows)]
    width = side + len(titles) * (WIDTH + GAP) + MARGIN
    sheet = Image.new("RGB", (width, top + sum(heights) + sum(gaps) + LINE * 2 + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(columns):
        x = side + column * (WIDTH + GAP) + WIDTH / 2
        pen.multiline_text((x, top - GAP), title, INK, font, anchor="md", align="center")
    y = top
    for (name, pictures), height, gap in zip(rows, heights, gaps, strict=True):
        y += gap - GAP
        pen.multiline_text((MARGIN, y + height / 2), name, INK, font, anchor="lm")
        for column, picture in enumerate(pictures):
            _place(sheet, pen, picture, (side + column * (WIDTH + GAP), y), height, font)
        y += height + GAP
    _draw_legend(pen, side, sheet.height - MARGIN - LINE / 2, font)
    return np.asarray(sheet)


def _place(sheet, pen, picture: np.ndarray | str, place: tuple[int, int], height: int, font) -> None:
    if not isinstance(picture, str):
        sheet.paste(Image.fromarray(picture), place)
        return
    x, y = place
    pen.rectangle((x, y, x + WIDTH - 1, y + height - 1), PALE)
    pen.multiline_text((x + WIDTH / 2, y + height / 2), picture, INK, font, anchor="mm", align="center")


def _draw_legend(pen, x: float, y: float, font) -> None:
    entries = [(tuple(map(int, colour)), name) for colour, name in zip(COLOURS, PIXEL_CLASSES, strict=True)]
    for colour, name in [*entries, (OUTLINE, "edge of the true gas")]:
        pen.rectangle((x, y - 5, x + 14, y + 5), colour, INK)
        pen.text((x + 20, y), name, INK, font, anchor="lm")
        x += 40 + font.getlength(name)


def _wrapped(title: str, font) -> str:
    letters = int(WIDTH / (font.getlength("abcdefghij") / 10))
    return "\n".join(textwrap.wrap(title, letters, break_on_hyphens=True))


def _rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)
