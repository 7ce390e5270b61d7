"""The rows of one split of a tabular image set: (label, encoded bytes) out of whatever the columns hold."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kerasfusion.errors import KerasFusionError, first_line
from kerasfusion.roadwork.data.importing.reach import Reach, shortened
from kerasfusion.roadwork.data.label_names import LABEL_SPELLINGS, parse_label

AGAIN = "run the same command again: it goes on after the rows already written"


@dataclass(frozen=True)
class SplitRows:
    """The rows of one split, in their stored order.

    Attributes:
        split: train, val or test.
        records: yields the rows from a given number on, as dicts that hold the two columns.
        image_column: its cells are {"bytes", "path"}, bytes, base64 text, or a path.
        label_column: its cells are anything that `parse_label` reads, or indices into `class_names`.
        class_names: the source's own class names, None if it has none.
        reach: where images may lie that rows name by a path.
        num_rows: None if the source does not say.
        num_bytes: about the size of the images, None if the source does not say.
    """

    split: str
    records: Callable[[int], Iterator[dict]]
    image_column: str
    label_column: str
    class_names: Sequence[str] | None
    reach: Reach
    num_rows: int | None
    num_bytes: int | None

    def read(self, first_row: int = 0) -> Iterator[tuple[int, bytes, str]]:
        """Yield (label, encoded image bytes as stored, the file name the row remembers or "") from a row on.

        Raises:
            KerasFusionError: unknown label, no image, or a row that cannot be read; names the row.
        """
        row, records = first_row, self.records(first_row)
        while True:
            where = f"split {self.split}, row {row}"
            try:
                record = next(records)
            except StopIteration:
                return
            except Exception as error:  # network, Arrow and file-system errors of many kinds
                raise KerasFusionError(f"cannot read a row: {first_line(error)}", where=where, todo=AGAIN) from error
            label = self._read_label(record[self.label_column], where)
            data, name = _read_image(record[self.image_column], self.reach, where)
            yield label, data, name
            row += 1

    def _read_label(self, value: Any, where: str) -> int:
        names = self.class_names
        if names is None or not isinstance(value, int):
            label = parse_label(value)
        elif 0 <= value < len(names):
            label, value = parse_label(names[value]), names[value]
        else:
            label = None
        if label is None:
            raise KerasFusionError(
                f"unknown label {shortened(value) if isinstance(value, str) else repr(value)}",
                where=f"{where}, column {self.label_column!r}",
                expected=LABEL_SPELLINGS,
                todo="correct the label, or import the other splits with --split",
            )
        return label


def _read_image(value: Any, reach: Reach, where: str) -> tuple[bytes, str]:
    """The encoded bytes of an image cell and the file name it remembers."""
    cell = value if isinstance(value, dict) else {"bytes": value} if isinstance(value, bytes) else {"path": value}
    data, path = cell.get("bytes"), cell.get("path")
    if isinstance(data, bytes):
        return data, path if isinstance(path, str) else ""
    text = data if isinstance(data, str) else path
    if not isinstance(text, str) or not text:
        raise KerasFusionError("the row has no image", where=where, todo="remove the row, or import other splits")
    return reach.read(text, where), path if isinstance(path, str) else ""
