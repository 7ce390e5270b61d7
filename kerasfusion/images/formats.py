"""The formats of pictures that are opened."""

from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
"""Pillow's names of what is opened. It knows many more; for some it starts other programs (Ghostscript for EPS)."""
_PLUGINS = ("Jpeg", "Png", "WebP", "Bmp", "Tiff", "Gif", "Avif")


def open_image(source: Path | BinaryIO) -> Image.Image:
    """Image.open for FORMATS alone, as far as this Pillow has them.

    Raises:
        What Pillow raises on anything else and on damaged files.
    """
    _load_plugins()
    return Image.open(source, formats=[name for name in FORMATS if name in Image.OPEN])


@cache
def _load_plugins() -> None:
    """What Image.init would load is forty more, which takes as long as several photos."""
    for name in _PLUGINS:
        with suppress(ImportError):  # Pillow reads AVIF since 11.3
            import_module(f"PIL.{name}ImagePlugin")
