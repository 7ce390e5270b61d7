"""Find the photos of a folder with class folders, whatever their spelling, with or without split folders above."""

from dataclasses import dataclass
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import IMAGE_SUFFIXES
from kerasfusion.roadwork.data.label_names import parse_label, parse_split

_LAYOUT = (
    "class folders such as no_roadwork/ and roadwork/, directly in it or in train/, val/ and test/ "
    "(None, Roadwork, validation... are understood)"
)


@dataclass(frozen=True)
class Photo:
    """One image file.

    Attributes:
        path: where the file is.
        split: train, val or test; None where there are no split folders.
        label: index into CLASS_NAMES.
        name: POSIX path below the class folder, usually just the file's name.
    """

    path: Path
    split: str | None
    label: int
    name: str


def find_photos(root: Path) -> tuple[list[Photo], list[Path]]:
    """List the image files of an imagefolder in the order of their paths.

    Returns:
        The photos, and the files that were passed over because their suffix is not an image's. Hidden files
        and folders are in neither.

    Raises:
        RequestError: no such folder, no class folders, a folder of another name beside them, or no photo.
    """
    if not root.is_dir():
        raise RequestError("the folder does not exist", where=root, expected=_LAYOUT)
    split_folders = {child: parse_split(child.name) for child in _folders(root)}
    if any(split_folders.values()):
        strangers = [child.name for child, split in split_folders.items() if split is None]
        _refuse_strangers(root, strangers, "train/, val/ and test/")
        folders = [found for child, split in split_folders.items() for found in _class_folders(child, split)]
    else:
        folders = _class_folders(root, None)
    photos, others = [], []
    for folder, split, label in folders:
        for path in _files(folder):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                photos.append(Photo(path, split, label, path.relative_to(folder).as_posix()))
            else:
                others.append(path)
    if not photos:
        raise RequestError("there is no photo in the folder", where=root, expected=_LAYOUT)
    return sorted(photos, key=lambda photo: photo.path.as_posix()), sorted(others)


def _class_folders(folder: Path, split: str | None) -> list[tuple[Path, str | None, int]]:
    labels = {child: parse_label(child.name) for child in _folders(folder)}
    _refuse_strangers(folder, [child.name for child, label in labels.items() if label is None], _LAYOUT)
    return [(child, split, label) for child, label in labels.items() if label is not None]


def _refuse_strangers(folder: Path, names: list[str], expected: str) -> None:
    if names:
        raise RequestError(
            f"unknown folder(s): {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}",
            where=folder,
            expected=expected,
            todo="rename or move the folder(s)",
        )


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _files(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
