"""Whether an imagefolder can be trained and tested on: every photo is decoded and counted."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Sized
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from kerasfusion.address import Address, Place, file_size
from kerasfusion.errors import install_command
from kerasfusion.images.address_listing import list_place
from kerasfusion.images.decoding import MAX_PIXELS, ImageError, read_image
from kerasfusion.machine.probe import spread
from kerasfusion.progress import track
from kerasfusion.roadwork.cluster.mapping import map_on
from kerasfusion.roadwork.cluster.node_check import LOOKED_FOR, Needs
from kerasfusion.roadwork.cluster.ray_library import LOCAL, refuse_other_address
from kerasfusion.roadwork.data.balance import balance_rows, in_all
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, SPLITS, Sample, scan
from kerasfusion.roadwork.data.near_copies import BITS, CAN_FINGERPRINT, fingerprint, near_pairs

SMALL_SPLIT = 20
"""Images below which a split's scores mean little."""
STRONG_IMBALANCE = 10
"""Ratio of the larger class to the smaller one above which accuracy misleads."""
NAMED = 10
"""Unreadable images that are named in the text; to_json has them all."""


@dataclass
class DataCheck:
    """What is known of an imagefolder.

    Attributes:
        root: the imagefolder.
        problems: what makes the set unusable; empty when it can be used.
        warnings: what a person should know.
        counts: readable images per split and class name, for the splits that have any.
        sizes: {"width" | "height" (pixels, upright) | "bytes": {"min", "median", "max"}} of the readable images.
        unreadable: {sample_id: reason} of images that are damaged, cut short or too large.
        across_splits: groups of sample ids with identical bytes in more than one split.
        two_labels: groups of sample ids with identical bytes and both labels.
        copies: number of files beyond the first in groups within one split and label.
        near_copies: pairs of sample ids that show the same picture in other bytes, the nearest first; None if that
            could not be looked for.
    """

    root: Place
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    sizes: dict[str, dict[str, float]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    across_splits: list[list[str]] = field(default_factory=list)
    two_labels: list[list[str]] = field(default_factory=list)
    copies: int = 0
    near_copies: list[list[str]] | None = None

    @property
    def usable(self) -> bool:
        """Whether there are no problems."""
        return not self.problems

    def rows(self) -> list[dict[str, object]]:
        """The table of photos and classes: of each split, of all, and of what a validator draws."""
        return balance_rows(self.counts | {"all": in_all(self.counts)})

    def to_json(self) -> dict:
        """The same as plain dicts, lists, strings and numbers, with `usable`."""
        return dataclasses.asdict(self) | {"root": str(self.root), "usable": self.usable}


def check_dataset(root: Place, *, max_pixels: int = MAX_PIXELS, on: str = LOCAL) -> DataCheck:
    """Decode every photo of an imagefolder and look for what would spoil training or its evaluation.

    Args:
        root: ROOT/{train,val,test}/{no_roadwork,roadwork}/; each photo of an address is read once, and not kept.
        max_pixels: larger images (width x height) count as unreadable.
        on: "local", or the address of a Ray cluster on whose machines the photos are decoded.

    Raises:
        RequestError: no folder, no photo in it, a class folder with another name, or a cluster that does not answer or
            has a machine that is unfit.
    """
    refuse_other_address(on)
    if on != LOCAL and not isinstance(root, Address):
        root = root.absolute()
    samples = scan(root)
    needs = Needs({"ROOT": [sample.path for sample in spread(samples, LOOKED_FOR)]}, {})
    results = map_on(on, partial(_examine, max_pixels=max_pixels), samples, needs)
    check = DataCheck(root)
    shapes, same_bytes, fingerprints = [], defaultdict(list), {}
    for sample, result in zip(samples, track(results, "check", total=len(samples)), strict=True):
        if isinstance(result, str):
            check.unreadable[sample.sample_id] = result
        else:
            shapes.append(result.shape)
            same_bytes[result.sha256].append(sample)
            fingerprints[sample] = result.fingerprint
    check.counts = _count([sample for sample in samples if sample.sample_id not in check.unreadable])
    check.sizes = _sizes(shapes)
    _compare([group for group in same_bytes.values() if len(group) > 1], check)
    _judge(check)
    _compare_pictures({group[0]: fingerprints[group[0]] for group in same_bytes.values()}, check)
    _warn_of_unused(root, check)
    return check


@dataclass(frozen=True)
class _Examined:
    """A readable image: (width, height, bytes), sha256, and its perceptual hash, None without imagehash."""

    shape: tuple[int, int, int]
    sha256: str
    fingerprint: np.ndarray | None


def _examine(sample: Sample, max_pixels: int) -> _Examined | str:
    """What is known of a readable image, else the reason why it is not."""
    try:
        pixels, digest = read_image(sample.path, max_pixels)
    except ImageError as error:
        return error.what
    shape = (pixels.shape[1], pixels.shape[0], file_size(sample.path))
    return _Examined(shape, digest, fingerprint(pixels) if CAN_FINGERPRINT else None)


def _count(samples: list[Sample]) -> dict[str, dict[str, int]]:
    counts = Counter((sample.split, sample.label) for sample in samples)
    return {
        split: {name: counts[split, label] for label, name in enumerate(CLASS_NAMES)}
        for split in SPLITS
        if any(counts[split, label] for label in range(len(CLASS_NAMES)))
    }


def _sizes(shapes: list[tuple[int, int, int]]) -> dict[str, dict[str, float]]:
    if not shapes:
        return {}
    return {
        name: {"min": int(column.min()), "median": float(np.median(column)), "max": int(column.max())}
        for name, column in zip(("width", "height", "bytes"), np.array(shapes).T, strict=True)
    }


def _compare(groups: list[list[Sample]], check: DataCheck) -> None:
    for group in groups:
        names = [sample.sample_id for sample in group]
        if len({sample.split for sample in group}) > 1:
            check.across_splits.append(names)
        if len({sample.label for sample in group}) > 1:
            check.two_labels.append(names)
        check.copies += len(group) - len({(sample.split, sample.label) for sample in group})


def _compare_pictures(fingerprints: dict[Sample, np.ndarray | None], check: DataCheck) -> None:
    """Pairs that show the same picture, of photos with different bytes."""
    if not CAN_FINGERPRINT:
        check.warnings.append(f"near copies were not looked for: that needs imagehash ({install_command('train')})")
        return
    photos = list(fingerprints)
    pairs = near_pairs(np.array(list(fingerprints.values())).reshape(-1, BITS))
    check.near_copies = [[photos[one].sample_id, photos[other].sample_id] for one, other, _ in pairs]
    two = [(photos[one], photos[other]) for one, other, _ in pairs]
    for what, found in (
        ("within one split and label", [(a.split, a.label) == (b.split, b.label) for a, b in two]),
        ("in several splits; data split --group-similar keeps them together", [a.split != b.split for a, b in two]),
        ("with both labels", [a.label != b.label for a, b in two]),
    ):
        named = [pair for pair, is_found in zip(check.near_copies, found, strict=True) if is_found]
        if named:
            pairs_of = "a pair of" if len(named) == 1 else f"{len(named)} pairs of"
            check.warnings.append(f"{pairs_of} nearly identical images {what}: {', '.join(named[0])}{_more(named)}")


def _judge(check: DataCheck) -> None:
    if check.unreadable:
        named = [f"{name}: {reason}" for name, reason in list(check.unreadable.items())[:NAMED]]
        more = ["--json names all"] if len(check.unreadable) > NAMED else []
        check.problems.append(f"{_number(check.unreadable, 'image')} cannot be read: {'; '.join(named + more)}")
    for groups, what in ((check.two_labels, "with both labels"), (check.across_splits, "in several splits")):
        if groups:
            check.problems.append(f"identical images {what}: {', '.join(groups[0])}{_more(groups)}")
    if "train" not in check.counts:
        check.problems.append("train/ has no image")
    for split, counts in check.counts.items():
        fewest, most = min(counts.values()), max(counts.values())
        if fewest == 0:
            check.problems.append(f"{split}/ has no {min(counts, key=counts.get)} image")
        elif most > STRONG_IMBALANCE * fewest:
            check.warnings.append(f"{split}/ is unbalanced, {most} to {fewest}: consider class weights")
        if most + fewest < SMALL_SPLIT:
            check.warnings.append(f"{split}/ has only {_number(most + fewest, 'image')}: its scores will be rough")
    check.warnings += [f"there is no {split}/" for split in ("val", "test") if split not in check.counts]
    if check.copies:
        copies = "is a copy" if check.copies == 1 else "are copies"
        check.warnings.append(f"{_number(check.copies, 'image')} {copies} of another one with the same split and label")


def _number(counted: int | Sized, what: str) -> str:
    """For example "1 image", "2 images"."""
    count = counted if isinstance(counted, int) else len(counted)
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _more(items: list) -> str:
    return f" (and {len(items) - 1} more)" if len(items) > 1 else ""


def _warn_of_unused(root: Place, check: DataCheck) -> None:
    """Folders and files that look like data but that nothing reads."""
    listing = list_place(root)
    folders = listing.folders(root)
    strangers = [f"{child.name}/" for child in folders if child.name not in SPLITS]
    if strangers:
        check.warnings.append(f"only train/, val/ and test/ are used, not {', '.join(strangers[:5])}")
    for folder in folders:
        if folder.name in SPLITS:
            listing.photos(folder)
    check.warnings += listing.notes()
