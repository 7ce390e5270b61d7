"""What `miner install` did to a miner's tree, kept beside the detectors so that `miner uninstall` can undo it."""

from dataclasses import asdict, field
from pathlib import Path

from pydantic.dataclasses import dataclass

from kerasfusion.files.json_yaml import read_object, write_json

NAME = ".kerasfusion-install.json"
BACKUP_SUFFIX = ".before-kerasfusion"


@dataclass(frozen=True)
class FileEntry:
    """A file that was written: digest of what was written, and whether something else was there before."""

    sha256: str
    replaced: bool


@dataclass(frozen=True)
class Edit:
    """A line, without its end, and the line that it took the place of; None if it was appended."""

    written: str
    before: str | None


@dataclass(frozen=True)
class LineEntry:
    """A file that was edited: whether it was not there before, whether its last line got an end, and the edits."""

    created: bool
    newline_added: bool
    edits: list[Edit]


@dataclass
class InstallRecord:
    """What was changed, by path relative to the tree's root, POSIX.

    Attributes:
        files: files that were written whole.
        lines: files that were edited.
    """

    files: dict[str, FileEntry] = field(default_factory=dict)
    lines: dict[str, LineEntry] = field(default_factory=dict)


def read_record(detectors: Path) -> InstallRecord | None:
    """The record in a detectors folder; None if nothing was installed there.

    Raises:
        KerasFusionError: it is damaged or cannot be read; names each wrong key.
    """
    todo = f"put the files that end in {BACKUP_SUFFIX} back by hand, then delete it"
    return read_object(detectors / NAME, InstallRecord, todo)


def write_record(detectors: Path, record: InstallRecord) -> None:
    """Keep the record."""
    write_json(detectors / NAME, asdict(record))
