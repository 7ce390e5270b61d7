"""Write the images of an opened source into an imagefolder, each file whole, skipping those that are there."""

from collections.abc import Callable, Iterable
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.writing import copy_file, require_free_space, write_file
from kerasfusion.images.decoding import IMAGE_SUFFIXES
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.data.imagefolder import find_photos
from kerasfusion.roadwork.data.import_record import ImportRecord, ImportSummary, row_name, row_sizes
from kerasfusion.roadwork.data.import_rows import SplitRows

_ROWS_PER_RECORD = 100
_MAGIC = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"BM", ".bmp"),
    (b"GIF8", ".gif"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)


def image_suffix(data: bytes) -> str | None:
    """The file suffix for an encoded image's real format, None where the bytes are no known format."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), None)


def write_splits(
    splits: list[SplitRows], record: ImportRecord, summary: ImportSummary, progress: Callable[..., Iterable]
) -> None:
    """Write each row to {split}/{class}/{split}_{row:06d}.{suffix}; rows that an earlier run wrote are passed over.

    Adds to `summary`. The record in OUT is kept up to date, so that a killed run can go on.

    Raises:
        KerasFusionError: a row that cannot be read or written.
    """
    sizes = [split.num_bytes for split in splits]
    if None not in sizes:
        there = sum(sum(row_sizes(record.out, split.split).values()) for split in splits)
        require_free_space(record.out, max(0, sum(sizes) - there))
    record.save()
    for split in splits:
        _import_rows(split, record, summary, progress)


def _import_rows(
    rows: SplitRows, record: ImportRecord, summary: ImportSummary, progress: Callable[..., Iterable]
) -> None:
    row = record.rows_done(rows.split)
    done = {"rows": row, "bytes": record.splits[rows.split]["bytes"] if row else 0}
    summary.kept += row
    if record.splits.get(rows.split, {}).get("complete") and row:
        return
    images = rows.read(row)
    if rows.num_rows is not None:
        images = progress(images, f"import {rows.split}", total=rows.num_rows, done=row)
    for label, data, name in images:
        path = record.out / rows.split / CLASS_NAMES[label] / f"{row_name(rows.split, row)}{_suffix(data, name)}"
        if image_suffix(data) is None:
            summary.not_images.append(path.relative_to(record.out).as_posix())
        if path.is_file() and path.stat().st_size == len(data):
            summary.kept += 1
        else:
            write_file(path, data)
            summary.written += 1
        row += 1
        done |= {"rows": row, "bytes": done["bytes"] + len(data)}
        if row % _ROWS_PER_RECORD == 0:
            record.splits[rows.split] = done | {"complete": False}
            record.save()
    record.splits[rows.split] = done | {"complete": True}
    record.save()


def _suffix(data: bytes, name: str) -> str:
    """The real format's suffix; for bytes of no known format the remembered name's, so that `data check` sees them."""
    remembered = Path(name).suffix.lower()
    return image_suffix(data) or (remembered if remembered in IMAGE_SUFFIXES else ".jpg")


def write_photos(
    root: Path, record: ImportRecord, only: str | None, summary: ImportSummary, progress: Callable[..., Iterable]
) -> None:
    """Copy the photos of an imagefolder under their own names; without split folders they go to train/.

    Adds to `summary`.

    Raises:
        RequestError: no such split, or two files for one name.
        KerasFusionError: a file that cannot be written.
    """
    photos, others = find_photos(root)
    targets: dict[Path, Path] = {}
    for photo in photos:
        split = photo.split or "train"
        target = record.out / split / CLASS_NAMES[photo.label] / photo.name
        if only in (None, split) and targets.setdefault(target, photo.path) != photo.path:
            raise RequestError(
                "two files would get the same name",
                where=f"{targets[target]} and {photo.path}",
                todo="rename one of them",
            )
    if not targets:
        raise RequestError(f"the source has no split {only}", where=root, todo="leave out --split")
    _copy_photos(targets, record, summary, progress)
    if others:
        summary.notes.append(f"{len(others)} files are not images by their suffix and were left out: {others[0]}")
    if all(photo.split is None for photo in photos):
        summary.notes.append(
            f"the source has no split folders, so all is in train/; next: kerasfusion data split {record.out} NEW"
        )


def _copy_photos(
    targets: dict[Path, Path], record: ImportRecord, summary: ImportSummary, progress: Callable[..., Iterable]
) -> None:
    missing = {
        target: path
        for target, path in targets.items()
        if not target.is_file() or target.stat().st_size != path.stat().st_size
    }
    require_free_space(record.out, sum(path.stat().st_size for path in missing.values()))
    record.save()
    for target, path in progress(missing.items(), "import", total=len(targets), done=len(targets) - len(missing)):
        copy_file(path, target)
    summary.written, summary.kept = len(missing), len(targets) - len(missing)
