"""Write the images of an opened source into an imagefolder, each file whole, skipping those that are there."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import source_sha256
from kerasfusion.files.writing import read_source, require_free_space, write_file
from kerasfusion.images.listing import IMAGE_SUFFIXES
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.data.image_kinds import image_suffix
from kerasfusion.roadwork.data.imagefolder import Photo
from kerasfusion.roadwork.data.importing.record import ImportRecord, ImportSummary, row_name, row_number
from kerasfusion.roadwork.data.importing.rows import SplitRows


def write_splits(splits: list[SplitRows], record: ImportRecord, summary: ImportSummary, reread: bool) -> set[str]:
    """Write each row to {split}/{class}/{split}_{row:06d}.{suffix}; rows that an earlier run wrote are passed over.

    Adds to `summary`. The record in OUT is kept up to date, so that a killed run can go on.

    Args:
        splits: opened.
        record: examined.
        summary: of this run.
        reread: the rows may be others than those that were written: read all.

    Returns:
        Paths below OUT of the rows that were read.

    Raises:
        KerasFusionError: a row that cannot be read or written.
    """
    sizes = [split.num_bytes for split in splits]
    if None not in sizes:
        there = sum((record.out / path).stat().st_size for path in record.whole)
        require_free_space(record.out, max(0, sum(sizes) - there))
    record.save()
    return {path for split in splits for path in _import_rows(split, record, summary, reread)}


def row_digests(rows: SplitRows) -> Iterator[tuple[str, str]]:
    """(path below OUT, sha256) of each row, without writing anything."""
    for row, (label, data, name) in enumerate(rows.read()):
        yield _row_path(rows.split, row, label, data, name), hashlib.sha256(data).hexdigest()


def _import_rows(rows: SplitRows, record: ImportRecord, summary: ImportSummary, reread: bool) -> set[str]:
    row = 0 if reread else record.rows_done(rows.split)
    summary.kept += row
    of_split = {path for path in record.digests if row_number(rows.split, path) is not None}
    if rows.split in record.complete and row == len(of_split) and not reread:
        return set()
    images = rows.read(row)
    if rows.num_rows is not None:
        images = track(images, f"import {rows.split}", total=rows.num_rows, done=row)
    current = set()
    for label, data, name in images:
        path = _row_path(rows.split, row, label, data, name)
        current.add(path)
        if image_suffix(data) is None:
            summary.not_images.append(path)
        _write(path, data, record, summary)
        row += 1
    record.complete.add(rows.split)
    record.save()
    return current


def _row_path(split: str, row: int, label: int, data: bytes, name: str) -> str:
    return f"{split}/{CLASS_NAMES[label]}/{row_name(split, row)}{_suffix(data, name)}"


def _write(path: str, data: bytes, record: ImportRecord, summary: ImportSummary) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if path in record.whole and record.digests[path] == digest:
        summary.kept += 1
        return
    if record.digests.get(path) == digest:
        summary.mended.append(path)
    write_file(record.out / path, data)
    record.add(path, digest)
    summary.written += 1


def _suffix(data: bytes, name: str) -> str:
    """The real format's suffix; for bytes of no known format the remembered name's, so that `data check` sees them."""
    remembered = Path(name).suffix.lower()
    return image_suffix(data) or (remembered if remembered in IMAGE_SUFFIXES else ".jpg")


def photo_targets(photos: Iterable[Photo], root: Path, only: str | None) -> dict[str, Path]:
    """{path below OUT: photo} of an imagefolder; names are kept, and without split folders all goes to train/.

    Raises:
        RequestError: no such split, or two files for one name.
    """
    targets: dict[str, Path] = {}
    for photo in photos:
        split = photo.split or "train"
        target = f"{split}/{CLASS_NAMES[photo.label]}/{photo.name}"
        if only in (None, split) and targets.setdefault(target, photo.path) != photo.path:
            raise RequestError(
                "two files would get the same name",
                where=f"{targets[target]} and {photo.path}",
                todo="rename one of them",
            )
    if not targets:
        raise RequestError(f"the source has no split {only}", where=root, todo="leave out --split")
    return targets


def photo_digests(paths: Iterable[Path]) -> Iterator[str]:
    """The sha256 of each photo, in order.

    Raises:
        KerasFusionError: a photo that cannot be read; names it.
    """
    return ordered_map(source_sha256, paths)


def write_photos(targets: dict[str, Path], record: ImportRecord, summary: ImportSummary) -> None:
    """Copy the photos of an imagefolder to their targets, those that are not there whole.

    Adds to `summary`.

    Raises:
        KerasFusionError: a file that cannot be read or written.
    """
    digests = dict(zip(targets, photo_digests(targets.values()), strict=True))
    missing = {
        target: path
        for target, path in targets.items()
        if target not in record.whole or record.digests[target] != digests[target]
    }
    require_free_space(record.out, sum(path.stat().st_size for path in missing.values()))
    record.save()
    summary.kept += len(targets) - len(missing)
    for target, path in track(missing.items(), "import", total=len(targets), done=len(targets) - len(missing)):
        _write(target, read_source(path), record, summary)
