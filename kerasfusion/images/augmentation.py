"""Random changes of training pictures: the random numbers are a function of the seed alone.

keras-cv's layers draw from generators whose state cannot be kept across a kill and whose order depends on threads; here
the numbers are drawn statelessly and handed to the same layers, so that a resumed run sees the pictures that an
undisturbed one sees. Flip and rotation are not keras-cv's: its flip mirrors every photo, throws half of that away and
took as long as all but the rotation, which has to move each pixel anyway and can take it from the mirrored place.
"""

import sys
from dataclasses import dataclass
from math import pi

from kerasfusion.errors import RequestError, install_hint, require

BLUR_KERNEL = 5


@dataclass(frozen=True)
class Strength:
    """How far an image may be changed.

    Attributes:
        degrees: rotation, +- degrees.
        gain: lowest and highest factor of brightness and of contrast.
        blur_sigma: largest standard deviation of a Gaussian blur, pixels; 0 is no blur.
    """

    degrees: float
    gain: tuple[float, float]
    blur_sigma: float = 0.0


STRENGTHS = {
    "light": Strength(10, (0.9, 1.1)),
    "moderate": Strength(15, (0.85, 1.15)),
    "strong": Strength(25, (0.7, 1.35), blur_sigma=1.5),
}


def image_augmentation(strength: Strength):
    """Horizontal flip of every second image, rotation, brightness, contrast and, if asked for, blur.

    Returns:
        (images (B, H, W, 3) float32 0..255, seed (2,) int32) -> images of the same shape, dtype and range; a pure
        function, eagerly and inside tf.data.

    Raises:
        RequestError: keras-cv is not installed, or cannot be imported; says what works without it.
    """
    import tensorflow as tf

    layers = _keras_cv_layers()
    brighten = layers.RandomBrightness(0.5)
    contrast = layers.RandomContrast((0, 255), 0.5)

    def augment(images, seed):
        seeds = tf.unstack(tf.random.split(seed, 5))
        batch = tf.shape(images)[0]

        def draw(number: int, low: float, high: float, rank: int = 1):
            shape = tf.concat([[batch], tf.ones(rank - 1, tf.int32)], 0)
            return tf.random.stateless_uniform(shape, seeds[number], low, high)

        angles = draw(1, -strength.degrees * pi / 180, strength.degrees * pi / 180)
        images = _mirror_and_rotate(images, draw(0, 0, 1) > 0.5, angles)
        # The layer adds what it is given; a factor is wanted.
        images = brighten.augment_images(images, images * (draw(2, *strength.gain, rank=4) - 1))
        images = contrast.augment_images(images, draw(3, *strength.gain, rank=4))
        if strength.blur_sigma:
            images = _blur(images, draw(4, 0, strength.blur_sigma))
        return images

    return augment


def _keras_cv_layers():
    """keras_cv.layers, without torch: keras-cv imports it for nothing (half a gigabyte), and a CUDA build of it can
    abort a process with TensorFlow in it.
    """
    with_torch = "torch" in sys.modules
    if not with_torch:
        sys.modules["torch"] = None  # importing it is now an ImportError, which keras-cv takes for "not installed"
    try:
        return require("keras_cv", extra="train").layers
    except Exception as error:  # it gets no more releases: there is no saying what a newer Keras breaks
        raise _unusable(error) from error
    finally:
        if not with_torch:
            del sys.modules["torch"]


def _unusable(error: Exception) -> RequestError:
    is_missing = isinstance(error.__cause__, ModuleNotFoundError) and error.__cause__.name == "keras_cv"
    cause = error.__cause__ or error
    why = (
        "is not installed"
        if is_missing
        else f"cannot be imported ({type(cause).__name__}: {' '.join(str(cause).split())[:200]})"
    )
    return RequestError(
        f"augmentation needs keras-cv, which {why}; fit.augmentation: none works without it, on views too",
        where="fit.augmentation",
        todo="--set fit.augmentation=none" + (f", or {install_hint('train')}" if is_missing else ""),
    )


def _mirror_and_rotate(images, mirrored, angles):
    """Mirror those that are to be mirrored, then turn all of them about their centres; reflected beyond the edges.

    Args:
        images: (B, H, W, 3) float32.
        mirrored: (B,) bool.
        angles: (B,) float32 radians, positive is counter-clockwise.
    """
    import keras
    import tensorflow as tf

    transform = centred_transforms(*tf.unstack(tf.shape(images)[1:3]), mirrored, angles)
    return keras.ops.image.affine_transform(images, transform, fill_mode="reflect", data_format="channels_last")


def centred_transforms(height, width, mirrored, angles, scales=1.0, shifts=(0.0, 0.0)):
    """Mirror about the vertical axis, enlarge, turn about the centre, then shift; for `affine_transform`.

    Args:
        height, width: of the pictures, int32.
        mirrored: (B,) bool.
        angles: (B,) float32 radians, positive is counter-clockwise.
        scales: (B,) float32, above 1 enlarges.
        shifts: (B,) float32 pixels to the right, (B,) float32 pixels downwards.

    Returns:
        (B, 8) float32: where in the picture each point of the result is taken from.
    """
    import tensorflow as tf

    height, width = (tf.cast(side - 1, tf.float32) for side in (height, width))
    right, down = shifts
    cos, sin = tf.cos(angles) / scales, tf.sin(angles) / scales
    # A point (x, y) of the result is taken from (cos x - sin y + left, sin x + cos y + top) of the mirrored photo,
    # which is (width - that, ...) of the photo itself.
    middle_x, middle_y = width / 2 + right, height / 2 + down
    left, top = width / 2 - cos * middle_x + sin * middle_y, height / 2 - sin * middle_x - cos * middle_y
    side = tf.where(mirrored, -1.0, 1.0)
    left = tf.where(mirrored, width - left, left)
    zero = tf.zeros_like(cos)
    return tf.stack([side * cos, -side * sin, left, sin, cos, top, zero, zero], axis=1)


def _blur(images, sigmas):
    import tensorflow as tf
    from keras_cv.layers import RandomGaussianBlur

    layer = RandomGaussianBlur(BLUR_KERNEL, 1.0)

    def blur_one(image_and_sigma):
        image, sigma = image_and_sigma
        kernel = RandomGaussianBlur.get_kernel(tf.maximum(sigma, 1e-3), BLUR_KERNEL)
        kernels = tf.reshape(kernel, (BLUR_KERNEL, 1, 1, 1)), tf.reshape(kernel, (1, BLUR_KERNEL, 1, 1))
        return layer.augment_image(image, kernels)

    return tf.map_fn(blur_one, (images, sigmas), fn_output_signature=images.dtype)
