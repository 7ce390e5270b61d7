"""How far probabilities can be taken at their word: what came true of the answers that were about as sure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from kerasfusion.figure_style import GREY, PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 15
Z = 1.959964
"""Standard deviations of a 95 % interval."""

SMALLEST_DOT, LARGEST_DOT = 22, 260
"""Square points."""


@dataclass(frozen=True)
class Reliability:
    """Bins of equal width over 0..1.

    Attributes:
        counts: (B,) int64 answers in each bin.
        said: (B,) mean probability; NaN in an empty bin.
        came_true: (B,) share that came true; NaN in an empty bin.
        low, high: (B,) 95 % Wilson interval of that share; NaN in an empty bin.
        ece: expected calibration error: mean of |said - came_true|, weighted by the counts.
    """

    counts: np.ndarray
    said: np.ndarray
    came_true: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ece: float


def reliability(p: ArrayLike, outcome: ArrayLike, bins: int = BINS, weights: np.ndarray | None = None) -> Reliability:
    """Sort answers into bins; Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599, 2017), eq. 3.

    Args:
        p: (N,) probabilities 0..1 of what `outcome` tells: of a class, or of being right.
        outcome: (N,) bool or 0/1: did it come true?
        bins: B; the last one holds 1.0 too.
        weights: (N,) how much each answer counts in means, shares and error; None: all alike.

    Raises:
        ValueError: no answers, or lengths that differ.
    """
    p, outcome = np.asarray(p, np.float64), np.asarray(outcome, np.float64)
    if not p.size or p.shape != outcome.shape:
        raise ValueError(f"expected as many outcomes as probabilities, got {outcome.shape} and {p.shape}")
    bin_of = np.minimum((p * bins).astype(np.int64), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    each = np.ones(p.size) if weights is None else weights
    mass, said, hits = (np.bincount(bin_of, each * values, bins) for values in (np.ones(p.size), p, outcome))
    with np.errstate(invalid="ignore"):
        share = hits / mass
        low, high = wilson(share * counts, counts)
        return Reliability(counts, said / mass, share, low, high, float(np.abs(said - hits).sum() / each.sum()))


def wilson(hits: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a share: Wilson, "Probable inference", J. Am. Stat. Assoc. 22 (1927).

    Args:
        hits: (...) how often it happened.
        n: (...) of how many; 0 gives NaN.

    Returns:
        (...) lower and upper bounds, within 0..1.
    """
    hits, n = np.asarray(hits, np.float64), np.asarray(n, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (hits + Z**2 / 2) / (n + Z**2)
        half = Z * np.sqrt(hits * (n - hits) / n + Z**2 / 4) / (n + Z**2)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def draw_reliability(ax: "Axes", found: Reliability, colour: str, title: str) -> None:
    """Draw bins as dots, larger with more answers, with their intervals, and the counts above the panel.

    Args:
        ax: an empty panel of `figure_style.panels`.
        found: what `reliability` gave.
        colour: of the dots.
        title: of the panel; the ECE is added.
    """
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    there = found.counts > 0
    said, share = found.said[there], found.came_true[there]
    reach = np.maximum(0, [share - found.low[there], found.high[there] - share])
    ax.errorbar(said, share, reach, color=colour, linestyle="", elinewidth=1.4, alpha=0.55)
    weight = found.counts[there] / found.counts.sum()
    ax.scatter(
        said,
        share,
        SMALLEST_DOT + LARGEST_DOT * weight,
        color=colour,
        edgecolor=PAPER,
        linewidth=0.8,
        zorder=3,
        clip_on=False,
    )
    places = (np.arange(found.counts.size) + 0.5) / found.counts.size
    for place, count in zip(places[there], found.counts[there], strict=True):
        ax.text(place, 1.04, count, rotation=90, ha="center", va="bottom", color=GREY, fontsize=7, clip_on=False)
    ax.set_title(f"{title}, ECE {found.ece:.3f}", fontsize=10, pad=24)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set_aspect("equal")
