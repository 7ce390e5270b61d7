"""Single lines added to or changed in a user's text file, so that each can be taken back later.

Text is handled as Latin-1, which gives every byte back as it was.
"""

import stat
from collections.abc import Callable
from pathlib import Path

from kerasfusion.files.writing import disk_errors
from kerasfusion.roadwork.miner.plugin.install_record import Edit, LineEntry


def read_lines(path: Path) -> list[str]:
    """The file's lines with their ends; none if it does not exist."""
    data = path.read_bytes() if path.exists() else b""
    return [line.decode("latin-1") for line in data.splitlines(keepends=True)]


def apply_edits(path: Path, entry: LineEntry | None, edits: list[Edit], keep: Callable[[LineEntry], None]) -> None:
    """Change or append lines.

    Args:
        path: the file; it is made if it is not there.
        entry: what the record says of earlier edits of it, or None.
        edits: what to change.
        keep: is given what the record is to say of the file before it is changed, so that an interrupted run can be
            undone.
    """
    lines = read_lines(path)
    entry = entry or LineEntry(created=not path.exists(), newline_added=False, edits=[])
    earlier = [edit for edit in entry.edits if _find(lines, edit.written) is not None]
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    newline_added = entry.newline_added
    for edit in edits:
        if edit.before is not None:
            _put(lines, _find(lines, edit.before), edit.written)
            continue
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += newline
            newline_added = True
        lines.append(edit.written + newline)
    keep(LineEntry(created=entry.created, newline_added=newline_added, edits=earlier + edits))
    _rewrite(path, lines)


def undo_edits(path: Path, entry: LineEntry) -> list[str]:
    """Take the edits back, the latest first; a line that was changed since stays.

    Returns:
        What was done, for a person.
    """
    if not path.exists():
        return [f"already gone: {path}"]
    lines, left, at_end = read_lines(path), [], False
    for edit in reversed(entry.edits):
        index = _find(lines, edit.written)
        if index is None and edit.before is None:
            left.append(f"already gone: {edit.written}")
        elif index is None:
            if _find(lines, edit.before) is None:  # else the run ended before it was set
                left.append(f"kept, since this line was edited after it was set: {edit.written}")
        elif edit.before is None:
            at_end = index == len(lines) - 1
            del lines[index]
        else:
            _put(lines, index, edit.before)
    if entry.created and not lines:
        with disk_errors(path):
            path.unlink()
        return [f"removed: {path}"]
    if entry.newline_added and at_end and lines:
        lines[-1] = lines[-1].rstrip("\r\n")
    _rewrite(path, lines)
    return [f"restored: {path}", *left]


def _find(lines: list[str], bare: str) -> int | None:
    """The last line with this text, whatever its end."""
    found = [index for index, line in enumerate(lines) if line.rstrip("\r\n") == bare]
    return found[-1] if found else None


def _put(lines: list[str], index: int, bare: str) -> None:
    lines[index] = bare + lines[index][len(lines[index].rstrip("\r\n")) :]


def _rewrite(path: Path, lines: list[str]) -> None:
    """Replace the file at once. Its mode is kept, since miner.env may hold keys, and a link stays a link."""
    path = path.resolve()
    partial = path.with_name(f".{path.name}.partial")
    with disk_errors(path):
        try:
            partial.touch(mode=0o600)
            partial.write_bytes("".join(lines).encode("latin-1"))
            if path.exists():
                partial.chmod(stat.S_IMODE(path.stat().st_mode))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
