"""Odd and damaged metadata: the same upright pixels as without it."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from kerasfusion.images.decoding import decode_image

# Orientation -> what turns the stored pixels upright, by hand (EXIF 2.32, 4.6.4 A).
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 3),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}
PIXELS = np.random.default_rng(0).integers(0, 255, (6, 10, 3), dtype=np.uint8)


def entry(tag, kind, count, value):
    return struct.pack(">HHI4s", tag, kind, count, value)


def exif(orientation, *odd):
    """An EXIF block in big-endian order: the orientation and odd entries."""
    entries = sorted([entry(0x0112, 3, 1, struct.pack(">HH", orientation, 0)), *odd])
    ifd = struct.pack(">H", len(entries)) + b"".join(entries) + bytes(4)
    return b"Exif\0\0" + b"MM\0*" + struct.pack(">I", 8) + ifd


ODD = {
    "none": (),
    "width negative": (entry(0x0100, 9, 1, struct.pack(">i", -5)),),
    "resolution as text": (entry(0x011A, 2, 4, b"72\0\0"),),
    "offset beyond the end": (entry(0x010F, 2, 5000, struct.pack(">I", 60_000)),),
    "unknown type": (entry(0x0131, 99, 1, bytes(4)),),
    "rational without room": (entry(0x011B, 5, 1, struct.pack(">I", 65_000)),),
    "sub-IFD to nowhere": (entry(0x8769, 4, 1, struct.pack(">I", 64_000)),),
    "a tag of count 0": (entry(0x0132, 2, 0, bytes(4)),),
}


def encoded(form, **options):
    data = io.BytesIO()
    Image.fromarray(PIXELS).save(data, form, **options)
    return data.getvalue()


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("odd", ODD)
def test_only_the_orientation_counts(orientation, odd):
    block = exif(orientation, *ODD[odd])
    for form, options in (("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True})):
        plain = decode_image(encoded(form, **options))
        assert np.array_equal(decode_image(encoded(form, exif=block, **options)), UPRIGHT[orientation](plain)), form


def test_what_pillow_says_of_it_is_not_shown_without_a_files_name(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG", exif=exif(6, *ODD["offset beyond the end"])))
    program = "from kerasfusion.images.decoding import read_image; from pathlib import Path; read_image(Path('a.jpg'))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_an_orientation_that_is_none_leaves_the_pixels():
    for number in (0, 9, 60_000):
        assert np.array_equal(decode_image(encoded("PNG", exif=exif(number))), PIXELS)
    assert np.array_equal(decode_image(encoded("PNG", exif=b"Exif\0\0MM\0*\xff\xff")), PIXELS)


def chunk(kind, body, is_whole=True):
    crc = zlib.crc32(kind + body) ^ (not is_whole)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


@pytest.mark.parametrize(
    "odd",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"zTXt", b"Comment\0\0not packed"),
        chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"tEXt", b"Comment\0hello", is_whole=False),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"tIME", b"\0"),
        chunk(b"eXIf", b"MM", is_whole=False),
    ],
    ids=lambda odd: odd[4:8].decode(),
)
def test_a_png_with_an_odd_chunk_is_its_pixels(odd):
    data = encoded("PNG")
    assert np.array_equal(decode_image(data[:33] + odd + data[33:]), PIXELS)


def test_orientation_in_xmp_is_kept():
    packet = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = encoded("PNG")
    turned = data[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet) + data[33:]
    assert np.array_equal(decode_image(turned), np.rot90(PIXELS, 3))


def test_a_png_that_is_cut_is_still_refused():
    data = encoded("PNG")
    with pytest.raises(Exception, match="not a readable image"):
        decode_image(data[:-30])
