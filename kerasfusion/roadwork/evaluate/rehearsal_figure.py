"""The reward along a rehearsal, drawn."""

from typing import TYPE_CHECKING

from kerasfusion.figure_style import GREY, SHADE, panels
from kerasfusion.roadwork.evaluate.figures import colour_of, title_of, width_of
from kerasfusion.roadwork.evaluate.rehearsal import Rehearsal
from kerasfusion.roadwork.scoring.in_turn import MCC_WINDOW

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE = 6.0
"""Inches from which a figure is not one for a phone."""

FEW = 12 * MCC_WINDOW


def reward_in_turn(found: Rehearsal, width: float = 8.5) -> "Figure":
    """The reward after each answer: a line for the mean over the repeats, a band that holds 95 % of them.

    Args:
        found: the rehearsal.
        width: of the figure, inches; a narrow one has a short title and small names.

    Raises:
        RequestError: matplotlib is not installed.
    """
    figure, (ax,) = panels(1, width=width, height=4.0)
    for output, earned in reversed(found.outputs.items()):
        curve, colour = earned.curve, colour_of(output)
        low, high = earned.reward_over_repeats
        label = f"{title_of(output)}: mean {earned.reward:.3f}, from repeat to repeat {low:.3f} to {high:.3f}"
        ax.fill_between(curve.answers, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(curve.answers, curve.mean, color=colour, linewidth=width_of(output), label=label)
    ax.axvspan(1, MCC_WINDOW, color=SHADE, zorder=0)
    is_wide = width > WIDE
    if is_wide and found.challenges <= FEW:  # else the writing would be wider than what it names
        ax.text(1 + MCC_WINDOW / 2, 1.035, "window fills", ha="center", va="center", color=GREY, fontsize=8)
    ax.set_title(_title(found) if is_wide else "Rehearsals: mean and band", fontsize=10)
    ax.set(xlabel="answers", ylabel="reward of an answer (0 to 1)")
    ax.set(xlim=(1, found.challenges), ylim=(-0.02, 1.07))
    handles, names = ax.get_legend_handles_labels()
    size = 9 if is_wide else 7
    figure.legend(handles[::-1], names[::-1], loc="outside lower center", fontsize=size, frameon=False)
    return figure


def _title(found: Rehearsal) -> str:
    of_layout = "all layouts" if found.layout == "mix" else f"layout {found.layout}"
    what = "mean, and a band with 95 % of them at each answer"
    return f"{found.repeats} rehearsals of {found.challenges} challenges ({of_layout}): {what}"
