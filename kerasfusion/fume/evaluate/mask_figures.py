"""Figure of how masks are spread: each sample's gas IoU, gas by gas."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kerasfusion.figure_style import BLACK, BLUE, GREEN, ORANGE, panels
from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.data.masks import GAS
from kerasfusion.fume.detect.answering import MASK
from kerasfusion.metrics import classification

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"co2_mask": BLUE, "ch4_mask": ORANGE, MASK: GREEN}
BINS = 20


def mask_title(output: str) -> str:
    """How a figure or a page calls a mask: "CO2", "CH4", or "one mask" of a network that has but one."""
    gas = output.removesuffix(f"_{MASK}")
    return gas.upper() if gas in GASES else "one mask"


def gas_ious(pixels: np.ndarray) -> np.ndarray:
    """(K,) gas IoU of each sample: (N, 3, 3) pixel counts, without the samples where neither truth nor answer has gas.

    A plume that was not found, or one where there is none, has 0.
    """
    ious = classification.iou(pixels)[:, GAS]
    return ious[~np.isnan(ious)]


def gas_iou_distribution(pixels: Mapping[str, np.ndarray], per_row: int = 3) -> "Figure":
    """Histogram of the samples' gas IoU, a panel a mask; lines at the median and at the IoU of all pixels together.

    Args:
        pixels: {output: (N, 3, 3) pixels by true and predicted class}, at least one with gas.
        per_row: panels beside each other.

    Raises:
        RequestError: matplotlib is not installed.
    """
    shown = {output: counts for output, counts in pixels.items() if gas_ious(counts).size}
    figure, axes = panels(len(shown), width=4.2, height=3.6, per_row=per_row)
    for number, (ax, (output, counts)) in enumerate(zip(axes, shown.items(), strict=True)):
        ious, together = gas_ious(counts), classification.iou(counts.sum(axis=0))[GAS]
        ax.hist(ious, bins=np.linspace(0, 1, BINS + 1), color=COLOURS[output])
        median = float(np.median(ious))
        ax.axvline(median, color=BLACK, linewidth=1.5, label=f"median of the samples, {median:.3f}")
        ax.axvline(together, color=BLACK, linewidth=1.5, linestyle="--", label=f"all pixels together, {together:.3f}")
        ax.set_title(f"{mask_title(output)}: {ious.size} samples", fontsize=10, pad=34)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8, frameon=False, borderpad=0.1)
        ax.set(xlabel="IoU of the gas in a sample", ylabel="" if number % per_row else "samples", xlim=(0, 1))
        ax.yaxis.get_major_locator().set_params(integer=True)
    return figure
