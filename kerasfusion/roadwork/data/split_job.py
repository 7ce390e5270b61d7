"""Divide an imagefolder into train/, val/ and test/: a new tree beside the untouched source."""

import collections
import dataclasses
import errno
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.digests import source_sha256
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.run_folder import require_folder
from kerasfusion.files.writing import copy_file, disk_errors, require_free_space, write_text
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track
from kerasfusion.roadwork.data.balance import balance_rows
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, SPLITS
from kerasfusion.roadwork.data.decisions import apply_decisions
from kerasfusion.roadwork.data.imagefolder import find_photos
from kerasfusion.roadwork.data.near_copies import find_near_copies
from kerasfusion.roadwork.data.split_groups import GROUPS, group_keys, groups_text, join_groups
from kerasfusion.roadwork.data.target_names import free_names
from kerasfusion.splits import assign_splits

_MARK = ".unfinished-split"


@dataclass
class SplitSummary:
    """What a split did.

    Attributes:
        out: the new imagefolder.
        counts: images per split and class name.
        source: images per class name in SRC, before any decision about labels.
        groups: number of groups (of identical files, or by key) that were kept whole.
        notes: lines to show to the user.
    """

    out: Path
    counts: dict[str, dict[str, int]]
    source: dict[str, int]
    groups: int
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[dict[str, object]]:
        """The table of photos and classes: of SRC, of each split, and of what a validator draws."""
        return balance_rows({"source": self.source} | self.counts)

    def to_json(self) -> dict:
        """The same as plain dicts, lists, strings and numbers."""
        return dataclasses.asdict(self) | {"out": str(self.out)}


def split_dataset(
    src: Path,
    out: Path,
    *,
    val: float = 0.1,
    test: float = 0.1,
    seed: int = 42,
    group_regex: str | None = None,
    group_csv: Path | None = None,
    group_similar: bool = False,
    labels: Path | None = None,
    link: bool = False,
    follow_links: bool = False,
) -> SplitSummary:
    """Copy or hard-link the photos of SRC into OUT/{train,val,test}/{no_roadwork,roadwork}/.

    Stratified by class; identical files, and files of one group, always share a split. The same photos and seed
    give the same split, whatever the files' order. OUT appears whole, at the end. Photos already in split folders
    are pooled and divided anew. Groups that were named or found are told in OUT/groups.csv. With `link` the two trees
    share their bytes: editing a file in one edits both.

    Args:
        src: an imagefolder with or without split folders.
        out: a new or empty folder, not inside `src`.
        val: share of val/, 0..1.
        test: share of test/, 0..1; the rest is train/.
        seed: another seed, another split.
        group_regex: searched in each file's name; the first group is the photo's group key. Files that do not
            match are groups of their own.
        group_csv: a CSV with the columns path (relative to `src`, every photo) and group.
        group_similar: photos that show the same picture (near copies, neighbouring frames) are of one group too.
        labels: a CSV of decisions about labels; see `apply_decisions`.
        link: hard links instead of copies.
        follow_links: also take what symbolic links reach that lead out of `src`.

    Raises:
        RequestError: bad paths, shares, regex or CSV, or a CSV that names photos which are not there.
        KerasFusionError: full disk, no hard links here, a file or folder that cannot be read, a link that leads out,
            or another split is writing OUT.
    """
    src, out = Path(src), Path(out)
    shares = {"train": 1 - val - test, "val": val, "test": test}
    _check_request(src, out, shares, group_regex, group_csv)
    with only_writer_of(out):
        photos, listing = find_photos(src, follow_links)
        paths = [photo.path for photo in photos]
        digests = list(track(ordered_map(source_sha256, paths), "read", total=len(paths)))
        labelled = collections.Counter(photo.label for photo in photos)
        source = {name: labelled[label] for label, name in enumerate(CLASS_NAMES)}
        decided: list[str] = []
        if labels is not None:
            photos, digests, decided = apply_decisions(photos, digests, src, Path(labels))
            paths = [photo.path for photo in photos]
        keys, about_keys = group_keys(photos, src, group_regex, group_csv)
        groups, about_copies = _join(paths, digests, keys, group_similar)
        splits = assign_splits([photo.label for photo in photos], groups, shares, seed)
        wanted = [f"{part}/{CLASS_NAMES[photo.label]}/{photo.name}" for part, photo in zip(splits, photos, strict=True)]
        targets = free_names(wanted, digests)
        tables = {}
        if group_similar or any(key is not None for key in keys):  # identical files are found again without it
            tables[GROUPS] = groups_text(dict(zip(targets, groups, strict=True)))
        _write_tree(out, dict(zip(targets, paths, strict=True)), tables, link)
        notes = [*decided, *about_keys, *about_copies, *listing.notes()]
        counts = collections.Counter((part, photo.label) for part, photo in zip(splits, photos, strict=True))
        table = {part: {name: counts[part, i] for i, name in enumerate(CLASS_NAMES)} for part in SPLITS}
        return SplitSummary(out, table, source, len(set(groups)), notes)


def _check_request(
    src: Path, out: Path, shares: dict[str, float], group_regex: str | None, group_csv: Path | None
) -> None:
    if not (shares["train"] > 0 and min(shares.values()) >= 0):  # also where one is NaN
        raise RequestError(
            f"val {shares['val']} and test {shares['test']} leave nothing to train on",
            expected="two shares of 0 or more with a sum below 1",
        )
    if group_regex is not None and group_csv is not None:
        raise RequestError("a group regex and a group CSV were both given", expected="one of them")
    if src.resolve() in (out.resolve(), *out.resolve().parents):
        raise RequestError("OUT is inside SRC, which must not change", where=out, todo="choose another OUT")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("OUT is not empty", where=out, todo="choose another OUT, or remove it first")
    if out.is_mount():
        raise RequestError("OUT is a mounted drive", where=out, todo="name a new folder on it")
    require_folder(out.parent)


def _join(paths: list[Path], digests: list[str], keys: list[str | None], similar: bool) -> tuple[list[str], list[str]]:
    """The group of each photo, and what near copies changed, as lines to show."""
    groups = join_groups(digests, keys)
    if not similar:
        return groups, []
    alike, notes = find_near_copies(paths)
    joined = join_groups(digests, keys, alike)
    became = f"{len(set(groups))} groups became {len(set(joined))}"
    return joined, [f"{len(alike)} pairs of nearly identical photos: {became}", *notes]


def _write_tree(out: Path, files: dict[str, Path], tables: dict[str, str], link: bool) -> None:
    partial = out.with_name(f"{out.name}.partial")
    if partial.exists():
        if not (partial / _MARK).is_file():
            raise RequestError("the folder for the unfinished copy exists already", where=partial, todo="move it away")
        shutil.rmtree(partial)
    if not link:
        require_free_space(out, sum(path.stat().st_size for path in files.values()))
    try:
        with disk_errors(partial):
            partial.mkdir(parents=True)
            (partial / _MARK).touch()
        for target, path in track(files.items(), "link" if link else "copy", total=len(files)):
            _place(path, partial / target, link)
        for name, text in tables.items():
            write_text(partial / name, text)
        with disk_errors(out):
            if out.exists():
                out.rmdir()
            partial.rename(out)
            (out / _MARK).unlink()
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _place(path: Path, target: Path, link: bool) -> None:
    if not link:
        copy_file(path, target)
        return
    try:
        source = path.resolve(strict=True)
    except OSError as error:
        raise KerasFusionError(f"cannot read the file: {error.strerror}", where=path) from error
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(source)
        except OSError as error:
            if error.errno in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EACCES):
                raise KerasFusionError(
                    f"cannot hard-link here: {error.strerror}",
                    where=target,
                    expected="SRC and OUT on one file system that has hard links",
                    todo="leave out --link to copy the files",
                ) from error
            raise
