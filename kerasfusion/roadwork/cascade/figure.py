"""The curve of a cascade as a figure: what skipping the ViT changes, and what the answers are worth."""

from typing import TYPE_CHECKING

from kerasfusion.figure_style import BLUE, GREEN, GREY, ORANGE, VERMILION, panels
from kerasfusion.roadwork.cascade.record import Cascade

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "cascade.png"


def cascade_curve(found: Cascade, per_row: int = 2) -> "Figure":
    """Changed decisions, and MCC and reward, against the share of photos that skip the ViT; a line marks the window.

    Args:
        found: how the window was chosen.
        per_row: panels beside each other.

    Raises:
        RequestError: matplotlib is not installed.
    """
    figure, (changes, worth) = panels(2, 4.2, 3.4, per_row)
    skipped = [100 * row.skipped for row in found.curve]
    changes.plot(skipped, [100 * row.changed for row in found.curve], "o-", color=BLUE, markersize=3, label="changed")
    upper = [100 * row.changed_upper95 for row in found.curve[1:]]
    changes.plot(skipped[1:], upper, "--", color=ORANGE, label="at most, with 95 % confidence")
    changes.axhline(100 * found.disagree, color=VERMILION, linewidth=1, label="limit")
    changes.set_ylabel("decisions that change, %")
    worth.plot(skipped, [row.mcc for row in found.curve], "o-", color=BLUE, markersize=3, label="MCC")
    worth.plot(skipped, [row.reward for row in found.curve], "s-", color=GREEN, markersize=3, label="reward")
    for axes in (changes, worth):
        axes.axvline(100 * found.row.skipped, color=GREY, linewidth=1, linestyle=":", label="the window")
        axes.set_xlabel("photos that skip the ViT, %")
        axes.legend(frameon=False, fontsize=8)
    return figure
