"""Which photos wait until no other does: told by their headers, without decoding or trusting them."""

import asyncio
import io

import pillow_heif
import pytest
from PIL import Image, JpegImagePlugin

from kerasfusion.roadwork.service import batching


def encoded(kind: str, size: tuple[int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size).save(data, kind)
    return data.getvalue()


def are_large(*photos: bytes) -> list[bool]:
    async def sizes():
        return [batching.Waiting(photo, now=0.0, deadline=1.0).is_large for photo in photos]

    return asyncio.run(sizes())


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_of_so_many_pixels_is_large(kind, monkeypatch):
    monkeypatch.setattr(batching, "LARGE", 100 * 50)
    assert are_large(encoded(kind, (100, 50)), encoded(kind, (100, 49))) == [True, False]


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "HEIF"])
def test_what_decoders_would_have_to_open_waits(kind):
    pillow_heif.register_heif_opener()
    assert are_large(encoded(kind, (8, 8))) == [True]


def test_endless_headers_are_read_to_a_bound(monkeypatch):
    read = []

    def read_segment(image, marker, was=JpegImagePlugin.Skip):
        read.append(marker)
        was(image, marker)

    monkeypatch.setitem(JpegImagePlugin.MARKER, 0xFFF0, ("JPG0", "", read_segment))
    segments = b"\xff\xf0\x00\x02" * 250_000
    assert are_large(b"\xff\xd8" + segments) == [True]
    assert 1000 < len(read) <= batching.HEADER // 4


def test_what_is_no_photo_is_refused_with_its_batch():
    assert are_large(b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"") == [False] * 3
