"""Encoded bytes to upright RGB or grey pixels, and the ways a photo is brought to a model's size.

Training, precompute, evaluation and the detector all call these functions and no others, so that a model
never sees pixels made in another way than those it learned from. (TensorFlow's own JPEG decoder differs by up
to 7 levels.)
"""

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from kerasfusion.address import Address, Place
from kerasfusion.errors import KerasFusionError, install_command
from kerasfusion.images.formats import open_image
from kerasfusion.images.heif import is_heif, register_reader
from kerasfusion.images.metadata import split_metadata, stored_orientation
from kerasfusion.images.tiff_pages import is_reduced, page_offsets, starting_at

MAX_PIXELS = 64_000_000
"""Largest width x height that is decoded (192 MB as RGB); a larger file is refused as a decompression bomb."""

MAX_ASPECT_RATIO = 50
"""Largest ratio of a picture's sides. A strip is no photo, and enlarging its short side would take gigabytes."""

_BAND = 1 << 22
"""Pixels that are converted at a time."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By the orientation of EXIF."""
_ACROSS, _REVERSED = frozenset({5, 6, 7, 8}), frozenset({3, 4, 6, 7})
"""Orientations in which stored rows are columns, and in which the first row comes last."""

# They name no file, and speak of metadata that is not used here.
warnings.filterwarnings("ignore", module=r"PIL\.")


class ImageError(KerasFusionError):
    """Bytes that are not one whole, readable image."""


class TooManyPixelsError(ImageError):
    """An image that is larger than may be decoded."""


def read_image(path: Place, max_pixels: int = MAX_PIXELS) -> tuple[np.ndarray, str]:
    """Read an image file; from an address with one request.

    Returns:
        The pixels as `decode_image` gives them and the sha256 of the file's bytes (hex).

    Raises:
        ImageError: the file cannot be read or is not a whole image; names the file.
        KerasFusionError: an address does not answer, which says nothing of the image; see `Address.read_bytes`.
    """
    with _naming(path):
        data = _read_bytes(path)
        return decode_image(data, max_pixels), hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Stored:
    """An image as its file stores it.

    Attributes:
        pixels: (H, W) numbers of a type that the file's samples fit in, or (H, W, 3) uint8 RGB; upright, without alpha.
        palette: (N, 3) uint8 colours that the numbers stand for; None where they stand for themselves.
        encoded: the file's bytes.
        are_counts: whether the numbers are known to be counts of more than 8 bits, however low they are.
    """

    pixels: np.ndarray
    palette: np.ndarray | None
    encoded: bytes
    are_counts: bool = False

    def looked_up(self) -> np.ndarray:
        """The pixels, or their (H, W, 3) uint8 colours in the palette; black beyond its end, as Pillow takes them."""
        if self.palette is None:
            return self.pixels
        return np.pad(self.palette, ((0, 256), (0, 0)))[self.pixels]


def read_stored(path: Path, page: int | None = None) -> Stored:
    """Read an image file whose samples are numbers, such as counts of a camera or classes: nothing is scaled or cut.

    Args:
        path: the file.
        page: which page of a TIFF that has several, from 1; pages of a reduced size do not count.

    Raises:
        ImageError: no whole image, several pages and none named, or channels of over 8 bits; names the file.
    """
    with _naming(path):
        data = _read_bytes(path)
        with _opened(one_page(data, page), MAX_PIXELS) as (image, orientation):
            _refuse_several(image)
            pixels = _upright(image, MAX_PIXELS, orientation, _without_alpha, keeps_values=True)
            colours = image.getpalette("RGB") if image.mode in ("P", "PA") else None
            palette = None if colours is None else np.array(colours, np.uint8).reshape(-1, 3)
            return Stored(pixels, palette, data)


def read_pages(path: Path) -> Iterator[Stored]:
    """Every page of a TIFF, one at a time, as `read_stored` gives one; pages of a reduced size are left out.

    Raises:
        ImageError: as `read_stored`; names the file.
    """
    with _naming(path), _as_image_errors(MAX_PIXELS), open_image(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            if not is_reduced(image):
                _refuse_several(image)
                yield Stored(_upright(image, MAX_PIXELS, None, _without_alpha, keeps_values=True), None, b"")


def one_page(data: bytes, page: int | None) -> bytes:
    """An encoded image that begins with the page that is asked for.

    Raises:
        ImageError: a TIFF of several pages and none is named, or one that it does not have.
    """
    pages = page_offsets(data)
    if page is None and len(pages) > 1:
        raise ImageError(
            f"the file has {len(pages)} pages",
            expected="one picture a file",
            todo="say which page is the frame: data.frames.page=1 is the first; or save each as a file of its own",
        )
    if page is None or len(pages) < 2:
        return data
    if page > len(pages):
        raise ImageError(f"the file has {len(pages)} pages, and page {page} is asked for", expected="data.frames.page")
    return starting_at(data, pages[page - 1])


def _refuse_several(image: Image.Image) -> None:
    if image.format in ("GIF", "WEBP") and getattr(image, "n_frames", 1) > 1:
        raise ImageError(
            f"the file is a film of {image.n_frames} pictures",
            expected="one picture a file",
            todo="save its pictures as PNG files",
        )
    if any(";16" in str(tile[3]) for tile in image.tile) and not image.mode.startswith("I"):
        raise ImageError(
            "several channels of 16 bits, of which 8 would be lost",
            expected="one channel of 16 bits, or channels of 8",
            todo="save one of the channels alone",
        )


def _without_alpha(image: Image.Image) -> Image.Image:
    if image.mode in ("LA", "PA"):
        return image.getchannel(0)
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "P", "F") or image.mode.startswith("I") else _to_rgb(image)


def _read_bytes(path: Place) -> bytes:
    try:
        if not isinstance(path, Address) and path.exists() and not (path.is_file() or path.is_dir()):
            raise ImageError("it is no file", expected="an image file")  # a pipe would be waited for
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read the file: {error.strerror or error}") from error
    if not data:
        raise ImageError("the file is empty", expected="an image file")
    return data


@contextmanager
def _opened(data: bytes, max_pixels: int):
    """The image and its orientation; None for that where it is known only once the image is loaded."""
    with _as_image_errors(max_pixels):
        if is_heif(data) and not register_reader():
            raise ImageError(
                "a HEIC photo, and pillow-heif, which reads those, is not installed", todo=install_command("heic")
            )
        if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = max_pixels  # Pillow's own limit; ours, which was raised above it, is asked next
        pixels, orientation = split_metadata(data)
        try:
            opened = open_image(io.BytesIO(pixels))
        except UnidentifiedImageError:  # its own text holds the address of an object
            raise _unidentified(data) from None
        with opened as image:
            yield image, orientation


def _unidentified(data: bytes) -> ImageError:
    if page_offsets(data):
        return ImageError(
            "a TIFF whose samples are of a kind that cannot be read",
            expected="samples of 8 or 16 bits, 32-bit integers or 32-bit floats",
            todo="save it so with the program that it comes from",
        )
    return ImageError("not an image in a known format", expected="a JPEG, PNG, WebP, BMP, TIFF or GIF")


@contextmanager
def _naming(path: Place):
    try:
        yield
    except ImageError as error:
        raise type(error)(error.what, where=path, expected=error.expected, todo=error.todo) from error


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an encoded image to upright RGB.

    The orientation in EXIF, or else in XMP, is applied once; no other metadata matters. CMYK, palette and grey are
    converted; alpha is dropped; 16-bit samples keep their high byte; 32-bit integers count as 8- or 16-bit ones, by the
    largest of them; of an animation the first frame is taken.

    Args:
        data: the encoded file, of one of FORMATS.
        max_pixels: largest width x height accepted.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ImageError: not an image, cut short, larger than `max_pixels`, or longer than MAX_ASPECT_RATIO.
    """
    if not data:
        raise ImageError("the file is empty", expected="an image file")
    with _opened(data, max_pixels) as (image, orientation):
        return _upright(image, max_pixels, orientation, _to_rgb)


def upright_rgb(image: Image.Image, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The pixels of an opened Pillow image, as `decode_image` gives them.

    Raises:
        ImageError: cut short, floating-point pixels, or larger than `max_pixels`.
    """
    with _as_image_errors(max_pixels):
        return _upright(image, max_pixels, None, _to_rgb)


def _upright(
    image: Image.Image,
    max_pixels: int,
    orientation: int | None,
    convert: Callable[[Image.Image], Image.Image],
    keeps_values: bool = False,
) -> np.ndarray:
    _refuse_by_size(*image.size, max_pixels)
    image.load()
    width, height = image.size  # a TIFF's are turned now
    orientation = stored_orientation(image) if orientation is None else orientation
    shift = None if keeps_values else _surplus_bits(image)
    block = partial(_block, image, shift, _TURNS.get(orientation), convert)
    step = max(1, _BAND // width)
    if step >= height:
        return block(0, height)
    # Band by band: a whole copy in each of Pillow's steps would take four bytes a pixel, beside those of the image.
    pixels = None
    for top in range(0, height, step):
        bottom = min(top + step, height)
        part = block(top, bottom)
        if pixels is None:
            shape = (width, height) if orientation in _ACROSS else (height, width)
            pixels = np.empty((*shape, *part.shape[2:]), part.dtype)
        rows = slice(height - bottom, height - top) if orientation in _REVERSED else slice(top, bottom)
        pixels[(slice(None), rows) if orientation in _ACROSS else rows] = part
    return pixels


def _block(image: Image.Image, shift: int | None, turn, convert, top: int, bottom: int) -> np.ndarray:
    """Rows of an image, converted and turned."""
    part = image if (top, bottom) == (0, image.height) else image.crop((0, top, image.width, bottom))
    if shift is not None:  # Pillow's own conversion would clip at 255
        part = Image.fromarray((np.asarray(part).astype(np.uint32) >> shift).astype(np.uint8))
    part = convert(part)
    return np.asarray(part if turn is None else part.transpose(turn))


def _refuse_by_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"the image has {width} x {height} = {width * height:,} pixels",
            expected=f"at most {max_pixels:,} pixels",
            todo="make the picture smaller, or raise data.max_pixels",
        )
    _refuse_strip(width, height)


def _refuse_strip(width: int, height: int) -> None:
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise ImageError(
            f"the image has {width} x {height} pixels, which is no photo's shape",
            expected=f"a longer side of at most {MAX_ASPECT_RATIO} times the shorter one",
        )


@contextmanager
def _as_image_errors(max_pixels: int):
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(str(error), expected=f"at most {max_pixels:,} pixels") from error
    except MemoryError as error:
        raise ImageError("there is not enough memory to decode the image", todo="make the picture smaller") from error
    # Pillow's decoders raise many kinds of error on damaged data (OSError, SyntaxError, struct.error, ...).
    except Exception as error:
        raise ImageError(
            f"not a readable image: {error}", expected="a whole JPEG, PNG, WebP, BMP, TIFF or GIF"
        ) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def _surplus_bits(image: Image.Image) -> int | None:
    """By how many bits grey samples are too long: 16-bit ones lose their low byte; 32-bit ones have no range of their
    own, so their values say which it is. None for samples of 8 bits or fewer.

    Raises:
        ImageError: samples without a fixed range.
    """
    if image.mode == "F":
        raise ImageError("floating-point pixels have no fixed range", expected="8 or 16 bits a sample")
    if image.mode != "I":
        return 8 if image.mode.startswith("I;") else None
    low, high = image.getextrema()
    if low < 0 or high > 65_535:
        raise ImageError(f"32-bit pixels from {low} to {high} have no fixed range", expected="8 or 16 bits a sample")
    return 0 if high <= 255 else 8


def squash(image: np.ndarray, size: int, resample: Image.Resampling = Image.Resampling.BILINEAR) -> np.ndarray:
    """Resize the whole frame to a square, whatever its aspect ratio (as a ViT checkpoint's processor does).

    Args:
        image: (H, W, 3) uint8.
        size: side of the result in pixels.
        resample: Pillow's filter.

    Returns:
        (size, size, 3) uint8, antialiased.
    """
    if image.shape[:2] == (size, size):
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), resample))


def squash_bicubic(image: np.ndarray, size: int) -> np.ndarray:
    """`squash` with Pillow's BICUBIC, which is what `Image.resize` does where no filter is named."""
    return squash(image, size, Image.Resampling.BICUBIC)


def crop_centre(image: np.ndarray, size: int) -> np.ndarray:
    """Bring the shortest side to `size` and cut out the centre square (as ultralytics' classify `predict` does).

    The rounding of lengths and offsets follows torchvision's Resize and CenterCrop, which ultralytics uses.

    Args:
        image: (H, W, 3) uint8.
        size: side of the result in pixels.

    Returns:
        (size, size, 3) uint8, Pillow's antialiased BILINEAR.

    Raises:
        ImageError: longer than MAX_ASPECT_RATIO, which bounds what is resized: no more pixels than `image` or
            MAX_ASPECT_RATIO squares of `size` have.
    """
    height, width = image.shape[:2]
    _refuse_strip(width, height)
    if (height, width) == (size, size):
        return image
    if width <= height:
        width, height = size, int(size * height / width)
    else:
        width, height = int(size * width / height), size
    # The whole picture, although its ends are cut off: Pillow's `box`, which would resize the centre alone, is kept in
    # single precision and moves values by one level (of 300 pictures of noise, in 76).
    picture = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2.0), round((height - size) / 2.0)
    return np.asarray(picture.crop((left, top, left + size, top + size)))
