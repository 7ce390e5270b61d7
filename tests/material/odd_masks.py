"""Masks as label tools write them: the classes 0 background, 1 tube, 2 gas in other containers, and what is no mask."""

import zlib

import numpy as np
from PIL import Image

from tests.material.image_metadata import chunk, entry, exif, with_chunk
from tests.material.odd_photos import encoded

HUGE_TEXT = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(70_000_000), 1))


def in_channel(number):
    def make(mask):
        pixels = np.zeros((*mask.shape, 3), np.uint8)
        pixels[..., number] = mask
        return encoded(Image.fromarray(pixels), "PNG")

    return make


def with_palette(mask):
    image = Image.fromarray(mask, "L")
    image.putpalette([0, 0, 0, 230, 159, 0, 86, 180, 233, *bytes(759)])
    return encoded(image, "PNG")


def stored_turned(mask):
    return encoded(Image.fromarray(np.rot90(mask, 1)), "PNG", exif=exif(6, entry(0x0100, 9, 1, bytes(4))))


def of_type(dtype, form, factor=1):
    return lambda mask: encoded(Image.fromarray(mask.astype(dtype) * factor), form)


COLOURS = np.array([[0, 0, 0], [0, 128, 0], [128, 0, 0]], np.uint8)
ONE_HOT = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.uint8)
MASKS = {
    "8 bits": (of_type(np.uint8, "PNG"), ""),
    "16 bits": (of_type(np.uint16, "PNG"), ""),
    "16 bits in a TIFF": (of_type(np.uint16, "TIFF"), ""),
    "32 bits": (of_type(np.int32, "TIFF"), ""),
    "a palette": (with_palette, ""),
    "the class in red": (in_channel(0), ""),
    "the class in green": (in_channel(1), ""),
    "the class in blue": (in_channel(2), ""),
    "three equal channels": (lambda mask: encoded(Image.fromarray(mask).convert("RGB"), "PNG"), ""),
    "grey and alpha": (lambda mask: encoded(Image.fromarray(mask).convert("LA"), "PNG"), ""),
    "red, green, blue and alpha": (lambda mask: encoded(Image.fromarray(mask).convert("RGBA"), "PNG"), ""),
    "turned by its EXIF": (stored_turned, ""),
    "a large text": (lambda mask: with_chunk(of_type(np.uint8, "PNG")(mask), HUGE_TEXT), ""),
    "a damaged text": (
        lambda mask: with_chunk(of_type(np.uint8, "PNG")(mask), chunk(b"tEXt", b"a", is_whole=False)),
        "",
    ),
    "colours": (lambda mask: encoded(Image.fromarray(COLOURS[mask]), "PNG"), "the pixels are colours"),
    "a class a channel": (lambda mask: encoded(Image.fromarray(ONE_HOT[mask]), "PNG"), "the pixels are colours"),
    "0, 127 and 254": (of_type(np.uint8, "PNG", 127), "the mask holds 0, 127, 254"),
    "the high byte of 16 bits": (of_type(np.uint16, "PNG", 256), "the mask holds 0, 256, 512"),
    "negative numbers": (of_type(np.int32, "TIFF", -1), "the mask holds -2, -1, 0"),
    "floats": (of_type(np.float32, "TIFF"), "floating-point pixels are no numbers of classes"),
    "cut": (lambda mask: of_type(np.uint8, "PNG")(mask)[:-30], "not a readable image"),
    "a strip": (lambda mask: encoded(Image.new("P", (60_000, 1)), "PNG"), "60000 x 1 pixels, which is no photo's"),
    "a bomb": (lambda mask: encoded(Image.new("P", (9_000, 8_000)), "PNG"), "72,000,000 pixels"),
    "nothing": (lambda mask: b"", "the file is empty"),
}
"""What -> (mask (H, W) uint8 -> file, words that refuse it or '' where it is read)."""
