"""The pages of a TIFF: where their directories lie, and the file that begins with one of them."""

import struct

from PIL import Image

TIFF_HEADS = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
"""First bytes -> byte order, and whether it is a BigTIFF."""
_KIND, _REDUCED = 254, 1
"""The tag of a page's kind, and the bit in it that says: a smaller copy of another page."""


def page_offsets(data: bytes) -> list[int]:
    """Where the directory of each page lies, smaller copies of another page left out; empty for what is no TIFF."""
    if data[:4] not in TIFF_HEADS:
        return []
    order, big = TIFF_HEADS[data[:4]]
    number, word, size = ("Q", "Q", 20) if big else ("H", "L", 12)
    found, seen = [], set()
    try:
        (place,) = struct.unpack_from(order + word, data, 8 if big else 4)
        while place and place not in seen:
            seen.add(place)
            (count,) = struct.unpack_from(order + number, data, place)
            first = place + struct.calcsize(order + number)
            if not _is_reduced(data, order, range(first, first + count * size, size), 12 if big else 8):
                found.append(place)
            (place,) = struct.unpack_from(order + word, data, first + count * size)
    except struct.error:  # cut short: its reader says so
        pass
    return found


def starting_at(data: bytes, offset: int) -> bytes:
    """The same TIFF with the page whose directory lies at `offset` as its first."""
    order, big = TIFF_HEADS[data[:4]]
    place, word = (8, "Q") if big else (4, "L")
    head = data[:place] + struct.pack(order + word, offset)
    return head + data[len(head) :]


def is_reduced(image: Image.Image) -> bool:
    """Whether the current page of an opened TIFF is a smaller copy of another."""
    return bool(getattr(image, "tag_v2", {}).get(_KIND, 0) & _REDUCED)


def _is_reduced(data: bytes, order: str, rows: range, value: int) -> bool:
    """Whether a directory, entry by entry, says that its page is a smaller copy."""
    for row in rows:
        (tag,) = struct.unpack_from(order + "H", data, row)
        if tag == _KIND:
            return bool(struct.unpack_from(order + "L", data, row + value)[0] & _REDUCED)
    return False
