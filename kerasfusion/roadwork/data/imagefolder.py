"""Find the photos of a folder with class folders, whatever their spelling, with or without split folders above."""

from dataclasses import dataclass
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.images.listing import PhotoListing, readable_name
from kerasfusion.roadwork.data.label_names import parse_label, parse_split
from kerasfusion.roadwork.data.metadata_csv import METADATA, plain_name, read_labels

_LAYOUT = (
    "class folders such as no_roadwork/ and roadwork/, directly in it or in train/, val/ and test/ "
    "(None, Roadwork, validation... are understood), or a metadata.csv with the columns file_name,label"
)


@dataclass(frozen=True)
class Photo:
    """One image file.

    Attributes:
        path: where the file is.
        split: train, val or test; None where there are no split folders.
        label: index into CLASS_NAMES.
        name: POSIX path below the class folder, usually just the file's name; see `readable_name`.
    """

    path: Path
    split: str | None
    label: int
    name: str


def find_photos(root: Path, follow_links: bool) -> tuple[list[Photo], PhotoListing]:
    """List the image files of an imagefolder in the order of their paths.

    A folder without class folders but with a metadata.csv (columns file_name and label) is one too.

    Args:
        root: the imagefolder.
        follow_links: also follow links that lead out of it.

    Returns:
        The photos, and the listing that knows what was passed over.

    Raises:
        RequestError: no such folder, no class folders, a folder of another name beside them, or no photo.
        KerasFusionError: a folder that may not be entered, or a link that leads nowhere, in a circle or out.
    """
    if not root.is_dir():
        raise RequestError("the folder does not exist", where=root, expected=_LAYOUT)
    listing = PhotoListing(root, follow_links)
    photos = _listed_photos(root, None, listing) if (root / METADATA).is_file() else _photos_by_folder(root, listing)
    listing.require_whole()
    if not photos:
        raise listing.nothing_found(_LAYOUT, _todo(len(listing.photos(root))))
    return sorted(photos, key=lambda photo: photo.path.as_posix()), listing


def _todo(loose: int) -> str:
    """What to do where no photo has a label, of photos that lie beside class folders."""
    if not loose:
        return "name the folder that holds them; `kerasfusion data synth roadwork OUT` draws scenes to try this with"
    return (
        f"{loose} photos lie beside the class folders: sort them into class folders, or list them in a {METADATA} with "
        "the columns file_name,label"
    )


def _photos_by_folder(root: Path, listing: PhotoListing) -> list[Photo]:
    split_folders = {child: parse_split(child.name) for child in listing.folders(root)}
    if not any(split_folders.values()):
        return _photos_of_classes(root, None, listing)
    strangers = [child.name for child, split in split_folders.items() if split is None]
    _refuse_strangers(root, strangers, "train/, val/ and test/")
    return [
        photo
        for child, split in split_folders.items()
        for photo in (_listed_photos if (child / METADATA).is_file() else _photos_of_classes)(child, split, listing)
    ]


def _photos_of_classes(folder: Path, split: str | None, listing: PhotoListing) -> list[Photo]:
    labels = {child: parse_label(child.name) for child in listing.folders(folder)}
    _refuse_strangers(folder, [child.name for child, label in labels.items() if label is None], _LAYOUT)
    return [
        Photo(path, split, label, readable_name(path.relative_to(child).as_posix()))
        for child, label in labels.items()
        for path in listing.photos(child)
    ]


def _listed_photos(folder: Path, split: str | None, listing: PhotoListing) -> list[Photo]:
    """The photos of a folder whose metadata.csv tells their labels; a folder with class folders keeps those."""
    if any(parse_label(child.name) is not None or parse_split(child.name) for child in listing.folders(folder)):
        return _photos_of_classes(folder, split, listing) if split else _photos_by_folder(folder, listing)
    labels = read_labels(folder / METADATA)
    paths = {plain_name(path.relative_to(folder).as_posix()): path for path in listing.photos(folder)}
    listing.others.discard(folder / METADATA)
    for names, what in (
        (labels.keys() - paths.keys(), f"names in {METADATA} have no photo in the folder"),
        (paths.keys() - labels.keys(), f"photos have no row in {METADATA}"),
    ):
        if names:
            raise RequestError(
                f"{len(names)} {what}: {', '.join(sorted(names)[:10])}",
                where=folder / METADATA,
                expected="one row for every photo, file_name relative to the folder",
            )
    return [Photo(path, split, labels[name], name) for name, path in paths.items()]


def _refuse_strangers(folder: Path, names: list[str], expected: str) -> None:
    if names:
        raise RequestError(
            f"unknown folder(s): {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}",
            where=folder,
            expected=expected,
            todo="rename or move the folder(s)",
        )
