"""What `miner install` did to a miner's tree, kept beside the detectors so that `miner uninstall` can undo it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.reporting import write_json

NAME = ".kerasfusion-install.json"
BACKUP_SUFFIX = ".before-kerasfusion"


@dataclass
class InstallRecord:
    """What was changed; paths are POSIX and relative to the tree's root.

    Attributes:
        files: path of a file that was written -> {"sha256": of what was written, "replaced": name of the file that was
            there before, kept beside it, or None}.
        lines: path of a file that is edited -> {"created": whether it was not there before, "newline_added": whether
            its last line got an end, "edits": as `line_edits.apply_edits` takes them}.
    """

    files: dict[str, dict] = field(default_factory=dict)
    lines: dict[str, dict] = field(default_factory=dict)


def read_record(detectors: Path) -> InstallRecord | None:
    """The record in a detectors folder; None if nothing was installed there.

    Raises:
        RequestError: it is damaged.
    """
    path = detectors / NAME
    if not path.is_file():
        return None
    try:
        return InstallRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RequestError(
            "the record of the installation cannot be read",
            where=path,
            todo=f"restore the files that end in {BACKUP_SUFFIX} by hand, then delete it",
        ) from error


def write_record(detectors: Path, record: InstallRecord) -> None:
    """Keep the record."""
    write_json(detectors / NAME, asdict(record))
