"""Distortions of colour: less saturation, less contrast, coloured noise. Levels are rounded down, as validators do."""

import numpy as np

SATURATION = {1: 0.4, 2: 0.3}
"""By severity: the share that is kept."""
CONTRAST = {1: 0.85, 2: 0.725}
"""By severity: what levels are multiplied by."""
NOISE = {1: 0.001, 2: 0.002}
"""By severity: variance, of brightness and colour differences on a scale of 0 to 1."""

# Brightness and the two colour differences as OpenCV has them, which takes floating-point pixels to lie in 0..1: the
# middle of the differences stays at 0.5 here, where levels go to 255.
_RED, _GREEN, _BLUE = (np.float32(share) for share in (0.299, 0.587, 0.114))
_MIDDLE = np.float32(0.5)
_LUMA_RANGE, _CHROMA_RANGE, _FOOT, _WHITE = (np.float32(level) for level in (235 - 16, 240 - 16, 16, 255))


def less_saturation(picture: np.ndarray, severity: int) -> np.ndarray:
    """(H, W, 3) uint8 with colours nearer to grey: 1 keeps 40 % of them, 2 keeps 30 %."""
    luma, blue_red = _to_differences(picture)
    kept = np.float32(SATURATION[severity])
    return _to_levels(luma, _MIDDLE + (blue_red - _MIDDLE) * kept)


def less_contrast(picture: np.ndarray, severity: int) -> np.ndarray:
    """(H, W, 3) uint8, darker: 1 keeps 85 % of each level, 2 keeps 72.5 %."""
    return (picture.astype(np.float32) * np.float32(CONTRAST[severity])).astype(np.uint8)


def colour_noise(picture: np.ndarray, severity: int, stream: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 with Gaussian noise on brightness and both colour differences, about 9 or 13 levels each."""
    luma, blue_red = _to_differences(picture)
    noise = stream.standard_normal((*picture.shape[:2], 3)) * (np.sqrt(NOISE[severity]) * 255)
    return _to_levels((luma + noise[..., 0]).astype(np.float32), (blue_red + noise[..., 1:]).astype(np.float32))


def _to_differences(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brightness (H, W), and the blue and red difference (H, W, 2), in the narrow ranges of video."""
    red, green, blue = (picture[..., i].astype(np.float32) for i in range(3))
    luma = red * _RED + green * _GREEN + blue * _BLUE
    blue_red = np.stack([(blue - luma) * np.float32(0.564), (red - luma) * np.float32(0.713)], axis=-1) + _MIDDLE
    return (luma * _LUMA_RANGE + _FOOT) / _WHITE, (blue_red * _CHROMA_RANGE + _FOOT) / _WHITE


def _to_levels(luma: np.ndarray, blue_red: np.ndarray) -> np.ndarray:
    luma = (luma * _WHITE - _FOOT) / _LUMA_RANGE
    blue_red = (blue_red * _WHITE - _FOOT) / _CHROMA_RANGE - _MIDDLE
    blue_less, red_less = blue_red[..., 0], blue_red[..., 1]
    red = luma + np.float32(1.403) * red_less
    green = luma - np.float32(0.714) * red_less - np.float32(0.344) * blue_less
    blue = luma + np.float32(1.773) * blue_less
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 255).astype(np.uint8)
