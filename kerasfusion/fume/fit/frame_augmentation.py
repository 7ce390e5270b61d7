"""Random changes of training frames: one geometry for both gases and their masks, other light for each frame.

All random numbers are a function of the seed alone, so that a resumed run sees what an undisturbed one sees. Frames are
interpolated, masks take the nearest pixel, and both are reflected beyond their edges, so that a tube that leaves the
picture goes on leaving it.
"""

from dataclasses import dataclass
from math import pi

from kerasfusion.fume.config_augmentation import Augmentation
from kerasfusion.images.augmentation import centred_transforms


@dataclass
class _Draw:
    """Uniform random numbers for a batch, each call from a seed of its own."""

    seeds: list
    batch: object

    def __call__(self, low: float, high: float, *shape: int):
        import tensorflow as tf

        sizes = tf.concat([[self.batch], tf.constant(shape, tf.int32)], 0)
        return tf.random.stateless_uniform(sizes, self.seeds.pop(), low, high)

    def where(self, chance: float, changed, unchanged, *shape: int):
        """`changed` with the given chance, drawn for each sample, or each sample's frame if shape says so."""
        import tensorflow as tf

        return tf.where(self(0, 1, *shape) < chance, changed, unchanged)


def frame_augmentation(settings: Augmentation):
    """Build the change of a batch.

    Returns:
        (frames (B, H, W, G) uint8 or float32 0..255, masks (B, H, W, G) uint8, seed (2,) int32) -> frames of the same
        shape, float32 0..255, and masks as they came in; eagerly and inside tf.data.
    """
    import tensorflow as tf

    def augment(frames, masks, seed):
        draw = _Draw(tf.unstack(tf.random.split(seed, 24)), tf.shape(frames)[0])
        transform = _geometry(draw, settings, *tf.unstack(tf.shape(frames)[1:3]))
        frames = _moved(tf.cast(frames, tf.float32), transform, "bilinear")
        masks = _moved(masks, transform, "nearest")
        gases = frames.shape[-1]
        for change, its in (
            (_brightness_contrast, settings.brightness_contrast),
            (_gamma, settings.random_gamma),
            (_noise, settings.gaussian_noise),
            (_blur, settings.gaussian_blur),
        ):
            if its.p > 0:
                frames = change(frames, draw, its, gases)
        return tf.clip_by_value(frames, 0, 255), masks

    return augment


def _geometry(draw: _Draw, settings: Augmentation, height, width):
    import tensorflow as tf

    more = settings.shift_scale_rotate
    angles, extra = draw(-settings.rotate_limit, settings.rotate_limit), draw(-more.rotate_limit, more.rotate_limit)
    scales = draw(1 - more.scale_limit, 1 + more.scale_limit)
    shifts = draw(-more.shift_limit, more.shift_limit, 2)
    shifted = draw(0, 1) < more.p
    angles = angles + tf.where(shifted, extra, 0.0)
    right = tf.where(shifted, shifts[:, 0], 0.0) * tf.cast(width, tf.float32)
    down = tf.where(shifted, shifts[:, 1], 0.0) * tf.cast(height, tf.float32)
    mirrored = draw(0, 1) < settings.horizontal_flip
    scales = tf.where(shifted, scales, 1.0)
    return centred_transforms(height, width, mirrored, angles * pi / 180, scales, (right, down))


def _moved(pictures, transform, interpolation: str):
    import keras

    return keras.ops.image.affine_transform(
        pictures, transform, interpolation=interpolation, fill_mode="reflect", data_format="channels_last"
    )


def _brightness_contrast(frames, draw: _Draw, settings, gases: int):
    import tensorflow as tf

    shape = (1, 1, gases)
    contrast = draw(1 - settings.contrast_limit, 1 + settings.contrast_limit, *shape)
    brightness = draw(-settings.brightness_limit, settings.brightness_limit, *shape) * 255
    mean = tf.reduce_mean(frames, axis=(1, 2), keepdims=True)
    changed = tf.clip_by_value((frames - mean) * contrast + mean + brightness, 0, 255)
    return draw.where(settings.p, changed, frames, *shape)


def _gamma(frames, draw: _Draw, settings, gases: int):
    low, high = settings.gamma_limit
    gamma = draw.where(settings.p, draw(low / 100, high / 100, 1, 1, gases), 1.0, 1, 1, gases)
    return (frames / 255) ** gamma * 255


def _noise(frames, draw: _Draw, settings, gases: int):
    import tensorflow as tf

    low, high = settings.var_limit
    deviation = draw.where(settings.p, tf.sqrt(draw(low, high, 1, 1, gases)), 0.0, 1, 1, gases)
    noise = tf.random.stateless_normal(tf.shape(frames), draw.seeds.pop())
    return tf.clip_by_value(frames + noise * deviation, 0, 255)


def _blur(frames, draw: _Draw, settings, gases: int):
    """Gaussian blur with a kernel of a random odd width k and sigma 0.3 ((k - 1) / 2 - 1) + 0.8 (OpenCV's rule)."""
    import tensorflow as tf

    smallest, largest = (limit // 2 for limit in settings.blur_limit)
    radius = tf.floor(draw(smallest, largest + 1 - 1e-3, gases))
    sigma = 0.3 * (radius - 1) + 0.8
    distances = tf.range(-largest, largest + 1, dtype=tf.float32)[:, None, None]
    taps = tf.where(abs(distances) <= radius, tf.exp(-(distances**2) / (2 * sigma**2)), 0.0)
    unchanged = tf.where(distances == 0, 1.0, 0.0)
    taps = tf.where(draw(0, 1, gases) < settings.p, taps / tf.reduce_sum(taps, axis=0), unchanged)
    return _filtered(frames, taps[:, None] * taps[None])


def _filtered(frames, kernels):
    """Frames (B, H, W, G), each by its own of the kernels (K, K, B, G)."""
    import tensorflow as tf

    width, batch, gases = kernels.shape[0], tf.shape(frames)[0], frames.shape[-1]
    margin = [width // 2] * 2
    padded = tf.pad(frames, [[0, 0], margin, margin, [0, 0]], "REFLECT")
    size = tf.shape(padded)
    # The frames are the channels of one picture: a convolution by channels gives each its own kernel.
    channels = tf.reshape(tf.transpose(padded, (1, 2, 0, 3)), (1, size[1], size[2], batch * gases))
    changed = tf.nn.depthwise_conv2d(channels, tf.reshape(kernels, (width, width, batch * gases, 1)), [1] * 4, "VALID")
    changed = tf.reshape(changed, (*tf.unstack(tf.shape(frames)[1:3]), batch, gases))
    return tf.ensure_shape(tf.transpose(changed, (2, 0, 1, 3)), frames.shape)
