"""Write a report: one HTML file that needs no network, follows light and dark, and prints."""

import base64
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from kerasfusion.errors import require
from kerasfusion.figure_style import as_svg
from kerasfusion.files.writing import write_text
from kerasfusion.report_page.blocks import Picture, Section, Table
from kerasfusion.reporting import cell_text, is_numeric


def write_page(path: Path, title: str, lead: str, sections: Sequence[Section], made_by: str) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        title: of the page.
        lead: what the reader should know who reads nothing else, one or two sentences.
        sections: in reading order; the page begins with a list of them.
        made_by: the last line, such as program, version and command.

    Raises:
        RequestError: jinja2 is not installed. KerasFusionError: the file cannot be written.
    """
    write_text(path, page_text(title, lead, sections, made_by))


def page_text(title: str, lead: str, sections: Sequence[Section], made_by: str) -> str:
    """The page itself; arguments as for `write_page`."""
    jinja2 = require("jinja2", extra="train")
    here = files("kerasfusion.report_page")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"columns": columns_of, "cells": cells_of, "source": picture_source}
    environment.filters |= {"prose": _marking(r"`([^`]+)`", r"<code>\1</code>"), "path": _marking("/", "/<wbr>")}
    numbers = itertools.count(1)
    environment.filters["svg"] = lambda figure: as_svg(figure, f"figure{next(numbers)}")
    environment.globals["kind"] = lambda block: type(block).__name__.lower()
    return environment.from_string(here.joinpath("page.html").read_text(encoding="utf-8")).render(
        title=title,
        lead=lead,
        sections=list(zip(anchors_of(sections), sections, strict=True)),
        made_by=made_by,
        style=here.joinpath("page.css").read_text(encoding="utf-8"),
    )


def anchors_of(sections: Sequence[Section]) -> Iterator[str]:
    """An id for each section: the letters of its title, numbered where another has the same."""
    taken: set[str] = set()
    for section in sections:
        plain = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") or "section"
        anchor = next(name for n in itertools.count(1) if (name := plain if n == 1 else f"{plain}-{n}") not in taken)
        taken.add(anchor)
        yield anchor


def columns_of(table: Table) -> list[tuple[str, bool]]:
    """(key, whether it is set to the right) of every column, in the order in which they first occur."""
    keys = dict.fromkeys(key for row in table.rows for key in row)
    return [(key, is_numeric([row.get(key) for row in table.rows])) for key in keys]


def cells_of(table: Table) -> list[list[str]]:
    """The text of every cell, row by row."""
    columns = columns_of(table)
    digits = (
        table.digits if not isinstance(table.digits, int) else dict.fromkeys((key for key, _ in columns), table.digits)
    )
    return [[cell_text(row.get(key), digits.get(key, 4)) for key, _ in columns] for row in table.rows]


def picture_source(picture: Picture) -> str:
    """The picture as a data: address."""
    kind = "png" if picture.data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture.data).decode('ascii')}"


def _marking(pattern: str, mark: str) -> Callable[[str], str]:
    """A filter that escapes a text and then marks what matches."""
    markupsafe = require("markupsafe", extra="train")
    return lambda text: markupsafe.Markup(re.sub(pattern, mark, str(markupsafe.escape(text))))
