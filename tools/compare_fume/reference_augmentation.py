"""The changes that taminulislam/fume makes to training frames (data/transforms.py of f0ab18b), on torch tensors.

One draw for both gases of a sample, of light and noise too; what a change moves into the picture is black. The elastic
transform is that of Albumentations with its sigma of 50 pixels: its field moves pixels by about a hundredth of one,
so that only its affine part is drawn here, with its 50 pixels of 640 x 480 as a share of the shorter side.
"""

import torch
from torch.nn import functional as F

FLIP, SHIFT_SCALE_ROTATE, ELASTIC, NOISE_OR_BLUR, BRIGHTNESS_CONTRAST, GAMMA = 0.5, 0.5, 0.3, 0.3, 0.5, 0.3
"""The chance of each change."""
SHIFT, SCALE, DEGREES = 0.1, 0.15, 15.0
CORNERS = 50 / 480
"""How far the elastic transform moves each of its three points, share of the shorter side."""
VARIANCE = (10.0, 50.0)
"""Of the noise, squared grey levels."""
LARGEST_KERNEL = 7
LIGHT = 0.2
"""Largest change of brightness (share of 255) and of contrast."""
GAMMAS = (0.8, 1.2)


def augment(frames: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Change a batch at random, by torch's own generator.

    Args:
        frames: (B, G, H, W) float32 0..255.
        masks: (B, G, H, W) uint8.

    Returns:
        Both of the same shape, dtype and range.
    """
    count, _, height, width = frames.shape
    frames, masks = moved(frames, masks, draw_geometry(count, height, width))
    frames = noise_or_blur(frames)
    return gamma(brightness_contrast(frames)), masks


def draw_geometry(count: int, height: int, width: int) -> torch.Tensor:
    """(B, 3, 3) where each pixel goes, in pixels from the picture's centre: mirrored, then turned, then bent."""
    mirrored = torch.eye(3).repeat(count, 1, 1)
    mirrored[_happens(FLIP, count), 0, 0] = -1
    return _bent(count, min(height, width)) @ _turned(count, height, width) @ mirrored


def _turned(count: int, height: int, width: int) -> torch.Tensor:
    matrices = torch.eye(3).repeat(count, 1, 1)
    angle, scale = torch.deg2rad(_uniform(-DEGREES, DEGREES, count)), _uniform(1 - SCALE, 1 + SCALE, count)
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 0], matrices[:, 1, 1] = cosine, -sine, sine, cosine
    matrices[:, 0, 2], matrices[:, 1, 2] = (_uniform(-SHIFT, SHIFT, count) * side for side in (width, height))
    return torch.where(_happens(SHIFT_SCALE_ROTATE, count)[:, None, None], matrices, torch.eye(3))


def _bent(count: int, side: int) -> torch.Tensor:
    """The affine change that brings three points of a square around the centre to where each is moved."""
    third = side // 3
    points = torch.tensor([[third, third, -third], [third, -third, -third], [1, 1, 1]], dtype=torch.float32)
    targets = points.repeat(count, 1, 1)
    targets[:, :2] += (2 * torch.rand(count, 2, 3) - 1) * CORNERS * side
    return torch.where(_happens(ELASTIC, count)[:, None, None], targets @ torch.linalg.inv(points), torch.eye(3))


def moved(frames: torch.Tensor, masks: torch.Tensor, geometry: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames (bilinear) and masks (nearest) moved by `draw_geometry`'s matrices; black where nothing was."""
    height, width = frames.shape[2:]
    to_pixels = torch.diag(torch.tensor([width / 2, height / 2, 1]))
    sources = (torch.linalg.inv(to_pixels) @ torch.linalg.inv(geometry) @ to_pixels)[:, :2]
    grid = F.affine_grid(sources, list(frames.shape), align_corners=False)
    there = [
        F.grid_sample(pictures, grid, how, "zeros", align_corners=False)
        for pictures, how in ((frames, "bilinear"), (masks.float(), "nearest"))
    ]
    return there[0], there[1].to(masks.dtype)


def noise_or_blur(frames: torch.Tensor) -> torch.Tensor:
    """Noise, a Gaussian blur or the blur of a motion, one of them at most."""
    count, _, height, width = frames.shape
    kind = torch.where(_happens(NOISE_OR_BLUR, count), torch.randint(3, (count,)), -1)
    kernels = [_kernel(int(number)) for number in kind]
    frames = _filtered(frames, torch.stack(kernels))
    deviations = torch.where(kind == 0, _uniform(*VARIANCE, count).sqrt(), 0.0)[:, None, None, None]
    return (frames + deviations * torch.randn(count, 1, height, width)).clamp(0, 255)


def _kernel(kind: int) -> torch.Tensor:
    """(K, K) of sum 1: of a Gaussian (1), of a line (2), or of no blur."""
    size, kernel = 3 + 2 * int(torch.randint(3, ())), torch.zeros(LARGEST_KERNEL, LARGEST_KERNEL)
    begin = (LARGEST_KERNEL - size) // 2
    if kind == 1:
        sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8  # OpenCV's rule for a kernel without one
        line = torch.exp(-((torch.arange(size) - size // 2) ** 2) / (2 * sigma**2))
        kernel[begin : begin + size, begin : begin + size] = line[:, None] * line
    elif kind == 2:
        (x1, x2), (y1, y2) = torch.randint(size, (2, 2)).tolist()
        steps = max(abs(x2 - x1), abs(y2 - y1))
        for step in range(steps + 1):
            share = step / steps if steps else 0.0
            kernel[begin + round(y1 + share * (y2 - y1)), begin + round(x1 + share * (x2 - x1))] = 1
    else:
        kernel[LARGEST_KERNEL // 2, LARGEST_KERNEL // 2] = 1
    return kernel / kernel.sum()


def _filtered(frames: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    count, gases, height, width = frames.shape
    padded = F.pad(frames, [LARGEST_KERNEL // 2] * 4, mode="reflect")
    of_each = kernels.repeat_interleave(gases, dim=0)[:, None]
    found = F.conv2d(padded.reshape(1, count * gases, *padded.shape[2:]), of_each, groups=count * gases)
    return found.reshape(count, gases, height, width)


def brightness_contrast(frames: torch.Tensor) -> torch.Tensor:
    """Grey levels times a factor, plus a share of 255."""
    count = len(frames)
    happens = _happens(BRIGHTNESS_CONTRAST, count)
    factor = torch.where(happens, 1 + _uniform(-LIGHT, LIGHT, count), 1.0)[:, None, None, None]
    more = torch.where(happens, 255 * _uniform(-LIGHT, LIGHT, count), 0.0)[:, None, None, None]
    return (frames * factor + more).clamp(0, 255)


def gamma(frames: torch.Tensor) -> torch.Tensor:
    """A curve over the grey levels."""
    count = len(frames)
    power = torch.where(_happens(GAMMA, count), _uniform(*GAMMAS, count), 1.0)[:, None, None, None]
    return (frames / 255) ** power * 255


def _happens(chance: float, count: int) -> torch.Tensor:
    return torch.rand(count) < chance


def _uniform(low: float, high: float, count: int) -> torch.Tensor:
    return low + (high - low) * torch.rand(count)
