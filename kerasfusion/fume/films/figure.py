"""The course of a film as a figure: areas of the plumes and the state against time."""

from typing import TYPE_CHECKING

import numpy as np

from kerasfusion.figure_style import BLUE, GREEN, ORANGE, PURPLE, SHADE, VERMILION, panels
from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.films.course import Course
from kerasfusion.fume.films.measuring import GAS_NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"co2": BLUE, "ch4": ORANGE, "union": GREEN}
STATE_COLOURS = (GREEN, PURPLE, VERMILION)


def draw_course(course: Course, title: str) -> "Figure":
    """A panel a plume, its bursts shaded, and one of the smoothed state's probabilities.

    Raises:
        RequestError: matplotlib is not installed.
    """
    times, states = np.asarray(course.times), course.state()
    count = len(course.names) + bool(len(states))
    figure, axes = panels(max(count, 1), width=10, height=2.6, per_row=1)
    for ax, name in zip(axes, course.names, strict=False):
        bursts = course.bursts(name)
        for burst in bursts:
            ax.axvspan(burst.begin, burst.end, color=SHADE, zorder=0)
        ax.plot(times, course.area(name), color=COLOURS[name], linewidth=1.2)
        ax.set_ylim(bottom=0)
        ax.set_ylabel("% of the frame")
        ax.set_title(f"{GAS_NAMES[name]}: area of the plume; {len(bursts)} bursts, shaded", fontsize=10)
    if len(states):
        ax = axes[len(course.names)]
        for number, (state, colour) in enumerate(zip(STATES, STATE_COLOURS, strict=True)):
            ax.plot(times, states[:, number], color=colour, label=state, linewidth=1.2)
        ax.set_ylim(0, 1)
        ax.set_ylabel("probability")
        ax.set_title("state, mean of the last second", fontsize=10)
        ax.legend(loc="upper right", fontsize=8, ncols=3)
    for ax in axes:
        ax.set_xlim(times[0], max(times[-1], times[0] + 1e-3))
    axes[-1].set_xlabel("time, s")
    figure.suptitle(title, fontsize=11)
    return figure
