"""The report of a fume run: one HTML page, from what its folder holds."""

from pathlib import Path

from kerasfusion import __version__
from kerasfusion.fume.report.cost import cost_section
from kerasfusion.fume.report.limits import limits_section
from kerasfusion.fume.report.masks import masks_section
from kerasfusion.fume.report.mistakes import mistakes_section
from kerasfusion.fume.report.run import Run, read_run
from kerasfusion.fume.report.state import missing_gas_section, state_section
from kerasfusion.fume.report.training import curves, training
from kerasfusion.fume.report.verdict import lead, summary
from kerasfusion.report_page.blocks import Section
from kerasfusion.report_page.page import write_page
from kerasfusion.reporting import command_line


def write_report(folder: Path, out: Path | None = None, data: Path | None = None) -> Path:
    """Write the report of a run.

    Args:
        folder: the run's.
        out: the HTML file; None is report.html in it.
        data: where the frames are now; None is where they were evaluated.

    Returns:
        The file.

    Raises:
        RequestError: not a run's folder, nothing in it yet, or matplotlib or jinja2 is not installed.
        KerasFusionError: a file of the run is damaged, or the page cannot be written.
    """
    run, path = read_run(folder), out or folder / "report.html"
    write_page(path, f"fume: {run.name}", lead(run), sections_of(run, data), made_by("report", folder))
    return path


def made_by(*words: object) -> str:
    """The last line of a page, with the words of the command that made it."""
    return f"Made by kerasfusion {__version__}: {command_line(['kerasfusion', *words])}"


def sections_of(run: Run, data: Path | None) -> list[Section]:
    """The sections that there is something for, what matters most first."""
    sections = [
        summary(run),
        limits_section(run),
        state_section(run),
        missing_gas_section(run),
        masks_section(run),
        mistakes_section(run, data),
        curves(run),
        training(run),
        cost_section(run),
    ]
    return [section for section in sections if section is not None]
