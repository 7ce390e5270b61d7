"""Whatever a deployed detector is sent: a probability or a refusal, since one NaN costs a miner its next hundred."""

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from kerasfusion.images.decoding import MAX_ASPECT_RATIO, ImageError
from kerasfusion.roadwork.detect.detector import open_detector

pytestmark = pytest.mark.trains  # a model does

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (40, 60, 3)).astype(np.uint8)


@pytest.fixture(scope="module", params=[False, True], ids=["once", "mirrored too"])
def detector(fitted, request):
    return open_detector(fitted.run_folder / "fusion.keras", tta=request.param)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def solid(colour, size=(40, 30), mode="RGB"):
    return Image.new(mode, size, colour)


def stripes(*colours):
    """Single columns of colours as strong as there are."""
    return Image.fromarray(np.tile(np.uint8(colours), (30, 20, 1)))


PHOTOS = {
    "one pixel": encoded(solid((255, 0, 255), (1, 1)), "PNG"),
    "one row": encoded(solid((9, 9, 9), (MAX_ASPECT_RATIO, 1)), "PNG"),
    "one column": encoded(solid((200, 9, 9), (1, MAX_ASPECT_RATIO)), "PNG"),
    "black": encoded(solid(0), "JPEG"),
    "white": encoded(solid((255,) * 3), "JPEG"),
    "saturated stripes": encoded(stripes((255, 0, 0), (0, 255, 255), (0, 0, 255), (255, 255, 0)), "PNG"),
    "black and white columns": encoded(stripes((0, 0, 0), (255, 255, 255)), "PNG"),
    "noise": encoded(Image.fromarray(NOISE), "PNG"),
    "the worst JPEG": encoded(Image.fromarray(NOISE), "JPEG", quality=1),
    "CMYK, all ink": encoded(solid((255, 255, 255, 255), mode="CMYK"), "JPEG"),
    "YCbCr TIFF": encoded(Image.fromarray(NOISE).convert("YCbCr"), "TIFF"),
    "Lab TIFF": encoded(Image.fromarray(NOISE).convert("LAB"), "TIFF"),
    "16 bit": encoded(Image.fromarray((NOISE[..., 0].astype(np.uint16) << 8) + 255), "PNG"),
    "16 bit, all at the top": encoded(Image.fromarray(np.full((9, 9), 65535, np.uint16)), "PNG"),
    "1 bit": encoded(Image.fromarray(NOISE).convert("1"), "PNG"),
    "palette": encoded(Image.fromarray(NOISE).quantize(7), "PNG"),
    "palette with a transparent colour": encoded(Image.fromarray(NOISE).quantize(7), "GIF", transparency=0),
    "transparent all over": encoded(solid((9, 8, 7, 0), mode="RGBA"), "PNG"),
    "grey and alpha": encoded(solid((9, 0), mode="LA"), "PNG"),
}

REFUSED = {
    "infinite and undefined pixels": encoded(Image.fromarray(np.float32([[np.nan, np.inf], [-np.inf, 1e38]])), "TIFF"),
    "pixels of 32 bits": encoded(Image.fromarray(np.int32([[2**31 - 1, -(2**31)]])), "TIFF"),
    "a longer strip": encoded(solid(0, (MAX_ASPECT_RATIO + 1, 1)), "PNG"),
    "cut short": encoded(Image.fromarray(NOISE), "PNG")[:-40],
    "nothing": b"",
    "text": b"no picture",
}


def refuse_what_is_no_probability(found):
    assert set(found.branches) == {"vit", "yolo", "efficientnetv2"}
    for p in (found.p_roadwork, *found.branches.values()):
        assert type(p) is float
        assert math.isfinite(p)
        assert 0 <= p <= 1


@pytest.mark.parametrize("photo", PHOTOS.values(), ids=PHOTOS)
def test_every_photo_is_answered_by_a_probability(detector, photo):
    refuse_what_is_no_probability(detector.detect(photo))
    with Image.open(io.BytesIO(photo)) as image:  # as the miner opens it
        refuse_what_is_no_probability(detector.detect(image))


@pytest.mark.parametrize("photo", REFUSED.values(), ids=REFUSED)
def test_what_is_no_photo_is_refused_and_the_next_one_answered(detector, photo):
    with pytest.raises(ImageError):
        detector.detect(photo)
    refuse_what_is_no_probability(detector.detect(PHOTOS["noise"]))


LEVELS = st.one_of(st.sampled_from([0, 1, 127, 128, 254, 255]), st.integers(0, 255))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)), elements=LEVELS))
def test_any_pixels_are_answered_by_a_probability(detector, pixels):
    refuse_what_is_no_probability(detector.detect(Image.fromarray(pixels)))


def test_extreme_photos_of_a_batch_do_not_touch_the_others(detector):
    photos = [PHOTOS["noise"], PHOTOS["white"], PHOTOS["saturated stripes"]]
    alone = detector.detect(PHOTOS["noise"])
    together = detector.detect_batch(photos)
    for found in together:
        refuse_what_is_no_probability(found)
    assert together[0].p_roadwork == pytest.approx(alone.p_roadwork, abs=1e-5)
