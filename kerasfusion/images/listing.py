"""Which files of a folder are photos: one answer for every command that is given a folder.

Left out are hidden files and folders, and what systems put beside photos: their thumbnails, caches and waste bins.
What cannot be entered or leads nowhere is remembered, so that no class goes missing without a word.
"""

import os
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from kerasfusion.address import Place
from kerasfusion.errors import KerasFusionError, RequestError

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".png",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
        ".gif",
        ".avif",
        ".heic",
        ".heif",
    }
)
_SYSTEM_NAMES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found"}
)
_NAMED = 10


class PhotoListing:
    """The photos below a folder, and what was passed over on the way.

    Links that stay inside the folder are followed.

    Args:
        root: the folder.
        follow_links: also follow links that lead out of it.
        suffixes: of the files that are listed, in small letters; images' by default.

    Attributes:
        others: files of other suffixes.
        left_out: hidden files and those of systems, also in hidden folders.
        unreachable: {path: why it could not be listed}.
    """

    def __init__(self, root: Path, follow_links: bool = False, suffixes: frozenset[str] = IMAGE_SUFFIXES):
        self._given, self._root, self._follow_links, self._suffixes = root, root.resolve(), follow_links, suffixes
        self.others: set[Path] = set()
        self.left_out: set[Path] = set()
        self.unreachable: dict[Path, str] = {}

    def folders(self, folder: Path) -> list[Path]:
        """The folders directly in `folder`, sorted."""
        return [child for child in self._children(folder) if child.is_dir()]

    def photos(self, folder: Path) -> list[Path]:
        """The image files (or those of `suffixes`) in `folder` and below it, sorted by their POSIX paths."""
        return sorted(self._photos(folder, ()), key=lambda path: path.as_posix())

    def require_whole(self) -> None:
        """Stop where something could not be listed.

        Raises:
            KerasFusionError: names ten folders or links.
        """
        if not self.unreachable:
            return
        named = [f"{path}: {reason}" for path, reason in sorted(self.unreachable.items())]
        more = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
        raise KerasFusionError(
            f"{len(named)} folder(s), file(s) or link(s) cannot be read: {'; '.join(named[:_NAMED] + more)}",
            where=self._root,
            expected="folders that may be entered, and links that lead to something in the folder itself",
            todo="mend or remove them; `data import` and `data split` follow links that lead out with --follow-links",
        )

    def notes(self) -> list[str]:
        """Lines to show to the user on what was passed over."""
        return notes_on(self._given, self.others, self.left_out)

    def nothing_found(self, expected: str, todo: str | None = None, sought: str | None = None) -> RequestError:
        """The error for a folder without photos; it says which other files lie there.

        Args:
            expected: what should be there.
            todo: what to do next.
            sought: what is not there; None: any photo, of which the error names the endings.
        """
        kinds = Counter(path.suffix.lower() or "no suffix" for path in self.others)
        seen = ", ".join(f"{count} {suffix}" for suffix, count in kinds.most_common(5))
        hidden = f"{len(self.left_out)} hidden or a system's own" if self.left_out else ""
        there = "; ".join(part for part in (seen, hidden) if part)
        return RequestError(
            f"there is no {sought or 'photo'} in the folder" + (f" (other files: {there})" if there else ""),
            where=self._root,
            expected=expected if sought else f"{expected}; photos end in {', '.join(sorted(IMAGE_SUFFIXES))}",
            todo=todo,
        )

    def _photos(self, folder: Path, above: tuple[tuple[int, int], ...]) -> list[Path]:
        about = folder.stat()
        identity = (about.st_dev, about.st_ino)
        if identity in above:
            self.unreachable[folder] = "the link leads back to a folder above it"
            return []
        found = []
        for child in self._children(folder):
            if child.is_dir():
                found += self._photos(child, (*above, identity))
            elif child.suffix.lower() not in self._suffixes:
                self.others.add(child)
            elif child.is_file():
                found.append(child)
            else:
                self.unreachable[child] = "it is no file"
        return found

    def _children(self, folder: Path) -> list[Path]:
        """What lies in a folder and can be reached, without what is left out."""
        try:
            children = sorted(Path(entry.path) for entry in os.scandir(folder))
        except OSError as error:
            self.unreachable[folder] = f"cannot enter the folder: {error.strerror}"
            return []
        return [child for child in children if self._is_wanted(child)]

    def _is_wanted(self, child: Path) -> bool:
        if is_left_out(child.name):
            self.left_out |= _files_below(child)
            return False
        reason = self._why_unreachable(child)
        if reason is None:
            return True
        if child.suffix.lower() not in self._suffixes and child.is_file():  # a link out, to what is not asked for
            self.others.add(child)
        else:
            self.unreachable[child] = reason
        return False

    def _why_unreachable(self, child: Path) -> str | None:
        linked = child.is_symlink()
        try:
            target = child.resolve(strict=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: what Python before 3.13 raises on a circle
            return f"the link leads nowhere: {child.readlink()}" if linked else str(error)
        if linked and not self._follow_links and not target.is_relative_to(self._root):
            return f"the link leads out of the folder, to {target}"
        return None


def list_photos(folder: Path) -> PhotoListing:
    """A listing for a command that reads photos where they are: it follows all links, since it copies nothing."""
    return PhotoListing(folder, follow_links=True)


def notes_on(root: Place, others: Collection[Place], left_out: Collection[Place]) -> list[str]:
    """Lines to show to the user on files below a root that were passed over; see `PhotoListing`."""
    notes = []
    if others:
        kind = "files are not images by their suffix and were"
        kind = kind if len(others) > 1 else "file is not an image by its suffix and was"
        notes.append(f"{len(others)} {kind} left out: {min(others).relative_to(root)}")
    if left_out:
        kind = "files are hidden or a system's own and were"
        kind = kind if len(left_out) > 1 else "file is hidden or a system's own and was"
        notes.append(f"{len(left_out)} {kind} left out: {min(left_out).relative_to(root)}")
    return notes


def is_left_out(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a system's own."""
    return name.startswith(".") or name.casefold() in _SYSTEM_NAMES


def readable_name(name: str) -> str:
    """A file's name without bytes that are no UTF-8, which no table, page or terminal can hold: %DF for such a one."""
    return re.sub("[\udc80-\udcff]", lambda match: f"%{ord(match[0]) - 0xDC00:02X}", name)


def _files_below(path: Path) -> set[Path]:
    if path.is_symlink() or not path.is_dir():
        return {path}
    return {Path(folder) / name for folder, _, names in os.walk(path) for name in names}
