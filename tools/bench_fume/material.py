"""Frames, masks and states that both sides are given."""

import numpy as np

ALPHA = (1.0, 8.0, 1.2)
"""Weight of each state in the loss."""

SMOOTH = 1.0
"""Of the Dice loss."""


def draw_pair(height: int, width: int) -> dict[str, np.ndarray]:
    """One sample with both gases, as kerasfusion's networks take it."""
    return draw_batch(height, width, 1)[0]


def draw_batch(height: int, width: int, batch: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Noise.

    Returns:
        Inputs (frames (B, H, W, 1) float32 0..255, modality_mask (B, 2) float32) and targets (masks (B, H, W) uint8
        0..2, state (B,) int32 0..2).
    """
    rng = np.random.default_rng(0)
    frames = {gas: rng.uniform(0, 255, (batch, height, width, 1)).astype(np.float32) for gas in ("co2", "ch4")}
    masks = {f"{gas}_mask": rng.integers(0, 3, (batch, height, width), np.uint8) for gas in frames}
    return (
        {**frames, "modality_mask": np.ones((batch, 2), np.float32)},
        {**masks, "state": rng.integers(0, 3, batch, np.int32)},
    )
