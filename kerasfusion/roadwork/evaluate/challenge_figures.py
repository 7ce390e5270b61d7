"""Figures of challenges: MCC by layout and level, and a sheet of one photo as a validator would send it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from kerasfusion.figure_style import panels
from kerasfusion.roadwork.challenge.kinds import LAYOUTS, MIX, Kind
from kerasfusion.roadwork.evaluate.challenges import name_of
from kerasfusion.roadwork.evaluate.figures import colour_of, title_of, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILE, GAP, LINE = 224, 12, 22
"""Pixels of the sheet."""


def mcc_by_kind(
    split: str, report: Mapping[str, Any], challenges: Mapping[str, Mapping[str, Any]], width: float = 8.5
) -> "Figure":
    """MCC of every output on the photos themselves and on each kind of challenge, with 95 % intervals by photo.

    Args:
        split: which split.
        report: {output: {metric: value}} of the photos themselves.
        challenges: the same of each kind, by name, as `challenge_reports` gives.
        width: of the figure, inches.

    Raises:
        RequestError: matplotlib is not installed.
    """
    kinds = {name.removeprefix(f"{split}_"): of_kind for name, of_kind in challenges.items()}
    shown = {"photo": report} | {name: of_kind for name, of_kind in kinds.items() if not name.endswith(MIX)}
    figure, (ax,) = panels(1, width=width, height=4.2)
    for number, output in enumerate(reversed(report)):
        offset = (number - (len(report) - 1) / 2) * 0.12
        _draw_output(ax, output, shown, offset)
    names = [name.replace("_", "\n") for name in shown]
    ax.set_xticks(range(len(names)), names, fontsize=8)
    ax.set(ylabel="MCC (-1 to 1)")
    ax.grid(axis="x", visible=False)
    handles, labels = ax.get_legend_handles_labels()
    columns = len(labels) if width > 6 else 2
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
    return figure


def _draw_output(ax: "Axes", output: str, shown: Mapping[str, Mapping[str, Any]], offset: float) -> None:
    names = list(shown)
    values = [shown[name][output] for name in names]
    places, mcc = np.arange(len(names)) + offset, np.array([each["mcc"] for each in values])
    bounds = np.array([each["mcc_ci95"] for each in values]).T
    colour = colour_of(output)
    ax.vlines(places, *bounds, color=colour, linewidth=1.2, alpha=0.6)
    ax.plot(places, mcc, "o", color=colour, markersize=5, label=title_of(output))
    for layout in LAYOUTS:  # a line from level to level, and none between what has no order
        rows = [row for row, name in enumerate(names) if name.split("_")[0] == layout]
        ax.plot(places[rows], mcc[rows], color=colour, linewidth=width_of(output))


def sheet_name(split: str) -> str:
    """The file of a split's sheet in figures/."""
    return f"{split}_challenge_sheet.png"


def challenge_sheet(photo: np.ndarray, views: Sequence[np.ndarray], kinds: Sequence[Kind | None]) -> np.ndarray:
    """A photo and its challenges, a row a layout.

    Args:
        photo: (H, W, 3) uint8.
        views: of the photo, the first of which is the photo itself.
        kinds: what each view is.

    Returns:
        (h, w, 3) uint8.
    """
    rows: dict[str, list[tuple[str, np.ndarray]]] = {"photo": [("the photo", photo)]}
    for view, kind in zip(views, kinds, strict=True):
        if kind is not None:
            row = "photo" if kind.layout == "plain" else kind.layout
            rows.setdefault(row, []).append((name_of(kind).replace("_", ", level "), view))
    columns = max(map(len, rows.values()))
    sheet = Image.new("RGB", (columns * (TILE + GAP) + GAP, len(rows) * (TILE + LINE + GAP) + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, tiles in enumerate(rows.values()):
        for column, (name, view) in enumerate(tiles):
            corner = (GAP + column * (TILE + GAP), GAP + row * (TILE + LINE + GAP))
            sheet.paste(ImageOps.pad(Image.fromarray(view), (TILE, TILE), Image.Resampling.BILINEAR, "#dddddd"), corner)
            pen.text((corner[0], corner[1] + TILE + 3), name, "#111111", font)
    return np.asarray(sheet)
