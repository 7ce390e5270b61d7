"""What a person decided about labels: a CSV of photos to keep, flip or drop, applied by `data split --labels`."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.csv_table import edited_table
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.data.imagefolder import Photo
from kerasfusion.roadwork.data.label_names import LABEL_SPELLINGS, parse_label
from kerasfusion.roadwork.data.metadata_csv import plain_name

DECISION = "decision"
DECISIONS = ("keep", "flip", "drop")
SHA256, PATH, LABEL = "image_sha256", "path", "label"
_NAMED = 10


def apply_decisions(
    photos: Sequence[Photo], digests: Sequence[str], src: Path, table: Path
) -> tuple[list[Photo], list[str], list[str]]:
    """Flip and drop photos as a CSV says.

    A row names its photo by the column image_sha256 (then all its copies are meant), or by path, relative to SRC. Where
    the column label is there, those with that label are meant, and there must still be one: a table is not applied
    twice. Rows without a decision say nothing.

    Args:
        photos: N photos of SRC.
        digests: sha256 of each file.
        src: the imagefolder.
        table: the CSV.

    Returns:
        The photos that stay with their labels, their digests, and lines to show.

    Raises:
        RequestError: the file is no such CSV, an unknown decision, photos that are not in SRC, two decisions about one,
            or a label that is another one now; names them.
    """
    by_digest: dict[str, list[int]] = {}
    for number, digest in enumerate(digests):
        by_digest.setdefault(digest, []).append(number)
    by_path = {plain_name(photo.path.relative_to(src).as_posix()): number for number, photo in enumerate(photos)}
    decided: dict[int, str] = {}
    unknown, others, twice = [], [], []
    for row in read_decisions(table):
        digest, path = row[SHA256].lower(), plain_name(row[PATH]) if row[PATH] else ""
        meant = by_digest.get(digest, []) if digest else [by_path[path]] if path in by_path else []
        name = row["sample_id"] or path or digest
        labelled = [number for number in meant if not row[LABEL] or photos[number].label == parse_label(row[LABEL])]
        if not meant:
            unknown.append(name)
        elif not labelled:
            others.append(f"{name} ({row[LABEL]} then, {CLASS_NAMES[photos[meant[0]].label]} now)")
        twice += [name for number in labelled if decided.setdefault(number, row[DECISION]) != row[DECISION]]
    _refuse(table, unknown, "not in SRC (by image_sha256, or by path relative to SRC)", "take these rows out")
    _refuse(table, others, "labelled otherwise now than when it was decided", "decide anew; was it applied before?")
    _refuse(table, twice, "decided about in two ways", "keep one of the rows")
    kept = [number for number in range(len(photos)) if decided.get(number) != "drop"]
    counts = Counter(decided.values())
    notes = [f"{table.name}: {counts['flip']} labels flipped, {counts['drop']} photos dropped, {counts['keep']} kept"]
    return [_flipped(photos[n], decided.get(n)) for n in kept], [digests[n] for n in kept], notes


def _flipped(photo: Photo, decision: str | None) -> Photo:
    return replace(photo, label=1 - photo.label) if decision == "flip" else photo


def _refuse(table: Path, names: list[str], what: str, todo: str) -> None:
    if names:
        names = list(dict.fromkeys(names))
        more = f" (and {len(names) - _NAMED} more)" if len(names) > _NAMED else ""
        raise RequestError(f"{len(names)} photo(s) {what}: {', '.join(names[:_NAMED])}{more}", where=table, todo=todo)


def read_decisions(table: Path) -> list[dict[str, str]]:
    """The rows with a decision; cells of columns that are not there are empty.

    Args:
        table: a CSV, its cells separated as `edited_table` says.

    Raises:
        RequestError: as `apply_decisions`, of the file alone.
    """
    decided = [_cells(row, where=f"{table}, line {line}") for line, row in _read_rows(table)]
    return [cells for cells in decided if cells[DECISION]]


def _read_rows(table: Path) -> list[tuple[int, dict]]:
    """The rows with their lines' numbers."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = edited_table(file)
            rows = [(reader.line_num, row) for row in reader]
            columns = set(reader.fieldnames or ())
    except (OSError, ValueError, csv.Error) as error:
        raise RequestError(
            f"cannot read the CSV of decisions: {getattr(error, 'strerror', None) or error}",
            where=table,
            expected="a CSV such as `kerasfusion data suspects RUN` writes",
            todo="name that file with --labels, or go without it",
        ) from error
    if DECISION not in columns or not columns & {SHA256, PATH}:
        raise RequestError(
            "the CSV of decisions lacks columns",
            where=table,
            expected=f"{DECISION}, and {SHA256} or {PATH}, as in the table of `kerasfusion data suspects`",
        )
    return rows


def _cells(row: dict, where: str) -> dict[str, str]:
    """The cells that count, checked where the row has a decision."""
    if any(cell.strip() for cell in row.get(None, ())):  # a spreadsheet leaves empty ones
        raise RequestError(
            "a row has more cells than there are columns", where=where, todo="put what holds a separator into quotes"
        )
    cells = {name: (row.get(name) or "").strip() for name in ("sample_id", SHA256, PATH, LABEL, DECISION)}
    cells[DECISION] = cells[DECISION].lower()
    if not cells[DECISION]:
        return cells
    if cells[DECISION] not in DECISIONS:
        raise RequestError(f"unknown decision {cells[DECISION]!r}", where=where, expected=", ".join(DECISIONS))
    if cells[LABEL] and parse_label(cells[LABEL]) is None:
        raise RequestError(f"unknown label {cells[LABEL]!r}", where=where, expected=LABEL_SPELLINGS)
    if not (cells[SHA256] or cells[PATH]):
        raise RequestError("a decision about no photo", where=where, expected=f"{SHA256} or {PATH}")
    return cells
