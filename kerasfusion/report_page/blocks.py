"""What a report is made of. Texts are plain: they are escaped when the page is written; `so` is shown as code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of text."""

    text: str


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    points: Sequence[str]


@dataclass(frozen=True)
class Note:
    """Something that the reader must not miss.

    Attributes:
        text: what it is.
        command: that makes what is missing; None where no command does.
        kind: "warning" (what the numbers do not say, a limit) or "missing" (a part that was never made).
    """

    text: str
    command: str | None = None
    kind: str = "warning"


@dataclass(frozen=True)
class Number:
    """One of the main numbers, shown large.

    Attributes:
        label: what it measures.
        value: with its unit.
        detail: for example its interval.
    """

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Numbers:
    """The main numbers, side by side as far as the screen is wide."""

    numbers: Sequence[Number]


@dataclass(frozen=True)
class Facts:
    """Terms and what they are, one a line; a value of None is left out."""

    facts: Mapping[str, object]


@dataclass(frozen=True)
class Table:
    """Rows of values.

    Attributes:
        rows: one mapping a line, as `reporting.table` takes them; the first column names the row.
        caption: what the table shows, and in which unit.
        digits: decimals of a float; or of each column, 4 where it names none.
    """

    rows: Sequence[Mapping[str, object]]
    caption: str
    digits: int | Mapping[str, int] = 4


@dataclass(frozen=True)
class Chart:
    """A figure.

    Attributes:
        figure: drawn with the colours of `figure_style`; best 5 to 10 inches wide.
        caption: what it shows and how to read it.
        alt: what a reader who cannot see it should know: the kind of figure and what it says.
        narrow: the same for a phone, about 4 inches wide; None scales `figure` down.
    """

    figure: "Figure"
    caption: str
    alt: str
    narrow: "Figure | None" = None


@dataclass(frozen=True)
class Picture:
    """A photo or a panel.

    Attributes:
        data: bytes of a JPEG or a PNG.
        title: below it; also what is read where it cannot be seen.
        lines: more about it, each a line of its own.
    """

    data: bytes
    title: str
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Pictures:
    """Pictures in a grid.

    Attributes:
        pictures: in reading order.
        caption: what they are.
        width: of one, CSS pixels, at least; up to 240, a phone shows two beside each other.
    """

    pictures: Sequence[Picture]
    caption: str
    width: int = 210


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away until the reader opens them; printed unfolded."""

    title: str
    blocks: Sequence["Block"]


Block = Paragraph | Points | Note | Numbers | Facts | Table | Chart | Pictures | Details


@dataclass(frozen=True)
class Section:
    """A heading with what belongs to it."""

    title: str
    blocks: Sequence[Block]
