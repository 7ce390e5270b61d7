"""Files that are installed whole: what they replace is kept beside them and comes back."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.writing import disk_errors
from kerasfusion.roadwork.miner.plugin.install_record import BACKUP_SUFFIX, FileEntry


def keep_original(path: Path, entry: FileEntry | None, data: bytes) -> FileEntry:
    """Copy what a file holds that is not ours, before it is written.

    Args:
        path: the file that will be written.
        entry: what the record says of it, or None.
        data: what will be written.

    Returns:
        What the record keeps of it.

    Raises:
        RequestError: it was edited since it was installed, or the place of its copy is taken.
    """
    backup = _backup(path)
    known = FileEntry(sha256=hashlib.sha256(data).hexdigest(), replaced=bool(entry and entry.replaced))
    if not path.exists() or path.read_bytes() == data or (entry and file_sha256(path) == entry.sha256):
        return known
    if _same(path, backup):  # an installation that was interrupted
        return replace(known, replaced=True)
    if entry:
        raise RequestError(
            "this file was edited since it was installed",
            where=path,
            todo="change it by hand, or move it away and run the same command again",
        )
    if backup.exists():
        raise RequestError("the place of the copy is taken", where=backup, todo="move that file away")
    with disk_errors(backup):
        shutil.copy2(path, backup)
    return replace(known, replaced=True)


def restore_file(path: Path, entry: FileEntry) -> str:
    """Take an installed file back, but keep one that was edited since.

    Returns:
        What was done, for a person.
    """
    backup = _backup(path) if entry.replaced else None
    if path.exists() and file_sha256(path) != entry.sha256 and not (backup and _same(path, backup)):
        kept = f"kept, since it was edited after it was installed: {path}"
        return f"{kept} (what it replaced: {backup})" if backup else kept
    with disk_errors(path):
        if backup and backup.exists():
            backup.replace(path)
            return f"restored: {path}"
        path.unlink(missing_ok=True)
    return f"removed: {path}"


def _backup(path: Path) -> Path:
    return path.with_name(path.name + BACKUP_SUFFIX)


def _same(path: Path, backup: Path) -> bool:
    return backup.exists() and file_sha256(backup) == file_sha256(path)
