"""What is known of an import: OUT/import.json and OUT/import.sha256, and the summary of one run."""

import dataclasses
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pydantic

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.json_yaml import read_json, refuse_other_shape, write_json
from kerasfusion.files.writing import disk_errors, write_file
from kerasfusion.parallel import ordered_map

_FORMAT = 2
_NAME = "import.json"
_DIGESTS = "import.sha256"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass
class ImportRecord:
    """What is known of an import, finished or not.

    Attributes:
        out: the imagefolder.
        source: SOURCE as it was first given.
        identity: what the source's content is pinned by: `hub:ID@COMMIT` or `files:SHA256`.
        complete: the splits whose rows were all written.
        updating: files in OUT may still be those of an earlier state of the source.
        digests: {POSIX path below OUT: sha256} of the files that were written, kept in OUT/import.sha256 in the form
            that `sha256sum -c` reads.
        whole: those of them that lie in OUT as they were written; see `examine`.
    """

    out: Path
    source: str
    identity: str
    complete: set[str] = field(default_factory=set)
    updating: bool = False
    digests: dict[str, str] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)

    def save(self) -> None:
        """Write OUT/import.json."""
        content = {
            "format": _FORMAT,
            "source": self.source,
            "identity": self.identity,
            "complete": sorted(self.complete),
            "updating": self.updating,
        }
        write_json(self.out / _NAME, content)

    def examine(self) -> list[str]:
        """Read every written file again; returns the paths of those that are gone or hold other bytes."""
        paths = list(self.digests)
        found = ordered_map(lambda path: _sha256(self.out / path), paths)
        self.whole = {path for path, digest in zip(paths, found, strict=True) if digest == self.digests[path]}
        return sorted(self.digests.keys() - self.whole)

    def add(self, path: str, digest: str) -> None:
        """Note that a file was written."""
        with disk_errors(self.out / _DIGESTS), (self.out / _DIGESTS).open("ab") as file:
            file.write(f"{digest}  {path}\n".encode("utf-8", "surrogateescape"))
        self.digests[path] = digest
        self.whole.add(path)

    def forget(self, paths: set[str]) -> None:
        """Delete files that the source no longer has, and the folders that held nothing else."""
        for path in paths:
            (self.out / path).unlink(missing_ok=True)
            self.digests.pop(path, None)
            with suppress(OSError):  # not empty
                os.removedirs((self.out / path).parent)
        self.complete &= {path.partition("/")[0] for path in self.digests}
        lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(self.digests.items()))
        write_file(self.out / _DIGESTS, lines.encode("utf-8", "surrogateescape"))

    def rows_done(self, split: str) -> int:
        """Number of rows at a split's start that need not be read again: their files lie there whole."""
        rows = {row for path in self.whole if (row := row_number(split, path)) is not None}
        return next(row for row in range(len(rows) + 1) if row not in rows)


@dataclass
class ImportSummary:
    """What an import did.

    Attributes:
        source: where the images came from.
        out: the imagefolder.
        identity: `hub:ID@COMMIT`, or `files:` and a digest of the local files' names and contents.
        counts: images in OUT per split and class name.
        written: images written by this run.
        kept: images that were there already.
        mended: of the written ones, paths of those that an earlier run had written and that were gone or damaged.
        not_images: sample ids of the written files whose bytes are no known image format.
        notes: lines to show to the user.
    """

    source: str
    out: Path
    identity: str
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    written: int = 0
    kept: int = 0
    mended: list[str] = field(default_factory=list)
    not_images: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        """The same as plain dicts, lists, strings and numbers."""
        return dataclasses.asdict(self) | {"out": str(self.out)}


def load_record(out: Path) -> ImportRecord | None:
    """Read OUT/import.json; None where OUT does not exist or is empty.

    Raises:
        RequestError: OUT holds files but no import.json, so it is not an import's.
        DamagedError: import.json is damaged.
    """
    if not out.exists():
        return None
    if not out.is_dir():
        raise RequestError("OUT is a file", where=out, expected="a folder")
    todo = f"delete the folder {out} and import again, or choose another OUT"
    content = read_json(out / _NAME, todo=todo)
    if content is not None and content.get("format") == _FORMAT:
        refuse_other_shape(content, _Content, out / _NAME, todo)
        complete = set(content["complete"])
        return ImportRecord(
            out, content["source"], content["identity"], complete, content["updating"], _read_digests(out)
        )
    if any(not child.name.startswith(".") for child in out.iterdir()):
        raise RequestError(
            "the output folder is not empty and holds no import that could be continued",
            where=out,
            expected=f"a new or empty folder, or one with an {_NAME} of this version",
            todo="choose another OUT",
        )
    return None


class _Content(pydantic.BaseModel):
    source: str
    identity: str
    complete: list[Literal["train", "val", "test"]]
    updating: bool


def _read_digests(out: Path) -> dict[str, str]:
    """The last line of a path counts; a line that a kill cut short is passed over."""
    if not (out / _DIGESTS).exists():
        return {}
    text = (out / _DIGESTS).read_bytes().decode("utf-8", "surrogateescape")
    whole, _, _ = text.rpartition("\n")
    return {match[2]: match[1] for line in whole.split("\n") if (match := _LINE.fullmatch(line))}


def _sha256(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None


def row_name(split: str, row: int) -> str:
    """The stem of a row's file."""
    return f"{split}_{row:06d}"


def row_number(split: str, path: str) -> int | None:
    """The row whose file this is; None for the file of another split."""
    match = re.fullmatch(rf"{split}/\w+/{split}_(\d{{6,}})\.\w+", path)
    return int(match[1]) if match else None
