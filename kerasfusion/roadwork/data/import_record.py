"""What is known of an import: OUT/import.json while it lasts and after, and the summary of one run."""

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.writing import write_file
from kerasfusion.roadwork.data.dataset import CLASS_NAMES

_FORMAT = 1
_NAME = "import.json"


@dataclass
class ImportRecord:
    """What is known of an import, finished or not.

    Attributes:
        out: the imagefolder.
        source: SOURCE as it was first given.
        identity: what the source's content is pinned by: `hub:ID@COMMIT` or `files:SHA256`.
        splits: per split {"rows": rows written in order, "bytes": their size, "complete": bool}.
    """

    out: Path
    source: str
    identity: str
    splits: dict[str, dict] = field(default_factory=dict)

    def save(self) -> None:
        """Write OUT/import.json."""
        content = {
            "format": _FORMAT,
            "source": self.source,
            "identity": self.identity,
            "splits": dict(sorted(self.splits.items())),
        }
        write_file(self.out / _NAME, (json.dumps(content, indent=2) + "\n").encode())

    def rows_done(self, split: str) -> int:
        """Number of rows at a split's start that need not be read again: each has its file and the sizes add up."""
        progress = self.splits.get(split)
        if not progress:
            return 0
        sizes = row_sizes(self.out, split)
        done = [sizes.get(row) for row in range(progress["rows"])]
        return 0 if None in done or sum(done) != progress["bytes"] else len(done)


@dataclass
class ImportSummary:
    """What an import did.

    Attributes:
        source: where the images came from.
        out: the imagefolder.
        identity: `hub:ID@COMMIT`, or `files:` and a digest of the local files' names and sizes.
        counts: images in OUT per split and class name.
        written: images written by this run.
        kept: images that were there already.
        not_images: sample ids of the written files whose bytes are no known image format.
        notes: lines to show to the user.
    """

    source: str
    out: Path
    identity: str
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    written: int = 0
    kept: int = 0
    not_images: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        """The same as plain dicts, lists, strings and numbers."""
        return dataclasses.asdict(self) | {"out": str(self.out)}


def load_record(out: Path) -> ImportRecord | None:
    """Read OUT/import.json; None where OUT does not exist or is empty.

    Raises:
        RequestError: OUT holds files but no readable import.json, so it is not an import's.
    """
    if not out.exists():
        return None
    if not out.is_dir():
        raise RequestError("OUT is a file", where=out, expected="a folder")
    try:
        content = json.loads((out / _NAME).read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise KeyError("format")
        return ImportRecord(out, content["source"], content["identity"], content["splits"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if any(not child.name.startswith(".") for child in out.iterdir()):
            raise RequestError(
                "the output folder is not empty and holds no import that could be continued",
                where=out,
                expected=f"a new or empty folder, or one with an {_NAME}",
                todo="choose another OUT",
            ) from error
        return None


def row_name(split: str, row: int) -> str:
    """The stem of a row's file."""
    return f"{split}_{row:06d}"


def row_sizes(out: Path, split: str) -> dict[int, int]:
    """Size in bytes of each row's file, of the rows of a split that are there."""
    pattern = re.compile(rf"{split}_(\d{{6,}})\.\w+")
    return {
        int(match.group(1)): file.stat().st_size
        for name in CLASS_NAMES
        if (out / split / name).is_dir()
        for file in (out / split / name).iterdir()
        if (match := pattern.fullmatch(file.name))
    }
