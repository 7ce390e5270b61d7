"""The kind of an encoded image, told from its first bytes."""

from kerasfusion.images.heif import is_heif
from kerasfusion.images.tiff_pages import TIFF_HEADS

_MAGIC = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"BM", ".bmp"),
    (b"GIF8", ".gif"),
)
_AVIF = (b"avif", b"avis")


def image_suffix(data: bytes) -> str | None:
    """The file suffix for an encoded image's real format, None where the bytes are no known format."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[:4] in TIFF_HEADS:
        return ".tif"
    if is_heif(data):
        return ".heic"
    if data[4:8] == b"ftyp" and data[8:12] in _AVIF:
        return ".avif"
    return next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), None)
