"""The settings of fume's training augmentation: the section data.augmentation."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from kerasfusion.config import STRICT_KEYS
from kerasfusion.fume.config_types import Positive, Probability, Weight

Degrees = Annotated[float, Field(ge=0, le=180)]


@dataclass(frozen=True, config=STRICT_KEYS)
class ShiftScaleRotate:
    """A second geometric change.

    Attributes:
        shift_limit: largest shift, share of the frame's size.
        scale_limit: largest change of scale, share.
        rotate_limit: largest rotation, +- degrees.
        p: its chance.
    """

    shift_limit: Annotated[float, Field(ge=0, lt=1)] = 0.1
    scale_limit: Annotated[float, Field(ge=0, lt=1)] = 0.15
    rotate_limit: Degrees = 15
    p: Probability = 0.5


@dataclass(frozen=True, config=STRICT_KEYS)
class BrightnessContrast:
    """A change of all grey levels of a frame.

    Attributes:
        brightness_limit: largest change of brightness, share of 255.
        contrast_limit: largest change of contrast, share.
        p: its chance.
    """

    brightness_limit: Probability = 0.2
    contrast_limit: Annotated[float, Field(ge=0, lt=1)] = 0.2
    p: Probability = 0.5


@dataclass(frozen=True, config=STRICT_KEYS)
class GaussianNoise:
    """Noise that each pixel gets on its own.

    Attributes:
        var_limit: range of its variance, squared grey levels of 0..255.
        p: its chance.
    """

    var_limit: tuple[Weight, Weight] = (10.0, 50.0)
    p: Probability = 0.3


@dataclass(frozen=True, config=STRICT_KEYS)
class GaussianBlur:
    """A blur.

    Attributes:
        blur_limit: smallest and largest width of its kernel, pixels (odd).
        p: its chance.
    """

    blur_limit: tuple[Annotated[int, Field(ge=3, le=15)], Annotated[int, Field(ge=3, le=15)]] = (3, 7)
    p: Probability = 0.3


@dataclass(frozen=True, config=STRICT_KEYS)
class RandomGamma:
    """A curve over the grey levels.

    Attributes:
        gamma_limit: range of gamma, percent.
        p: its chance.
    """

    gamma_limit: tuple[Positive, Positive] = (80, 120)
    p: Probability = 0.3


@dataclass(frozen=True, config=STRICT_KEYS)
class Augmentation:
    """Changes of training frames; one geometry for both gases and their masks.

    Attributes:
        horizontal_flip: chance.
        rotate_limit: rotation of every sample, +- degrees.
        shift_scale_rotate, brightness_contrast, gaussian_noise, gaussian_blur, random_gamma: see there.
    """

    horizontal_flip: Probability = 0.5
    rotate_limit: Degrees = 15
    shift_scale_rotate: ShiftScaleRotate = ShiftScaleRotate()
    brightness_contrast: BrightnessContrast = BrightnessContrast()
    gaussian_noise: GaussianNoise = GaussianNoise()
    gaussian_blur: GaussianBlur = GaussianBlur()
    random_gamma: RandomGamma = RandomGamma()
