"""Bring a labelled image set into the imagefolder layout OUT/{split}/{no_roadwork,roadwork}/, byte for byte."""

from collections.abc import Callable, Iterable
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import lines_sha256
from kerasfusion.files.writing import remove_partial_files
from kerasfusion.progress import track
from kerasfusion.roadwork.data import import_sources
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, SPLITS, scan
from kerasfusion.roadwork.data.imagefolder import find_photos
from kerasfusion.roadwork.data.import_record import ImportRecord, ImportSummary, load_record
from kerasfusion.roadwork.data.import_rows import SplitRows
from kerasfusion.roadwork.data.import_writing import write_photos, write_splits
from kerasfusion.roadwork.data.label_names import SPLIT_SPELLINGS, parse_split


def import_dataset(
    source: str, out: Path, *, split: str | None = None, progress: Callable[..., Iterable] = track
) -> ImportSummary:
    """Write the images of SOURCE to OUT/{split}/{no_roadwork,roadwork}/, their encoded bytes unchanged.

    A hub or Parquet source is streamed, so the disk holds the images once and nothing else. A run that was
    killed is continued by running it again; OUT/import.json remembers the source (for the hub, the commit) and
    how far each split is, and keeps another source out.

    Args:
        source: `hf:ID` or `hf:ID@REVISION`; a folder written by `datasets.save_to_disk`; a Parquet file or a
            folder of them; `imagefolder:PATH`, or just PATH.
        out: an empty or new folder, or one that an import of the same source wrote.
        split: import this split alone.
        progress: called as kerasfusion.progress.track is, around the images of each split whose number is known.

    Raises:
        RequestError: no such source or split, or OUT holds something else.
        KerasFusionError: unknown label (names value and row), hub out of reach, unreadable row, full disk.
    """
    out = Path(out)
    only = None if split is None else _parse_only(split)
    kind, location = _parse_source(source)
    record = _open_record(source, kind, location, out)
    summary = ImportSummary(source, out, record.identity)
    if kind == "imagefolder":
        write_photos(Path(location), record, only, summary, progress)
    else:
        write_splits(_open_splits(kind, location, record, only), record, summary, progress)
    summary.counts = _count(out)
    if summary.not_images:
        summary.notes.append(f"{len(summary.not_images)} written files are in no known image format: see `data check`")
    return summary


def _parse_only(split: str) -> str:
    name = parse_split(split)
    if name is None:
        raise RequestError(f"unknown split {split!r}", where="--split", expected=SPLIT_SPELLINGS)
    return name


def _parse_source(source: str) -> tuple[str, str]:
    """(kind, location): kind is hub, saved, parquet or imagefolder."""
    if source.startswith("hf:"):
        return "hub", source.removeprefix("hf:")
    path = Path(source.removeprefix("imagefolder:")).expanduser()
    if not path.exists():
        raise RequestError(
            "the source does not exist",
            where=path,
            expected="hf:DATASET_ID, a folder of images, a folder written by save_to_disk, or Parquet files",
            todo=f"for a dataset on the Hugging Face hub write hf:{source}" if source.count("/") == 1 else None,
        )
    if source.startswith("imagefolder:"):
        return "imagefolder", str(path)
    if path.is_dir() and import_sources.is_saved_dataset(path):
        return "saved", str(path)
    if path.suffix == ".parquet" or (path.is_dir() and import_sources.parquet_files(path)):
        return "parquet", str(path)
    if path.is_dir():
        return "imagefolder", str(path)
    raise RequestError("the source is a file but not a .parquet file", where=path, todo="unpack archives first")


def _open_record(source: str, kind: str, location: str, out: Path) -> ImportRecord:
    """The record in OUT if it is this source's, a new one if OUT is empty."""
    record = load_record(out)
    if kind == "hub":
        name, _, revision = location.partition("@")
        pinned = record.identity.partition("@")[2] if record and not revision else None
        identity = f"hub:{name}@{pinned or import_sources.resolve_hub_revision(name, revision or None)}"
    else:
        identity = f"files:{_fingerprint(kind, Path(location), out)}"
    if record is None:
        return ImportRecord(out, source, identity)
    if record.identity != identity:
        raise RequestError(
            "the output folder holds an import of another source, or the source has changed since",
            where=out,
            expected=f"{record.source} ({record.identity})",
            todo="choose another OUT",
        )
    remove_partial_files(out)
    return record


def _fingerprint(kind: str, root: Path, out: Path) -> str:
    """A digest of the files' names below `root` and their sizes, the same wherever `root` is mounted."""
    if out.resolve() == root.resolve() or (kind != "parquet" and root.resolve() in out.resolve().parents):
        raise RequestError("OUT is inside SOURCE, which must not change", where=out, todo="choose another OUT")
    if kind == "imagefolder":
        files = [photo.path for photo in find_photos(root)[0]]
    elif kind == "parquet":
        files = import_sources.parquet_files(root)
    else:
        # `datasets` drops cache-*.arrow files into the folder when someone maps over it.
        files = [file for file in root.rglob("*") if file.is_file() and not file.name.startswith("cache-")]
    base = root if root.is_dir() else root.parent
    return lines_sha256(sorted(f"{file.relative_to(base).as_posix()}\t{file.stat().st_size}" for file in files))


def _open_splits(kind: str, location: str, record: ImportRecord, only: str | None) -> list[SplitRows]:
    if kind == "hub":
        name, _, revision = record.identity.removeprefix("hub:").partition("@")
        splits = import_sources.open_hub(name, revision, only)
    elif kind == "parquet":
        splits = import_sources.open_parquet(Path(location), only)
    else:
        splits = import_sources.open_saved(Path(location), only)
    if not splits:
        raise RequestError(f"the source has no split {only}", where=record.source, todo="leave out --split")
    return sorted(splits, key=lambda rows: SPLITS.index(rows.split))


def _count(out: Path) -> dict[str, dict[str, int]]:
    counts = {split: dict.fromkeys(CLASS_NAMES, 0) for split in SPLITS if (out / split).is_dir()}
    for sample in scan(out):
        counts[sample.split][CLASS_NAMES[sample.label]] += 1
    return counts
