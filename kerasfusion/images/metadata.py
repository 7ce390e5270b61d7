"""What a photo's file says beside its pixels: of all that, the orientation is read, and nothing else.

Pillow interprets comments, profiles and camera tags when it opens a file, and again when it turns the picture; one odd
value among them and it refuses a whole photo. So JPEG, PNG and TIFF are handed to it without them.
"""

import re
import struct
import zlib

from PIL import Image

from kerasfusion.images.tiff_pages import TIFF_HEADS

UPRIGHT = 1
_TURNED = range(2, 9)
_ORIENTATION = 0x0112
_INTEGERS = {3: "H", 4: "L", 8: "h", 9: "l"}
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_MOST_TEXT = 1 << 20
"""Bytes of a compressed text that are looked at: what is longer is no camera's note."""


def split_metadata(data: bytes) -> tuple[bytes, int | None]:
    """Take from an encoded image what has no part in its pixels.

    Args:
        data: the encoded file.

    Returns:
        A file with the same pixels, as they are stored, and the orientation, 1..8. In formats other than JPEG, PNG and
        TIFF the file stays as it is, and None: `stored_orientation` tells it.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _split_jpeg(data)
    if data.startswith(_PNG):
        return _split_png(data)
    if data[:4] in TIFF_HEADS:
        return _split_tiff(data)
    return data, None


def stored_orientation(image: Image.Image) -> int:
    """The orientation, 1..8, of a picture that Pillow has opened and loaded."""
    if hasattr(image, "tag_v2"):
        return UPRIGHT  # Pillow turns a TIFF when it loads it
    exif = image.info.get("exif") or b""
    xmp = image.info.get("XML:com.adobe.xmp") or image.info.get("xmp") or b""
    if not exif and isinstance(image.info.get("Raw profile type exif"), str):
        exif = _from_hex(image.info["Raw profile type exif"].encode("ascii", "replace"))
    return _orientation(exif, xmp.encode() if isinstance(xmp, str) else xmp)


def _orientation(exif: bytes, xmp: bytes) -> int:
    """By EXIF, or where that has none, by XMP."""
    found = _exif_orientation(exif)
    if found is None:
        match = _XMP_ORIENTATION.search(xmp)
        found = int(match[1]) if match else UPRIGHT
    return found if found in _TURNED else UPRIGHT


def _exif_orientation(exif: bytes) -> int | None:
    while exif.startswith(_EXIF):
        exif = exif[len(_EXIF) :]
    directory = _Directory.of(exif)
    return directory.integer(_ORIENTATION) if directory is not None else None


class _Directory:
    """The first directory of a TIFF structure, which is what EXIF is: its entries, as far as they are there.

    Attributes:
        order: "<" or ">".
        entries: (tag, kind, bytes of the whole entry).
        whole: whether that is all of them.
    """

    def __init__(self, data: bytes, order: str, big: bool):
        self.order = order
        self._number, self._word, size = ("Q", "Q", 20) if big else ("H", "L", 12)
        (self._start,) = struct.unpack_from(order + self._word, data, 8 if big else 4)
        (count,) = struct.unpack_from(order + self._number, data, self._start)
        first = self._start + struct.calcsize(order + self._number)
        rows = (data[place : place + size] for place in range(first, min(first + count * size, len(data)), size))
        self.entries = [(*struct.unpack_from(order + "HH", row), row) for row in rows if len(row) == size]
        self.whole = len(self.entries) == count

    @classmethod
    def of(cls, data: bytes) -> "_Directory | None":
        """Of bytes that begin as a TIFF does; None if they do not, or end before the directory."""
        if data[:4] not in TIFF_HEADS:
            return None
        order, big = TIFF_HEADS[data[:4]]
        try:
            return cls(data, order, big)
        except struct.error:
            return None

    def integer(self, tag: int) -> int | None:
        """The last single integer under a tag."""
        found = None
        for each, kind, row in self.entries:
            if each == tag and kind in _INTEGERS:
                (count,) = struct.unpack_from(self.order + self._word, row, 4)
                if count == 1:
                    place = 4 + struct.calcsize(self.order + self._word)
                    (found,) = struct.unpack_from(self.order + _INTEGERS[kind], row, place)
        return found

    def keep(self, data: bytes, tags: frozenset[int]) -> bytes:
        """The file that the directory is of with these tags alone, and nothing moved."""
        rows = [row for tag, _, row in self.entries if tag in tags]
        head = struct.pack(self.order + self._number, len(rows))
        shorter = head + b"".join(rows) + struct.pack(self.order + self._word, 0)
        return data[: self._start] + shorter + data[self._start + len(shorter) :]


_TIFF_PIXELS = frozenset(
    {
        *(256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284),  # size, samples, compression, strips
        *(292, 293, 317, 320, 322, 323, 324, 325),  # fax options, predictor, palette, tiles
        *(332, 334, 338, 339, 347, 512, 513, 514, 515, 519, 520, 521, 529, 530, 531, 532),  # inks, alpha, JPEG, YCbCr
        50674,  # LERC
    }
)
"""Tags without which the pixels cannot be read, or would be others."""


def _split_tiff(data: bytes) -> tuple[bytes, int | None]:
    directory = _Directory.of(data)
    if directory is None or not directory.whole:
        return data, None
    orientation = directory.integer(_ORIENTATION)
    return directory.keep(data, _TIFF_PIXELS), orientation if orientation in _TURNED else UPRIGHT


def _split_jpeg(data: bytes) -> tuple[bytes, int]:
    """Without comments and what applications left, but for JFIF and Adobe, by which colours are understood."""
    kept, place, exif, xmp = [data[:2]], 2, b"", b""
    while (place := data.find(b"\xff", place)) >= 0:
        marker = data[place + 1 : place + 2]
        if marker == b"\xff":  # fill
            place += 1
            continue
        if not marker or marker == b"\xda":  # from here on there are pixels
            break
        if marker == b"\0" or marker == b"\x01" or b"\xd0" <= marker <= b"\xd7":  # stands alone
            place += 2
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if end < place + 4 or end > len(data):
            break
        body = data[place + 4 : end]
        if marker == b"\xe1" and body.startswith(_EXIF):
            exif += body[len(_EXIF) :] if exif else body
        elif marker == b"\xe1" and body.startswith(_XMP):
            xmp = body
        if _says_colours(marker, body) or not (b"\xe0" <= marker <= b"\xef" or marker == b"\xfe"):
            kept.append(data[place:end])
        place = end
    if place >= 0:
        kept.append(data[place:])
    return b"".join(kept), _orientation(exif, xmp)


def _says_colours(marker: bytes, body: bytes) -> bool:
    """Whether a segment is a whole JFIF or Adobe one: by these a decoder knows what the samples stand for."""
    jfif = marker == b"\xe0" and body.startswith(b"JFIF\0") and len(body) >= 14
    return jfif or (marker == b"\xee" and body.startswith(b"Adobe") and len(body) >= 12)


_PNG = b"\x89PNG\r\n\x1a\n"


def _split_png(data: bytes) -> tuple[bytes, int]:
    """The critical chunks, whose names begin with a capital."""
    kept, place, exif, raw, xmp = [_PNG], len(_PNG), b"", b"", b""
    while place + 12 <= len(data):
        kind, end = data[place + 4 : place + 8], place + 12 + int.from_bytes(data[place : place + 4], "big")
        if end > len(data):
            break
        if kind[:1].isupper():
            kept.append(data[place:end])
        elif kind == b"eXIf":
            exif = data[place + 8 : end - 4]
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            name, text = _text(kind, data[place + 8 : end - 4])
            if name == b"Raw profile type exif":
                raw = _from_hex(text)
            elif name == b"XML:com.adobe.xmp":
                xmp = text
        place = end
    kept.append(data[place:])
    return b"".join(kept), _orientation(exif or raw, xmp)


def _text(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    """A text chunk's name and text."""
    name, _, text = body.partition(b"\0")
    packed = False
    if kind == b"zTXt":
        packed, text = True, text[1:]
    elif kind == b"iTXt":
        packed = text[:1] == b"\1"
        text = text[2:].partition(b"\0")[2].partition(b"\0")[2]
    if packed:
        try:
            text = zlib.decompressobj().decompress(text, _MOST_TEXT)
        except zlib.error:
            text = b""
    return name, text


def _from_hex(text: bytes) -> bytes:
    """The bytes in a profile that ImageMagick writes: an empty line, its name, its length, then digits."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""
