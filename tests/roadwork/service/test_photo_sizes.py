"""Which photos wait until no other does: told by their headers, whatever their format."""

import asyncio
import io

import pillow_heif
import pytest
from PIL import Image

from kerasfusion.roadwork.service import batching


def encoded(kind: str, size: tuple[int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size).save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_a_photo_of_so_many_pixels_is_large(kind, monkeypatch):
    monkeypatch.setattr(batching, "LARGE", 100 * 50)
    pillow_heif.register_heif_opener()
    photos = [encoded(kind, size) for size in ((100, 50), (100, 49))]
    # As in a service that has just begun.
    monkeypatch.delitem(Image.OPEN, "HEIF")
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])

    async def sizes():
        return [batching.Waiting(photo, now=0.0, deadline=1.0).is_large for photo in photos]

    assert asyncio.run(sizes()) == [True, False]
