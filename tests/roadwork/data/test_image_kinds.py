"""The suffix of an encoded image by its first bytes: every kind that is decoded has one."""

import io

import numpy as np
import pytest
from PIL import Image

from kerasfusion.images.decoding import decode_image
from kerasfusion.roadwork.data.image_kinds import image_suffix


@pytest.mark.parametrize("brand", ["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"])
def test_all_brands_of_heif_are_heic(brand):
    assert image_suffix(b"\0\0\0\x1cftyp" + brand.encode() + b"\0\0\0\0") == ".heic"


@pytest.mark.parametrize(
    ("kind", "options", "suffix"),
    [
        ("JPEG", {}, ".jpg"),
        ("PNG", {}, ".png"),
        ("BMP", {}, ".bmp"),
        ("GIF", {}, ".gif"),
        ("WEBP", {}, ".webp"),
        ("AVIF", {}, ".avif"),
        ("TIFF", {}, ".tif"),
        ("TIFF", {"big_tiff": True}, ".tif"),
    ],
)
def test_what_pillow_writes_is_told_and_decoded(kind, options, suffix):
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 9, 3), 90, np.uint8)).save(buffer, kind, **options)
    assert image_suffix(buffer.getvalue()) == suffix
    assert decode_image(buffer.getvalue()).shape == (8, 9, 3)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"\0\0\0\x18ftypmp42\0\0\0\0"])
def test_other_bytes_have_none(data):
    assert image_suffix(data) is None
