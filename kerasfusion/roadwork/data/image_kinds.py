"""The kind of an encoded image, told from its first bytes."""

_MAGIC = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"BM", ".bmp"),
    (b"GIF8", ".gif"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)
_BRANDS = {b"avif": ".avif", b"avis": ".avif", b"heic": ".heic", b"heix": ".heic", b"mif1": ".heic", b"msf1": ".heic"}


def image_suffix(data: bytes) -> str | None:
    """The file suffix for an encoded image's real format, None where the bytes are no known format."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    return next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), None)
