"""HEIC photos, as telephones write them: read by Pillow once pillow-heif has registered itself with it."""

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def is_heif(data: bytes) -> bool:
    """Whether an encoded image is HEIF with HEVC pixels (an AVIF is not: Pillow reads that itself)."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def register_reader() -> bool:
    """Let Pillow open HEIC; False where the optional library pillow-heif is not installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True
