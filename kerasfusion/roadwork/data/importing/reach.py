"""What an import may read beside the rows themselves: only what lies inside the source, unless more was permitted."""

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path

from kerasfusion.address import open_url
from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.data.image_kinds import image_suffix

_REMOTE = ("https://", "http://", "hf://")
_SHOWN = 100


@dataclass(frozen=True)
class Reach:
    """Where the images may lie that rows name by a path.

    Attributes:
        folder: the source's folder; relative paths start here. None for the hub: then no path of this machine is read.
        own: addresses that the source itself lists as its files.
        allow_remote: http, https and hf addresses may be fetched.
        follow_links: links inside `folder` may lead out of it.
    """

    folder: Path | None = None
    own: frozenset[str] = field(default_factory=frozenset)
    allow_remote: bool = False
    follow_links: bool = False

    def read(self, name: str, where: str) -> bytes:
        """The bytes that a row's text stands for: base64, a path, or an address.

        Raises:
            KerasFusionError: it leads out of the source, or cannot be read; names the row.
        """
        data = _decoded(name)
        if data is not None:
            return data
        try:
            if name in self.own or name.rpartition("::")[2] in self.own:
                return _fetch(name)
            if name.lower().startswith(_REMOTE) and "::" not in name:
                return self._fetch_remote(name, where)
            return self._path(name, where).read_bytes()
        except KerasFusionError:
            raise
        except Exception as error:  # network and file-system errors of many kinds
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise KerasFusionError(f"cannot read the row's image {shortened(name)}: {reason}", where=where) from error

    def _fetch_remote(self, address: str, where: str) -> bytes:
        if not self.allow_remote:
            raise KerasFusionError(
                f"the row's image is an address: {shortened(address)}",
                where=where,
                expected="images in the rows, or files inside SOURCE",
                todo="if you trust the source, fetch its addresses with --allow-remote",
            )
        return _fetch(address)

    def _path(self, name: str, where: str) -> Path:
        """The file inside the source."""
        if self.folder is None or "://" in name:
            raise self._leads_out(name, where, None)
        root = Path(os.path.normpath(self.folder.absolute()))
        path = Path(os.path.normpath(root / name))
        if not path.is_relative_to(root):
            raise self._leads_out(name, where, None)
        if not self.follow_links and not path.resolve().is_relative_to(root.resolve()):
            raise self._leads_out(name, where, "if the link is wanted: --follow-links")
        return path

    def _leads_out(self, name: str, where: str, todo: str | None) -> KerasFusionError:
        return KerasFusionError(
            f"the row's image lies outside the source: {shortened(name)}",
            where=where,
            expected="images in the rows, or files inside SOURCE",
            todo=todo or "remove the row, or put the file into SOURCE and name it relative to that",
        )


def shortened(text: str) -> str:
    """A cell's text, for a message: never a whole photo."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def _fetch(address: str) -> bytes:
    with open_url(address) as file:
        return file.read()


def _decoded(text: str) -> bytes | None:
    """The bytes of an image written as base64 text or as a data: address; None for other text."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    # The first letters suffice to tell a photo from a name; whole texts can be megabytes.
    try:
        if image_suffix(base64.b64decode("".join(text[:64].split())[:48], validate=True)) is None:
            return None
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
