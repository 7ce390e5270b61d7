"""A photo to a challenge, seeded by the photo: the same on every machine."""

import io

import numpy as np
from PIL import Image

from kerasfusion.images.decoding import decode_image
from kerasfusion.roadwork.challenge import colours, details, geometry
from kerasfusion.roadwork.challenge.kinds import Kind, draw_kind
from kerasfusion.roadwork.challenge.recipe import Recipe, draw_recipe


def stream_of(digest: str, number: int) -> np.random.Generator:
    """The random numbers of one view of a photo: always the same ones, whatever was drawn before.

    Args:
        digest: sha256 of the photo's file, hex.
        number: of the view, 0 or more.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([int(digest, 16), number])))


def draw_view(layout: str, level: str | int, digest: str, number: int) -> tuple[Kind, np.random.Generator]:
    """The kind of a photo's view, and the stream from which the rest of it is drawn.

    Args:
        layout, level: as for `draw_kind`.
        digest, number: as for `stream_of`.
    """
    stream = stream_of(digest, number)
    return draw_kind(layout, level, stream), stream


def challenge_jpeg(photo: np.ndarray, kind: Kind, stream: np.random.Generator) -> bytes:
    """What a validator would send of a photo.

    Args:
        photo: (H, W, 3) uint8, RGB.
        kind: of challenge.
        stream: what is random is drawn from it.

    Returns:
        A JPEG with Pillow's defaults (quality 75): 224 x 224 pixels for crop and letterbox, the photo's size for plain.

    Raises:
        ImageError: a strip of which a letterbox would hold nothing.
    """
    recipe = draw_recipe(kind, *photo.shape[:2], stream)
    return as_jpeg(picture(photo, recipe, stream))


def challenge(photo: np.ndarray, kind: Kind, stream: np.random.Generator) -> np.ndarray:
    """What a miner sees of it: the pixels of `challenge_jpeg`, (224, 224, 3), for plain (H, W, 3), uint8 RGB."""
    return decode_image(challenge_jpeg(photo, kind, stream))


def picture(photo: np.ndarray, recipe: Recipe, stream: np.random.Generator) -> np.ndarray:
    """A challenge by its recipe, before it becomes a JPEG.

    Args:
        photo: (H, W, 3) uint8, RGB.
        recipe: drawn for a photo of this size.
        stream: the noise is drawn from it.

    Returns:
        (224, 224, 3) uint8, RGB; for plain the photo itself.
    """
    made = _laid_out(photo, recipe)
    for name, severity in recipe.severities.items():
        if severity:
            made = _distorted(made, name, severity, stream)
    return made


def as_jpeg(pixels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 as a JPEG with Pillow's defaults."""
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, format="JPEG")
    return written.getvalue()


def _laid_out(photo: np.ndarray, recipe: Recipe) -> np.ndarray:
    layout, angle, box = recipe.kind.layout, recipe.angle, recipe.box
    if layout == "plain":
        return photo
    if layout == "letterbox":
        framed = geometry.letterbox(photo)
        return framed if angle is None else geometry.turned(framed, angle)
    if box is None:
        return geometry.centre_square(photo)
    top, left, side = box
    return geometry.shrunk(geometry.turned(photo, angle, (top, left, side, side)))


def _distorted(pixels: np.ndarray, name: str, severity: int, stream: np.random.Generator) -> np.ndarray:
    if name == "noise":
        return colours.colour_noise(pixels, severity, stream)
    return _WITHOUT_CHANCE[name](pixels, severity)


_WITHOUT_CHANCE = {
    "saturation": colours.less_saturation,
    "contrast": colours.less_contrast,
    "resampling": details.resampled,
    "blur": details.blurred,
}
