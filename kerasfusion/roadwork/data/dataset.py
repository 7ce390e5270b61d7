"""The photos of an imagefolder: ROOT/{train,val,test}/{no_roadwork,roadwork}/*.jpg."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kerasfusion.address import Address, Place
from kerasfusion.errors import RequestError
from kerasfusion.files.at_home import bring_home
from kerasfusion.files.digests import lines_sha256
from kerasfusion.images.address_listing import AddressListing, list_place
from kerasfusion.images.listing import PhotoListing, readable_name
from kerasfusion.progress import note
from kerasfusion.splits import assign_splits

CLASS_NAMES = ("no_roadwork", "roadwork")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, order=True)
class Sample:
    """One photo.

    Attributes:
        sample_id: POSIX path relative to the dataset's root; everything is joined by it.
        path: where the file is; of a set at an address, with what was listed of it.
        split: train, val or test.
        label: index into CLASS_NAMES.
    """

    sample_id: str
    path: Place
    split: str
    label: int


def scan(root: Place, splits: tuple[str, ...] = SPLITS) -> list[Sample]:
    """List the photos below `root`, sorted by sample_id.

    A split folder that does not exist has no samples; hidden files and files of other kinds are passed over. An address
    is listed, a request for a thousand photos; nothing is read.

    Raises:
        RequestError: no folder, no photo in any of the splits, or a class folder with another name.
        KerasFusionError: a folder that may not be entered, a link that leads nowhere or in a circle, or an address that
            does not answer.
    """
    if not isinstance(root, Address) and not root.is_dir():
        raise RequestError(
            "the dataset folder does not exist",
            where=root,
            expected="a folder with train/, val/ and test/, each with no_roadwork/ and roadwork/",
            todo="name another (--data, or data.root in a configuration); kerasfusion data import makes one",
        )
    listing = list_place(root)
    samples = sorted(sample for split in splits for sample in _scan_split(root, split, listing))
    listing.require_whole()
    _refuse_unreadable_names(samples)
    refuse_no_photos(samples, splits, root)
    return samples


def refuse_no_photos(samples: Sequence[Sample], splits: Sequence[str], root: Place) -> None:
    """Check that one of the splits has photos.

    Args:
        samples: photos, also of other splits.
        splits: those that are asked for.
        root: where the photos were looked for.

    Raises:
        RequestError: none has.
    """
    if not any(sample.split in splits for sample in samples):
        raise RequestError(
            f"no photos in {', '.join(f'{split}/' for split in splits)}",
            where=root,
            expected=f"files such as {splits[0]}/roadwork/photo.jpg",
            todo="kerasfusion data split SRC OUT makes the splits from a folder with the two class folders",
        )


def scan_at_home(root: Place, splits: tuple[str, ...] = SPLITS) -> list[Sample]:
    """`scan`, with photos that can be read again and again: those of an address are brought home."""
    return samples_at_home(scan(root, splits))


def samples_at_home(samples: Sequence[Sample]) -> list[Sample]:
    """The samples, those at an address as copies in the user's cache; see `bring_home`, which also says what it raises.

    What is here and unchanged is not brought again.
    """
    away = [sample.path for sample in samples if isinstance(sample.path, Address)]
    if not away:
        return list(samples)
    paths = dict(zip(away, bring_home(away, "photos"), strict=True))
    return [replace(sample, path=paths.get(sample.path, sample.path)) for sample in samples]


def _scan_split(root: Place, split: str, listing: PhotoListing | AddressListing) -> list[Sample]:
    folder = root / split
    if not isinstance(folder, Address) and not folder.is_dir():
        return []
    folders = {child.name: child for child in listing.folders(folder)}
    strangers = sorted(folders.keys() - set(CLASS_NAMES))
    if strangers:
        raise RequestError(
            f"unknown class folder(s): {', '.join(strangers)}",
            where=folder,
            expected=" and ".join(CLASS_NAMES),
            todo="rename the folder, or import the data with: kerasfusion data import SOURCE OUT",
        )
    return [
        Sample(path.relative_to(root).as_posix(), path, split, label)
        for label, name in enumerate(CLASS_NAMES)
        if name in folders
        for path in listing.photos(folders[name])
    ]


def _refuse_unreadable_names(samples: list[Sample]) -> None:
    """Ids go into tables and pages, which hold UTF-8 alone."""
    names = [readable_name(sample.sample_id) for sample in samples]
    wrong = [name for name, sample in zip(names, samples, strict=True) if name != sample.sample_id]
    if wrong:
        raise RequestError(
            f"{len(wrong)} file names are not UTF-8: {', '.join(wrong[:10])}",
            where="the bytes that are not are shown as %XX",
            expected="names in UTF-8",
            todo="rename the files, or let `kerasfusion data import` or `data split` do so in a copy",
        )


def hold_out(
    samples: Sequence[Sample], fraction: float, seed: int, groups: Mapping[str, str]
) -> tuple[list[Sample], list[Sample]]:
    """Divide photos into those that branches learn from and those held out: val/, else a part of train/.

    YOLO's training and `fit` do so with the same photos and seed, so that no branch has seen what is held out.

    Args:
        samples: of train/ and val/.
        fraction: share of train/ to hold out if there is no val/; 0 holds nothing out.
        seed: of the stratified choice.
        groups: {sample_id: group} of train/, as `photo_groups` gives; a photo that is not in it is by itself; {} where
            there is a val/.

    Returns:
        (training, held out). Where groups leave the latter less than half or more than twice its share, that is said.

    Raises:
        RequestError: groups keep a class of train/ out of one of the two.
    """
    training = [sample for sample in samples if sample.split == "train"]
    held_out = [sample for sample in samples if sample.split == "val"]
    if held_out or fraction == 0:
        return training, held_out
    together = Counter(groups.values())
    # One that is by itself goes by its id, as it did before groups counted here: held-out photos stay the same.
    keys = {name: group for name, group in groups.items() if together[group] > 1}
    parts = assign_splits(
        [sample.label for sample in training],
        [keys.get(sample.sample_id, sample.sample_id) for sample in training],
        {"train": 1 - fraction, "val": fraction},
        seed,
    )
    pairs = list(zip(training, parts, strict=True))
    divided = [s for s, part in pairs if part == "train"], [s for s, part in pairs if part == "val"]
    if keys:
        _judge_division(*divided, fraction, groups)
    return divided


def _judge_division(
    training: Sequence[Sample], held_out: Sequence[Sample], fraction: float, groups: Mapping[str, str]
) -> None:
    """Refuse a division of whole groups that leaves one part without a class; say where it is far from what is asked.

    Args:
        training, held_out: what became of train/.
        fraction: share that is asked for, above 0.
        groups: as for `hold_out`.

    Raises:
        RequestError: a class is in one part alone.
    """
    photos = [*training, *held_out]
    of_class = {
        name: len({groups.get(sample.sample_id, sample.sample_id) for sample in photos if sample.label == label})
        for label, name in enumerate(CLASS_NAMES)
    }
    counted = ", ".join(f"{count} of {name}" for name, count in of_class.items())
    labels = [{sample.label for sample in part} for part in (training, held_out)]
    where = f"train/ in groups (copies, and what groups.csv names one): {counted}"
    if labels[0] != labels[1]:
        raise RequestError(
            f"no part of train/ with both classes can be held out (data.validation_fraction: {fraction:g}), for photos "
            "of one group stay together",
            where=where,
            expected="two groups of each class or more, or photos in val/",
            todo="name smaller groups in groups.csv; or make val/ of other places: kerasfusion data split SRC OUT",
        )
    share = len(held_out) / len(photos)
    if not fraction / 2 <= share <= 2 * fraction:
        note(
            f"warning: {share:.0%} of train/ is held out, and data.validation_fraction asks for {fraction:.0%}: {where}"
        )


def listing_sha256(samples: Sequence[Sample]) -> str:
    """By what the branch cache recognises the photos of a split: their ids and classes."""
    return lines_sha256(f"{sample.sample_id} {sample.label}" for sample in samples)


def class_order(names: Sequence[str], where: object) -> tuple[int, int]:
    """Find the positions of (no_roadwork, roadwork) among a model's class names.

    "Roadwork", "road_work" and the like are roadwork; the other one of the two, whatever its name, is not.

    Raises:
        RequestError: not two classes, or not exactly one of them is roadwork.
    """
    found = [position for position, name in enumerate(names) if _letters(name) in ("roadwork", "roadworks")]
    if len(names) != 2 or len(found) != 1:
        raise RequestError(
            f"the model's classes are {', '.join(map(repr, names))}",
            where=where,
            expected="two classes, one of them named roadwork",
        )
    return 1 - found[0], found[0]


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalpha())
