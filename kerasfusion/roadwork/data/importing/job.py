"""Bring a labelled image set into the imagefolder layout OUT/{split}/{no_roadwork,roadwork}/, byte for byte."""

from dataclasses import dataclass
from pathlib import Path

from kerasfusion.address import is_address
from kerasfusion.errors import RequestError
from kerasfusion.files.digests import lines_sha256
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.run_folder import require_folder
from kerasfusion.files.writing import remove_abandoned
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, SPLITS, scan
from kerasfusion.roadwork.data.imagefolder import find_photos
from kerasfusion.roadwork.data.importing import sources
from kerasfusion.roadwork.data.importing.changes import refuse_changes
from kerasfusion.roadwork.data.importing.reach import Reach
from kerasfusion.roadwork.data.importing.record import ImportRecord, ImportSummary, load_record
from kerasfusion.roadwork.data.importing.rows import SplitRows
from kerasfusion.roadwork.data.importing.writing import (
    photo_digests,
    photo_targets,
    row_digests,
    write_photos,
    write_splits,
)
from kerasfusion.roadwork.data.label_names import SPLIT_SPELLINGS, parse_split


@dataclass(frozen=True)
class _Source:
    """SOURCE, understood.

    Attributes:
        text: as it was given.
        kind: hub, saved, parquet or imagefolder.
        location: the hub's ID or ID@REVISION, or a path.
        only: the one split that is wanted, or None.
        reach: what may be read beside the rows.
    """

    text: str
    kind: str
    location: str
    only: str | None
    reach: Reach


def import_dataset(
    source: str,
    out: Path,
    *,
    split: str | None = None,
    update: bool = False,
    allow_remote: bool = False,
    follow_links: bool = False,
) -> ImportSummary:
    """Write the images of SOURCE to OUT/{split}/{no_roadwork,roadwork}/, their encoded bytes unchanged.

    A hub or Parquet source is streamed, so the disk holds the images once and nothing else. A run that was
    killed is continued by running it again; OUT/import.json remembers the source (for the hub, the commit),
    OUT/import.sha256 what was written. Files in OUT that are gone or damaged are written again.

    Args:
        source: `hf:ID` or `hf:ID@REVISION`; a folder written by `datasets.save_to_disk`; a Parquet file or a
            folder of them; `imagefolder:PATH`, or just PATH.
        out: an empty or new folder, or one that an import of the same source wrote.
        split: import this split alone.
        update: where the source's photos or labels are others than those in OUT, take them.
        allow_remote: fetch images that rows name by an http, https or hf address.
        follow_links: follow symbolic links that lead out of the source.

    Raises:
        RequestError: no such source or split, OUT holds something else, or the source has changed since.
        KerasFusionError: unknown label or image outside the source (names the row), hub out of reach, unreadable row,
            folder or link, full disk, or another import is writing OUT.
    """
    out = Path(out)
    require_folder(out)
    only = None if split is None else _parse_only(split)
    if update and only:
        raise RequestError(
            "--update takes the whole source", where=f"--split {split}", todo="leave out --split, or --update"
        )
    kind, location = _parse_source(source, follow_links)
    folder = None if kind == "hub" else Path(location) if Path(location).is_dir() else Path(location).parent
    asked = _Source(source, kind, location, only, Reach(folder, frozenset(), allow_remote, follow_links))
    with only_writer_of(out):
        return _import(asked, out, update)


def _import(asked: _Source, out: Path, update: bool) -> ImportSummary:
    source = asked.text
    record = load_record(out)
    identity = _identity(asked, out, None if update else record)
    changed = record is not None and record.identity != identity
    if changed and not update:
        _refuse_other(asked, record, identity)
    record = record or ImportRecord(out, source, identity)
    if changed:
        record.source, record.identity, record.updating = source, identity, True
    if out.is_dir():
        remove_abandoned(out, is_held=True)
    record.examine()
    summary = ImportSummary(source, out, record.identity)
    _write(asked, record, summary, reread=record.updating)
    if record.updating and asked.only is None:  # the other splits are still to be read again
        record.updating = False
        record.save()
    summary.counts = _count(out)
    _add_notes(summary)
    return summary


def _write(asked: _Source, record: ImportRecord, summary: ImportSummary, reread: bool) -> None:
    if asked.kind == "imagefolder":
        given = _write_folder(asked, record, summary)
    else:
        given = write_splits(_open_splits(asked, record.identity), record, summary, reread)
    if reread:
        record.forget({path for path in record.digests.keys() - given if asked.only in (None, path.partition("/")[0])})


def _write_folder(asked: _Source, record: ImportRecord, summary: ImportSummary) -> set[str]:
    """Paths below OUT of all that the source gives."""
    photos, listing = find_photos(Path(asked.location), asked.reach.follow_links)
    targets = photo_targets(photos, Path(asked.location), asked.only)
    write_photos(targets, record, summary)
    summary.notes += listing.notes()
    if all(photo.split is None for photo in photos):
        split = command_line(["kerasfusion", "data", "split", record.out, "NEW"])
        summary.notes.append(f"the source has no split folders, so all is in train/; next: {split}")
    return set(targets)


def _add_notes(summary: ImportSummary) -> None:
    if summary.mended:
        names = ", ".join(summary.mended[:10])
        summary.notes.append(f"{len(summary.mended)} files in OUT were damaged or gone and were written again: {names}")
    if summary.not_images:
        summary.notes.append(f"{len(summary.not_images)} written files are in no known image format: see `data check`")


def _parse_only(split: str) -> str:
    name = parse_split(split)
    if name is None:
        raise RequestError(f"unknown split {split!r}", where="--split", expected=SPLIT_SPELLINGS)
    return name


def _parse_source(source: str, follow_links: bool) -> tuple[str, str]:
    """(kind, location): kind is hub, saved, parquet or imagefolder."""
    if source.startswith("hf:"):
        # hf://datasets/OWNER/NAME is how other programs write it.
        name = source.removeprefix("hf:").removeprefix("//").removeprefix("datasets/").strip("/")
        if not name.partition("@")[0] or name == "datasets":
            raise RequestError(
                "the source names no dataset", where=source, expected="hf:OWNER/NAME or hf:OWNER/NAME@REVISION"
            )
        return "hub", name
    if is_address(source):
        raise RequestError(
            "nothing is imported from an address",
            where=source,
            expected="hf:DATASET_ID, or a folder or Parquet files of this machine",
            todo="copy it here first; photos in train/, val/ and test/ need no import: --data takes their address",
        )
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
    if path.is_dir() and sources.is_saved_dataset(path):
        return "saved", str(path)
    if path.suffix.lower() == sources.PARQUET or (path.is_dir() and sources.parquet_files(path, follow_links)):
        return "parquet", str(path)
    if path.is_dir():
        return "imagefolder", str(path)
    raise RequestError("the source is a file but not a .parquet file", where=path, todo="unpack archives first")


def _identity(asked: _Source, out: Path, record: ImportRecord | None) -> str:
    """What pins the source's content; an import from the hub stays at its commit."""
    if asked.kind != "hub":
        return f"files:{_fingerprint(asked, out)}"
    name, _, revision = asked.location.partition("@")
    if record and not revision and record.identity.startswith(f"hub:{name}@"):
        return record.identity
    return f"hub:{name}@{sources.resolve_hub_revision(name, revision or None)}"


def _fingerprint(asked: _Source, out: Path) -> str:
    """A digest of the files' names below the source and their contents, the same wherever it is mounted."""
    kind, root = asked.kind, Path(asked.location)
    if out.resolve() == root.resolve() or (kind != "parquet" and root.resolve() in out.resolve().parents):
        raise RequestError("OUT is inside SOURCE, which must not change", where=out, todo="choose another OUT")
    if kind == "imagefolder":
        photos, _ = find_photos(root, asked.reach.follow_links)
        lines = [f"{photo.split}\t{photo.label}\t{photo.name!r}" for photo in photos]
        files = [photo.path for photo in photos]
    else:
        if kind == "parquet":
            files = sources.parquet_files(root, asked.reach.follow_links)
        else:
            # `datasets` drops cache-*.arrow files into the folder when someone maps over it.
            files = [file for file in root.rglob("*") if file.is_file() and not file.name.startswith("cache-")]
        base = root if root.is_dir() else root.parent
        lines = [repr(file.relative_to(base).as_posix()) for file in files]
    return lines_sha256(sorted(f"{line}\t{digest}" for line, digest in zip(lines, photo_digests(files), strict=True)))


def _refuse_other(asked: _Source, record: ImportRecord, identity: str) -> None:
    """Stop where the source is not what OUT was made from; a local one is compared photo by photo."""
    if asked.kind == "hub" or not record.identity.startswith("files:"):
        raise RequestError(
            "OUT holds an import of another source",
            where=record.out,
            expected=f"{record.source} ({record.identity})",
            todo="take this source instead with --update, or choose another OUT",
        )
    imported = {path.partition("/")[0] for path in record.digests}
    if asked.kind == "imagefolder":
        photos, _ = find_photos(Path(asked.location), asked.reach.follow_links)
        targets = photo_targets(photos, Path(asked.location), None)
        now = dict(zip(targets, photo_digests(targets.values()), strict=True))
    else:
        opened = _open_splits(asked, identity)
        now = {path: digest for rows in opened if rows.split in imported for path, digest in row_digests(rows)}
    now = {path: digest for path, digest in now.items() if path.partition("/")[0] in imported}
    refuse_changes(record, now, asked.text)


def _open_splits(asked: _Source, identity: str) -> list[SplitRows]:
    location, only, reach = asked.location, asked.only, asked.reach
    if asked.kind == "hub":
        name, _, revision = identity.removeprefix("hub:").partition("@")
        splits = sources.open_hub(name, revision, only, reach)
    elif asked.kind == "parquet":
        splits = sources.open_parquet(Path(location), only, reach)
    else:
        splits = sources.open_saved(Path(location), only, reach)
    if not splits:
        raise RequestError(f"the source has no split {only}", where=asked.text, todo="leave out --split")
    return sorted(splits, key=lambda rows: SPLITS.index(rows.split))


def _count(out: Path) -> dict[str, dict[str, int]]:
    counts = {split: dict.fromkeys(CLASS_NAMES, 0) for split in SPLITS if (out / split).is_dir()}
    for sample in scan(out):
        counts[sample.split][CLASS_NAMES[sample.label]] += 1
    return counts
