import io
import sys

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from kerasfusion.images.decoding import ImageError, decode_image
from kerasfusion.images.heif import is_heif


def encode(kind: str) -> bytes:
    pillow_heif.register_heif_opener()
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, 48:] = (200, 100, 50)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def test_a_heic_photo_is_read():
    pixels = decode_image(encode("HEIF"))
    assert pixels.shape == (64, 96, 3)
    assert np.abs(pixels[:, 60:].mean((0, 1)) - (200, 100, 50)).max() < 6
    assert pixels[:, :40].max() < 12


def test_without_the_library_the_sentence_says_what_is_missing(monkeypatch):
    data = encode("HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r'pillow-heif(.*\n)*.*"\.\[heic\]"'):
        decode_image(data)


@pytest.mark.parametrize("kind", ["AVIF", "JPEG", "PNG"])
def test_other_kinds_do_not_need_it(kind, monkeypatch):
    data = encode(kind)
    assert not is_heif(data)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert decode_image(data).shape == (64, 96, 3)
