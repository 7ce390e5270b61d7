"""What a photo's metadata says of its pixels, read so that odd or damaged metadata never costs the picture."""

import struct
import zlib

from PIL import Image

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PNG = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"tRNS", b"eXIf")
_XMP = b"XML:com.adobe.xmp\0"
_MAX_XMP = 2**20


def turned_upright(image: Image.Image) -> Image.Image:
    """The picture turned as its orientation (EXIF tag 0x0112, or XMP's) says; as it is where there is none.

    `ImageOps.exif_transpose` also writes all other tags anew, and fails where one of them is odd.
    """
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # Pillow raises what its parsers raise: struct.error, SyntaxError, ValueError, TypeError, ...
        return None


def without_text(data: bytes) -> bytes:
    """A PNG without the chunks that say nothing of its pixels; other formats, and what is no whole PNG, as they are.

    Pillow reads a PNG's texts and colour profiles before its pixels, and refuses the file where one of them is damaged
    or unpacks to more than a megabyte. Kept are all critical chunks, transparency, EXIF, and XMP of up to a megabyte.
    """
    if not data.startswith(_PNG):
        return data
    kept, place = [_PNG], len(_PNG)
    while place < len(data):
        head = data[place : place + 8]
        if len(head) < 8:
            return data
        length, kind = struct.unpack(">I4s", head)
        chunk = data[place : place + length + 12]
        if len(chunk) < length + 12:
            return data
        if _is_critical(kind) or (_is_of_use(kind, chunk) and _is_whole(chunk)):
            kept.append(chunk)
        place += length + 12
        if kind == b"IEND":
            break
    return b"".join(kept)


def _is_critical(kind: bytes) -> bool:
    return not kind[0] & 0x20  # PNG specification, 5.4: the first letter is upper case


def _is_of_use(kind: bytes, chunk: bytes) -> bool:
    return kind in _KEPT or (kind == b"iTXt" and chunk[8:].startswith(_XMP) and len(chunk) <= _MAX_XMP)


def _is_whole(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
