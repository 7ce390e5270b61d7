"""The style that all figures share, and the two ways they are kept: a PNG, and SVG inside a report.

Every figure is drawn on its own matplotlib `Figure`, so that nothing depends on a display or on pyplot's global state.
"""

import io
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from kerasfusion.errors import require
from kerasfusion.files.writing import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
VERMILION, SKY, BLACK = "#D55E00", "#56B4E9", "#000000"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, BLACK)
"""Okabe and Ito's, which colour-blind readers can tell apart, without its yellow, which is too pale for lines."""

GREY, GRID, SHADE, PAPER = "#666666", "#E5E5E5", "#EEEEEE", "#FFFFFF"
ON_PALE, ON_DEEP = "#111111", "#FEFEFE"
"""Writing on a coloured cell, which keeps its colour where a page is dark."""

VARIABLES = {
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    PURPLE: "purple",
    VERMILION: "vermilion",
    SKY: "sky",
    BLACK: "ink",
    GREY: "quiet",
    GRID: "grid",
    SHADE: "shade",
    PAPER: "paper",
}
"""Colour -> the CSS variable of `report_page/page.css` that stands for it in a report."""

_COLOUR = re.compile("|".join(VARIABLES), re.IGNORECASE)
_OPENING = re.compile(r"<svg .*?>", re.DOTALL)
_LEFT_OUT = re.compile(r"<metadata>.*?</metadata>|<style .*?</style>", re.DOTALL)
_UNUSED_ID = re.compile(r"(<(?:g|image)\b[^>]*?) id=\"[^\"]*\"")
_FONT = re.compile(r"font-family: [^;\"]*")
_ID = re.compile(r"(\bid=\"|\burl\(#|\bhref=\"#)")


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of width x height inches.

    Raises:
        RequestError: matplotlib is not installed.
    """
    return require("matplotlib.figure", extra="train").Figure(figsize=(width, height), layout="constrained")


def panels(count: int, width: float, height: float, per_row: int = 4) -> tuple["Figure", list["Axes"]]:
    """A figure of `count` panels, each width x height inches; arguments as they say.

    Raises:
        RequestError: matplotlib is not installed.
    """
    columns = min(count, per_row)
    rows = math.ceil(count / columns)
    figure = new_figure(width * columns, height * rows)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.06)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    for ax in axes:
        plain_axes(ax)
    return figure, axes


def plain_axes(ax: "Axes") -> None:
    """No frame at the top and right, and a pale grid behind what is drawn."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="both", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)


def save_png(figure: "Figure", path: Path) -> None:
    """Write a figure as a PNG of 150 dots an inch.

    Raises:
        KerasFusionError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=DPI)
    write_file(path, buffer.getvalue())


def as_svg(figure: "Figure", prefix: str) -> str:
    """A figure as an `<svg>` element for a page: text stays text, without a background, its colours CSS variables.

    Args:
        figure: drawn in the colours above.
        prefix: of all ids inside, so that figures of one page do not take each other's.

    Returns:
        The element, which has a viewBox instead of a size; it holds no script, style sheet or address.
    """
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "kerasfusion"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = _LEFT_OUT.sub("", svg[svg.index("<svg ") :])
    width, height = (round(72 * inches, 2) for inches in figure.get_size_inches())
    svg = _OPENING.sub(f'<svg viewBox="0 0 {width:g} {height:g}" aria-hidden="true">', svg, count=1)
    svg = _FONT.sub("font-family: inherit", svg).replace("xlink:href=", "href=")
    svg = _UNUSED_ID.sub(r"\1", svg)
    svg = _ID.sub(lambda match: f"{match[0]}{prefix}-", svg)
    return _COLOUR.sub(lambda match: f"var(--{VARIABLES[match[0].upper()]})", svg).strip()
