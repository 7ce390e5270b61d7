"""Odd and damaged metadata: the same upright pixels as without it."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from kerasfusion.images import decoding
from kerasfusion.images.decoding import ImageError, decode_image
from tests.material.image_metadata import chunk, entry, exif, with_chunk

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
    assert np.array_equal(decode_image(with_chunk(data, odd)), PIXELS)


def test_orientation_in_xmp_is_kept():
    packet = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = encoded("PNG")
    turned = with_chunk(data, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))
    assert np.array_equal(decode_image(turned), np.rot90(PIXELS, 3))


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
def test_orientation_in_a_profile_of_imagemagick_is_kept(orientation, kind):
    block = exif(orientation)
    text = b"\nexif\n" + str(len(block)).rjust(8).encode() + b"\n" + block.hex().encode() + b"\n"
    body = b"Raw profile type exif\0" + (b"\0" + zlib.compress(text) if kind == b"zTXt" else text)
    data = encoded("PNG")
    turned = decode_image(with_chunk(data, chunk(kind, body)))
    assert np.array_equal(turned, UPRIGHT[orientation](PIXELS))


def tiff(orientation, *odd):
    """An uncompressed little-endian TIFF of PIXELS: its directory first, then the one strip."""
    height, width, _ = PIXELS.shape

    def entries(strip):
        short = {258: 8, 259: 1, 262: 2, 274: orientation, 277: 3}
        long = {256: width, 257: height, 273: strip, 278: height, 279: PIXELS.size}
        known = [struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in short.items() if tag != 258]
        known += [struct.pack("<HHII", tag, 4, 1, value) for tag, value in long.items()]
        known.append(struct.pack("<HHII", 258, 3, 3, strip - 6))
        return sorted([*known, *odd], key=lambda row: struct.unpack("<H", row[:2]))

    strip = 8 + 2 + 12 * len(entries(6)) + 4 + 6
    rows = entries(strip)
    head = b"II*\0" + struct.pack("<IH", 8, len(rows)) + b"".join(rows) + bytes(4) + struct.pack("<3H", 8, 8, 8)
    return head + PIXELS.tobytes()


ODD_TIFF = {
    "none": (),
    "XMP as a number": (struct.pack("<HHIi", 0x02BC, 9, 1, -5),),
    "resolution as text": (struct.pack("<HHI4s", 0x011A, 2, 4, b"72\0\0"),),
    "EXIF before the file": (struct.pack("<HHIi", 0x8769, 9, 1, -5),),
    "more values than bytes": (struct.pack("<HHII", 0x0000, 4, 2**31, 4),),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("odd", ODD_TIFF)
def test_odd_tags_cost_no_tiff(orientation, odd):
    assert np.array_equal(decode_image(tiff(orientation, *ODD_TIFF[odd])), UPRIGHT[orientation](PIXELS))


def test_a_tiff_that_is_cut_is_still_refused():
    for order in (tiff(6), encoded("TIFF"), encoded("TIFF", compression="tiff_lzw")):
        with pytest.raises(ImageError):
            decode_image(order[:-10])


@pytest.mark.parametrize(
    ("marker", "body"),
    [
        (b"\xe0", b"JFIF"),
        (b"\xe2", b"MPF\0" + b"\xff" * 40),
        (b"\xe2", b"ICC_PROFILE\0"),
        (b"\xed", b"Photoshop 3.0\x008BIM\x03\xed\0"),
        (b"\xee", b"Adobe"),
        (b"\xfe", b""),
    ],
)
def test_a_segment_cut_short_costs_no_jpeg(marker, body):
    data = encoded("JPEG", exif=exif(6))
    odd = data[:2] + b"\xff" + marker + struct.pack(">H", len(body) + 2) + body + data[2:]
    assert np.array_equal(decode_image(odd), decode_image(data))


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "I;16"])
def test_bands_are_put_together_as_one_picture(orientation, mode, monkeypatch):
    picture = Image.fromarray(PIXELS)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    data = io.BytesIO()
    picture.save(data, "TIFF" if mode == "CMYK" else "PNG", exif=exif(orientation))
    whole = decode_image(data.getvalue())
    monkeypatch.setattr(decoding, "_BAND", 2 * PIXELS.shape[1])
    assert np.array_equal(decode_image(data.getvalue()), whole)


def test_a_png_that_is_cut_is_still_refused():
    data = encoded("PNG")
    with pytest.raises(Exception, match="not a readable image"):
        decode_image(data[:-30])
