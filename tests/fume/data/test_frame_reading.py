"""What a frame's pixel becomes, by what the camera wrote; each value is worked out apart from the reader."""

import io
import struct

import cv2
import matplotlib
import numpy as np
import pytest
from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.fume.config_reading import FrameReading
from kerasfusion.fume.data.frame_reading import read_frame
from kerasfusion.images.decoding import ImageError
from tests.material.flir_jpeg import celsius_of, radiometric_jpeg
from tests.material.image_metadata import chunk

RANGE = FrameReading(range=(12_000, 14_000))
COUNTS = np.array([[11_000, 12_000, 12_008, 12_500], [13_000, 13_992, 14_000, 15_000]])
LEVELS = np.array([[0, 0, 1, 64], [128, 254, 255, 255]], np.uint8)
"""255 (x - 12000) / 2000 by hand: 8 -> 1.02, 500 -> 63.75, 1000 -> 127.5, 1992 -> 253.98."""


def save(path, image, form=None, **options):
    image.save(path, form, **options)
    return path


def smooth(size=(96, 256)):
    """(H, W) uint8 with every level and a plume."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    ramp = columns * 255 / (size[1] - 1)
    return np.rint(np.where((rows - 40) ** 2 + (columns - 70) ** 2 < 800, 255 - ramp, ramp)).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "dtype", "options"),
    [
        ("counts.png", np.uint16, {}),
        ("counts.tif", np.uint16, {}),
        ("counts.tiff", np.uint16, {"compression": "tiff_lzw"}),
        ("counts32.tif", np.int32, {}),
        ("float.tif", np.float32, {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_counts_become_the_levels_of_the_range(tmp_path, name, dtype, options):
    path = save(tmp_path / name, Image.fromarray(COUNTS.astype(dtype)), **options)
    np.testing.assert_array_equal(read_frame(path, RANGE), LEVELS)


def test_counts_without_a_range_are_refused_with_the_range_that_would_do(tmp_path):
    counts = np.linspace(12_000, 14_000, 2001).astype(np.uint16).reshape(29, 69)
    with pytest.raises(ImageError, match=r"counts from 12,000 to 14,000(.|\n)*data\.frames\.range=\[12010,13990\]"):
        read_frame(save(tmp_path / "frame.png", Image.fromarray(counts)))


def test_another_unit_or_camera_is_refused_rather_than_black(tmp_path):
    degrees = save(tmp_path / "degrees.tif", Image.fromarray(np.float32([[21.5, 30.25]])))
    with pytest.raises(ImageError, match=r"from 21\.5 to 30\.25, all beyond the range"):
        read_frame(degrees, RANGE)
    np.testing.assert_array_equal(read_frame(degrees, FrameReading(range=(20, 40))), [[19, 131]])  # 19.1, 130.7
    picture = save(tmp_path / "picture.png", Image.fromarray(smooth()))
    with pytest.raises(ImageError, match="a picture of 8 bits, whose levels have been scaled"):
        read_frame(picture, RANGE)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_is_counted(tmp_path, bad):
    path = save(tmp_path / "float.tif", Image.fromarray(np.float32([[20, bad], [30, bad]])))
    with pytest.raises(ImageError, match="2 of 4 pixels are NaN or infinite"):
        read_frame(path, FrameReading(range=(10, 40)))


def test_a_tiff_of_another_kind_says_what_can_be_read(tmp_path):
    rows = np.array([[15.0, 25.0, 35.0]])
    entries = [(256, 4, 3), (257, 4, 1), (258, 3, 64), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    entries += [(278, 4, 1), (279, 4, 24), (339, 3, 3)]
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHLL", tag, kind, 1, value) for tag, kind, value in entries
    )
    path = tmp_path / "double.tif"
    path.write_bytes(b"II*\0" + struct.pack("<L", 32) + rows.astype("<f8").tobytes() + directory + bytes(4))
    with pytest.raises(ImageError, match=r"cannot be read(.|\n)*32-bit floats"):
        read_frame(path, FrameReading(range=(10, 40)))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "P"])
def test_a_grey_picture_is_what_it_says(tmp_path, form, mode):
    if (form, mode) in {("BMP", "LA"), ("BMP", "RGBA"), ("GIF", "LA"), ("GIF", "RGBA"), ("GIF", "RGB")}:
        return  # no such files
    grey = smooth()
    path = save(tmp_path / "grey", Image.fromarray(grey).convert(mode), form)
    np.testing.assert_array_equal(read_frame(path), grey)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_grey_jpeg_is_decoded_as_ever(tmp_path, mode):
    path = save(tmp_path / "grey.jpg", Image.fromarray(smooth()).convert(mode), quality=80)
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_frame(path), np.asarray(image.convert("L")))


def test_a_mark_in_colour_leaves_the_frame_grey(tmp_path):
    grey = smooth()
    marked = np.stack([grey] * 3, -1)
    marked[2:6, 30:50] = (0, 255, 0)
    seen = read_frame(save(tmp_path / "marked.png", Image.fromarray(marked)))
    np.testing.assert_array_equal(seen[10:], grey[10:])
    assert seen[3, 35] == 150  # 0.587 x 255


@pytest.mark.parametrize(
    ("levels", "mark"),
    [((0, 30), (40, 20, 20)), ((0, 3), (255, 0, 0)), ((240, 255), (255, 0, 0)), ((0, 30), (0, 255, 0))],
)
def test_a_mark_does_not_make_dark_or_bright_greys_a_palette(tmp_path, levels, mark):
    low, high = levels
    grey = np.random.default_rng(0).integers(low, high, (96, 128), np.uint8, endpoint=True)
    marked = np.stack([grey] * 3, -1)
    marked[0, 0] = mark
    seen = read_frame(save(tmp_path / "marked.png", Image.fromarray(marked)))
    np.testing.assert_array_equal(seen.ravel()[1:], grey.ravel()[1:])
    red, green, blue = mark
    assert seen[0, 0] == round(0.299 * red + 0.587 * green + 0.114 * blue)


def test_a_dark_frame_is_of_the_palette_that_is_named(tmp_path):
    grey = np.tile(np.arange(21, dtype=np.uint8), (10, 1))
    marked = np.stack([grey] * 3, -1)
    marked[0, 0] = (40, 20, 20)
    seen = read_frame(save(tmp_path / "marked.png", Image.fromarray(marked)), FrameReading(palette="hot"))
    # Dark reds of hot are (2.5 level, 0, 0): that of level g / 2.5 is nearest to (g, g, g).
    np.testing.assert_allclose(seen[1:], grey[1:] / 2.5, atol=0.51)


@pytest.mark.parametrize("name", ["hot", "iron"])
def test_a_small_plume_in_false_colours_before_black_is_no_mark(tmp_path, name):
    paint, off = FALSE_COLOURS[name]
    grey = np.zeros((96, 128), np.uint8)
    grey[40:50, 30:60] = np.arange(20, 230, 7, dtype=np.uint8)[:30]
    seen = read_frame(save(tmp_path / "plume.png", Image.fromarray(np.ascontiguousarray(paint(grey)))))
    np.testing.assert_allclose(seen.astype(int), grey, atol=off)


def opencv(which):
    return lambda grey: cv2.applyColorMap(grey, which)[..., ::-1]


def plotted(which):
    return lambda grey: matplotlib.colormaps[which](grey, bytes=True)[..., :3]


def hues(grey):
    """Blue through green to red."""
    x = np.asarray(np.rint(170 - grey / 255 * 170), np.uint8)
    whole = np.full_like(x, 255)
    return np.asarray(Image.merge("HSV", [Image.fromarray(part) for part in (x, whole, whole)]).convert("RGB"))


# Where a palette stands still, as at the ends of jet and of hot, some levels share a colour.
FALSE_COLOURS = {
    "jet": (opencv(cv2.COLORMAP_JET), 1),
    "jet of matplotlib": (plotted("jet"), 3),
    "rainbow": (hues, 2),
    "rainbow of matplotlib": (plotted("rainbow"), 1),
    "iron": (plotted("gnuplot"), 1),
    "hot": (opencv(cv2.COLORMAP_HOT), 3),
    "hot of matplotlib": (plotted("hot"), 2),
    "rainbow of opencv": (opencv(cv2.COLORMAP_RAINBOW), 2),
}


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("name", FALSE_COLOURS)
def test_a_known_palette_is_mapped_back(tmp_path, name, form):
    paint, off = FALSE_COLOURS[name]
    grey = smooth()
    path = save(tmp_path / "coloured", Image.fromarray(np.ascontiguousarray(paint(grey))), form)
    seen = read_frame(path).astype(int)
    difference = np.abs(seen - grey)
    assert np.percentile(difference, 100 if form == "PNG" else 90) <= off + (0 if form == "PNG" else 8)
    by_luma = np.abs(np.asarray(Image.open(path).convert("L")).astype(int) - grey)
    assert difference.mean() < by_luma.mean() / 4


@pytest.mark.parametrize("which", [cv2.COLORMAP_OCEAN, cv2.COLORMAP_PINK, cv2.COLORMAP_TWILIGHT])
def test_an_unknown_palette_is_refused_and_known_by_its_colours(tmp_path, which):
    grey = smooth()
    path = save(tmp_path / "odd.png", Image.fromarray(np.ascontiguousarray(opencv(which)(grey))))
    with pytest.raises(ImageError, match=r"in colours of no known palette(.|\n)*export it in grey(.|\n)*palette"):
        read_frame(path)
    scale = opencv(which)(np.arange(256, dtype=np.uint8)[None])[0]
    own = FrameReading(palette=tuple("#{:02x}{:02x}{:02x}".format(*colour) for colour in scale))
    seen = read_frame(path, own)
    np.testing.assert_array_equal(scale[seen], scale[grey])  # levels of one colour cannot be told apart


def test_colours_that_mean_one_thing_here_and_another_there_are_refused(tmp_path):
    """Hues from yellow to green rise in the one rainbow and fall in the other."""
    grey = np.full((40, 60), 150, np.uint8)
    grey[:, 30:] = 165
    path = save(tmp_path / "part.png", Image.fromarray(hues(grey)))
    with pytest.raises(ImageError, match=r"colours are of rainbow or rainbow of opencv, which give other levels"):
        read_frame(path)
    seen = read_frame(path, FrameReading(palette="rainbow")).astype(int)
    np.testing.assert_allclose(seen, grey, atol=2)


def pages(*levels):
    written = io.BytesIO()
    first, *others = [Image.fromarray(np.full((4, 6), level, np.uint8)) for level in levels]
    first.save(written, "TIFF", save_all=True, append_images=others)
    return written.getvalue()


def test_the_page_of_a_tiff_is_asked_for(tmp_path):
    path = tmp_path / "film.tif"
    path.write_bytes(pages(10, 20, 30))
    with pytest.raises(ImageError, match=r"the file has 3 pages(.|\n)*film\.tif(.|\n)*data\.frames\.page=1"):
        read_frame(path)
    for page in (1, 2, 3):
        assert (read_frame(path, FrameReading(page=page)) == 10 * page).all()
    with pytest.raises(ImageError, match="3 pages, and page 4 is asked for"):
        read_frame(path, FrameReading(page=4))
    path.write_bytes(pages(40))
    assert (read_frame(path, FrameReading(page=2)) == 40).all()  # one page: there is no choice


def test_a_small_copy_is_no_page(tmp_path):
    data = bytearray(pages(10, 20))
    (first,) = struct.unpack_from("<L", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    (second,) = struct.unpack_from("<L", data, first + 2 + 12 * count)
    struct.pack_into("<HHLL", data, second + 2, 254, 4, 1, 1)  # in the place of its width
    path = tmp_path / "preview.tif"
    path.write_bytes(data)
    assert (read_frame(path) == 10).all()


def test_a_film_in_another_format_is_named(tmp_path):
    images = [Image.new("L", (6, 4), level) for level in (10, 200)]
    path = save(tmp_path / "film.gif", images[0], save_all=True, append_images=images[1:])
    with pytest.raises(ImageError, match="a film of 2 pictures"):
        read_frame(path)


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_long_samples_in_several_channels_are_refused(tmp_path, kind, channels):
    """Pillow would keep the upper byte."""
    import zlib

    row = b"\0" + struct.pack(">H", 12_500) * channels * 2
    path = tmp_path / "long.png"
    header = chunk(b"IHDR", struct.pack(">LLBBBBB", 2, 1, 16, kind, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b""))
    with pytest.raises(ImageError, match="several channels of 16 bits"):
        read_frame(path, RANGE)


FLIR_COUNTS = np.linspace(19_500, 25_000, 12 * 20).astype(np.uint16).reshape(12, 20)


def test_a_radiometric_jpeg_gives_its_degrees_and_a_picture_its_levels(tmp_path):
    path = tmp_path / "flir.jpg"
    preview = Image.fromarray(np.full((12, 20), 77, np.uint8))
    path.write_bytes(radiometric_jpeg(FLIR_COUNTS, preview))
    degrees = celsius_of(FLIR_COUNTS)
    assert 0 < degrees.min() < degrees.max() < 120
    expected = np.clip((degrees - 10) / 50, 0, 1) * 255
    np.testing.assert_allclose(read_frame(path, FrameReading(range=(10, 60))), expected, atol=0.6)
    assert (read_frame(path) == 77).all()  # without a range it is the picture that everyone sees
    coloured = opencv(cv2.COLORMAP_OCEAN)(smooth((12, 20)))
    path.write_bytes(radiometric_jpeg(FLIR_COUNTS, Image.fromarray(np.ascontiguousarray(coloured))))
    with pytest.raises(ImageError, match=r"has degrees in it: set data\.frames\.range"):
        read_frame(path)


def test_a_damaged_radiometric_jpeg_and_a_missing_library_are_named(tmp_path, monkeypatch):
    path = tmp_path / "flir.jpg"
    whole = radiometric_jpeg(FLIR_COUNTS, Image.fromarray(smooth((12, 20))))
    path.write_bytes(whole.replace(struct.pack(">II", 64, 4), struct.pack(">II", 64, 0)))
    with pytest.raises(ImageError, match="radiometric data of the FLIR JPEG cannot be read"):
        read_frame(path, FrameReading(range=(10, 60)))
    monkeypatch.setitem(__import__("sys").modules, "flyr", None)
    with pytest.raises(RequestError, match=r"needs flyr(.|\n)*\[camera\]"):
        read_frame(path, FrameReading(range=(10, 60)))
