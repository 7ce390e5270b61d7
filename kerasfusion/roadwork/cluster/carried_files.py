"""Files that a worker needs: read where they lie on this machine too, else sent and kept, known by their digests."""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasfusion.errors import KerasFusionError
from kerasfusion.files.digests import file_sha256, lines_sha256
from kerasfusion.files.writing import disk_errors, own_partial, remove_abandoned
from kerasfusion.roadwork.cluster.ray_library import Worker

BLOCK = 16 << 20
"""Bytes that are sent at a time."""
INBOX = "inbox"


@dataclass(frozen=True)
class CarriedFile:
    """A file of the machine that has the say: its name, digest (hex) and where it lies there."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class CarriedFolder:
    """Files that belong into one folder."""

    files: tuple[CarriedFile, ...]

    @property
    def folder(self) -> Path:
        """Where they lie on the machine that has the say."""
        return self.files[0].path.parent

    @property
    def key(self) -> str:
        """By which a worker knows them: names and contents."""
        return lines_sha256(f"{file.path.name} {file.sha256}" for file in self.files)


def carry(paths: Sequence[Path]) -> CarriedFolder:
    """Files of one folder, to be carried."""
    return CarriedFolder(tuple(CarriedFile(path.absolute(), file_sha256(path)) for path in sorted(paths)))


def bring(worker: Worker, folders: Sequence[CarriedFolder]) -> None:
    """Send a worker what it lacks; its `Inbox`, called INBOX, then knows a place for each folder.

    Raises:
        WorkerDied: it is gone.
        KerasFusionError: there is no room for them, or a file here has changed meanwhile.
    """
    worker.make(INBOX, Inbox)
    for folder in folders:
        if worker.call(INBOX, "has", folder):
            continue
        for file in folder.files:
            for number, block in enumerate(_blocks(file.path)):
                worker.call(INBOX, "receive", folder, file, block, number)
            worker.call(INBOX, "finish", folder, file)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block


class Inbox:
    """A worker's side of it.

    Args:
        root: where files are kept that were sent; the next worker of this user on this machine finds them there.
    """

    def __init__(self, root: Path | None = None):
        # By machine: a home folder may be shared, and none is to clear away what another is writing.
        self._root = root or Path.home() / ".cache" / "kerasfusion" / "carried" / socket.gethostname()

    def has(self, folder: CarriedFolder) -> bool:
        """Whether all its files are at hand, to the byte."""
        return self._found(folder) is not None

    def receive(self, folder: CarriedFolder, file: CarriedFile, block: bytes, number: int) -> None:
        """Add a block to a file, or begin it with block 0."""
        path = self._kept(folder) / file.path.name
        with disk_errors(path):
            if number == 0:
                path.parent.mkdir(parents=True, exist_ok=True)
                remove_abandoned(path.parent)
            with own_partial(path).open("ab" if number else "wb") as stream:
                stream.write(block)

    def finish(self, folder: CarriedFolder, file: CarriedFile) -> None:
        """Give a file that is all there its name."""
        path = self._kept(folder) / file.path.name
        partial = own_partial(path)
        if file_sha256(partial) != file.sha256:
            partial.unlink()
            raise KerasFusionError("a file was changed while it was sent", where=file.path, todo="run it again")
        partial.replace(path)

    def place(self, folder: CarriedFolder) -> Path:
        """The folder on this machine that holds its files."""
        found = self._found(folder)
        if found is None:
            raise KerasFusionError("files that were sent are gone or damaged", where=self._kept(folder))
        return found

    def _kept(self, folder: CarriedFolder) -> Path:
        return self._root / folder.key

    def _found(self, folder: CarriedFolder) -> Path | None:
        for place in (folder.folder, self._kept(folder)):
            paths = [(place / file.path.name, file.sha256) for file in folder.files]
            if all(_is(path, digest) for path, digest in paths):
                return place
        return None


def _is(path: Path, digest: str) -> bool:
    try:
        return file_sha256(path) == digest
    except OSError:
        return False
