"""The cascade of a run: how its window was chosen, and what it changes."""

from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.formats.opening import read_description
from kerasfusion.report_page.blocks import Chart, Paragraph, Section, Table
from kerasfusion.roadwork.cascade.figure import cascade_curve
from kerasfusion.roadwork.cascade.record import Cascade, Row, read_cascade
from kerasfusion.roadwork.report.run import Run


def cascade_sections(run: Run) -> list[Section]:
    """A section for each `.keras` file of the run folder that is a cascade; mostly none, or one."""
    found = [(path, _read(path)) for path in sorted(run.folder.glob("*.keras"))]
    return [_section(path.name, cascade) for path, cascade in found if cascade is not None]


def _read(path: Path) -> Cascade | None:
    try:
        description = read_description(path)
    except RequestError:  # another file that somebody put there
        return None
    return read_cascade(description, path)


def _section(name: str, found: Cascade) -> Section:
    row, (low, high) = found.row, found.window
    views = f" ({found.views} views each)" if found.views > 1 else ""
    said = (
        f"{name} asks YOLO and EfficientNetV2 first. Where their P(roadwork) is at most {low:g} or at least {high:g}, "
        f"that is the answer; the ViT is asked about the others. On {found.photos} held-out photos{views} it skipped "
        f"the ViT for {row.skipped:.1%} and decided otherwise than the fusion for {row.changed:.2%}, with 95 % "
        f"confidence for at most {row.changed_upper95:.2%}; the limit was {found.disagree:.2%}."
    )
    chart = Chart(
        cascade_curve(found),
        "Each point is a window, from the most careful one at the left. Left: the decisions that change, and how many "
        "there may be with 95 % confidence; right: what the answers are worth on the photos that the window was chosen "
        "on. The dotted line is the window in the file.",
        f"Changed decisions, MCC and reward against the share of photos that skip the ViT. {said}",
        narrow=cascade_curve(found, per_row=1),
    )
    caption = "Windows that were tried. Milliseconds are means on the machine that calibrated, from the pixels on."
    return Section(
        "Answers without the ViT", [Paragraph(said), chart, Table([_cells(each) for each in found.curve], caption)]
    )


def _cells(row: Row) -> dict[str, object]:
    window = "none: the fusion" if row.window is None else "{:g} to {:g}".format(*row.window)
    return {
        "window": window + (" (in the file)" if row.taken else ""),
        "skip": f"{row.skipped:.1%}",
        "ms": f"{row.ms:.1f}",
        "changed": f"{row.changed:.2%}",
        "at most": f"{row.changed_upper95:.2%}",
        "MCC": row.mcc,
        "reward": row.reward,
        "reward differs": "{:+.3f} to {:+.3f}".format(*row.reward_difference_ci95),
    }
