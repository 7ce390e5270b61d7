import io

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from kerasfusion.images.decoding import ImageError, Stored, crop_centre, decode_image, read_image, squash


def encode(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture
def picture():
    """(20, 30, 3) uint8 with another mean in every channel and every corner."""
    rows, columns = np.mgrid[0:20, 0:30]
    return np.stack([rows * 12, columns * 8, 255 - rows * 3 - columns], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(("orientation", "turn"), [(3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied_once(picture, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(encode(Image.fromarray(picture), "PNG", exif=exif))
    np.testing.assert_array_equal(decoded, np.rot90(picture, turn))


def test_modes_become_rgb(picture):
    image = Image.fromarray(picture)
    np.testing.assert_array_equal(decode_image(encode(image.convert("RGBA"), "PNG")), picture)
    grey = np.asarray(image.convert("L"))
    np.testing.assert_array_equal(decode_image(encode(Image.fromarray(grey), "PNG")), np.stack([grey] * 3, axis=-1))
    palette = image.quantize(16)
    np.testing.assert_array_equal(decode_image(encode(palette, "PNG")), np.asarray(palette.convert("RGB")))
    indices = np.array([[0, 1, 255]], np.uint8)
    colours = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
    shown = [[[10, 20, 30], [40, 50, 60], [0, 0, 0]]]  # beyond the palette's end is black
    np.testing.assert_array_equal(Stored(indices, colours, b"").looked_up(), shown)
    np.testing.assert_array_equal(Stored(indices, None, b"").looked_up(), indices)
    cmyk = decode_image(encode(image.convert("CMYK"), "TIFF"))
    assert np.abs(cmyk.astype(int) - picture).max() <= 1


def test_sixteen_bits_keep_the_high_byte():
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    decoded = decode_image(encode(Image.fromarray(values), "PNG"))
    assert decoded[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_32_bits_are_what_their_values_say():
    for values, expected in (([0, 7, 255], [0, 7, 255]), ([0, 256, 65_535], [0, 1, 255])):
        decoded = decode_image(encode(Image.fromarray(np.array([values], np.int32)), "TIFF"))
        assert decoded[0, :, 0].tolist() == expected
    for values in ([-1, 7], [0, 65_536]):
        with pytest.raises(ImageError, match="no fixed range"):
            decode_image(encode(Image.fromarray(np.array([values], np.int32)), "TIFF"))


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    decoded = decode_image(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert decoded[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("data", [b"", b"this is text, not a picture", b"\xff\xd8\xff\xe0 cut"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ImageError):
        decode_image(data)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_file_that_is_cut_short_is_refused(picture, form):
    data = encode(Image.fromarray(np.tile(picture, (9, 9, 1))), form)
    with pytest.raises(ImageError):
        decode_image(data[: len(data) // 2])


def test_pixel_limit_is_stated_and_checked_before_decoding(picture):
    data = encode(Image.fromarray(picture), "PNG")
    assert decode_image(data, max_pixels=600).shape == (20, 30, 3)
    with pytest.raises(ImageError, match=r"600 pixels(.|\n)*at most 599 pixels"):
        decode_image(data, max_pixels=599)


@pytest.mark.commands
def test_a_decompression_bomb_is_refused():
    data = encode(Image.new("1", (30_000, 30_000)), "PNG")
    with pytest.raises(ImageError, match="pixels"):
        decode_image(data)


def test_read_image_names_the_file(tmp_path):
    path = tmp_path / "broken.jpg"
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        read_image(path)
    path.write_text("text")
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        read_image(path)


def test_squash_uses_the_whole_frame(picture):
    small = squash(picture, 10)
    expected = Image.fromarray(picture).resize((10, 10), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(small, np.asarray(expected))
    assert small[:, 0, 1].max() < small[:, -1, 1].min()  # left edge and right edge are both there


@pytest.mark.exports
@pytest.mark.parametrize("shape", [(720, 1280), (1280, 720), (481, 333), (100, 101), (64, 64)])
def test_crop_centre_equals_torchvisions_resize_and_centre_crop(shape):
    from torchvision import transforms

    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    for size in (32, 64, 224):
        theirs = transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size)])(Image.fromarray(pixels))
        np.testing.assert_array_equal(crop_centre(pixels, size), np.asarray(theirs))


@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (3, 151), (1, 1_000_000)])
def test_a_strip_is_refused_before_it_is_decoded(size):
    with pytest.raises(ImageError, match=r"no photo's shape(.|\n)*50 times"):
        decode_image(encode(Image.new("L", size), "PNG"))
    assert decode_image(encode(Image.new("L", (3, 150)), "PNG")).shape == (150, 3, 3)


@pytest.mark.parametrize("shape", [(40, 2000), (2000, 40), (1, 50), (100, 4999), (3, 150), (500, 500)])
@pytest.mark.parametrize("size", [8, 64, 224])
def test_the_longest_photo_stays_small_on_its_way(monkeypatch, shape, size):
    resize, asked = Image.Image.resize, []

    def resized(image, to, *given):
        asked.append(to[0] * to[1])
        return resize(image, to, *given)

    monkeypatch.setattr(Image.Image, "resize", resized)
    assert crop_centre(np.zeros((*shape, 3), np.uint8), size).shape == (size, size, 3)
    assert max(asked) <= max(shape[0] * shape[1], 50 * size * size)


@pytest.mark.parametrize("shape", [(1, 1_000_000), (1_000_000, 1), (1, 51), (101, 2)])
def test_a_strip_that_no_decoder_has_refused_is_not_enlarged(shape):
    """Its short side brought to 224 pixels, the first would take 150 GB."""
    with pytest.raises(ImageError, match="no photo's shape"):
        crop_centre(np.zeros((*shape, 3), np.uint8), 224)


def test_a_limit_above_pillows_own_is_what_holds(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = encode(Image.new("L", (30, 20)), "PNG")
    assert decode_image(data, max_pixels=600).shape == (20, 30, 3)
    with pytest.raises(ImageError, match="at most 599 pixels"):
        decode_image(data, max_pixels=599)


def test_no_file_makes_pillow_start_a_program(monkeypatch):
    """It hands PostScript to Ghostscript, which runs it."""
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *arguments, **options: pytest.fail("it was started"))
    drawing = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n"
    with pytest.raises(ImageError, match="not an image in a known format"):
        decode_image(drawing)
