"""Which photos must share a split or a fold: identical files, and files with one group key."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kerasfusion.address import Place
from kerasfusion.errors import RequestError
from kerasfusion.files.csv_table import csv_text, edited_table
from kerasfusion.files.digests import source_sha256
from kerasfusion.parallel import ordered_map
from kerasfusion.progress import track
from kerasfusion.roadwork.data.dataset import Sample
from kerasfusion.roadwork.data.imagefolder import Photo
from kerasfusion.roadwork.data.metadata_csv import plain_name

GROUPS = "groups.csv"
"""In the root of a set whose groups were named or found: columns path (relative to the root) and group."""


def join_groups(digests: list[str], keys: list[str | None], alike: Iterable[tuple[int, int]] = ()) -> list[str]:
    """One group key per photo: photos with one digest or one key, and two that are alike, are joined, and so on along
    such chains.

    `alike` has the numbers of two photos each. The key is the smallest user key in the group, else the digest, so it
    does not depend on order or file names.
    """
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = node = parent[parent[node]]
        return node

    # "key:" sorts before "sha256:", and the smaller root always wins.
    nodes = [
        (f"sha256:{digest}", f"key:{key}" if key is not None else None)
        for digest, key in zip(digests, keys, strict=True)
    ]
    joined = [*((digest, key or digest) for digest, key in nodes), *((nodes[a][0], nodes[b][0]) for a, b in alike)]
    for one, other in joined:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    return [root(digest) for digest, _ in nodes]


def photo_digests(samples: Sequence[Sample], label: str = "check photos") -> dict[str, str]:
    """{sample_id: sha256 of the file}.

    Args:
        samples: photos.
        label: of the progress.

    Raises:
        KerasFusionError: a file cannot be read.
    """
    paths = (sample.path for sample in samples)
    digests = track(ordered_map(source_sha256, paths), label, total=len(samples))
    return dict(zip((sample.sample_id for sample in samples), digests, strict=True))


def photo_groups(digests: Mapping[str, str], keys: Mapping[str, str]) -> dict[str, str]:
    """The group of each photo: those with the same bytes are of one, and those that groups.csv names one.

    Args:
        digests: {sample_id: sha256}.
        keys: as `read_groups` gives them.

    Returns:
        {sample_id: group}, in the order of `digests`.
    """
    groups = join_groups(list(digests.values()), [keys.get(plain_name(name)) for name in digests])
    return dict(zip(digests, groups, strict=True))


def drawn_together(groups: Sequence[str]) -> Sequence[str] | None:
    """The groups of N photos as statistics take them: None where each photo is by itself."""
    return groups if len(set(groups)) < len(groups) else None


def group_keys(
    photos: list[Photo], src: Path, group_regex: str | None, group_csv: Path | None
) -> tuple[list[str | None], list[str]]:
    """The user's group key of each photo (None: no key), and notes to show; see `split_dataset` for the arguments.

    Raises:
        RequestError: a regex or CSV that is wrong or does not fit the photos.
    """
    if group_regex is not None:
        return _regex_keys(photos, group_regex)
    if group_csv is not None:
        return _csv_keys(photos, src, Path(group_csv)), []
    return [None] * len(photos), []


def _regex_keys(photos: list[Photo], group_regex: str) -> tuple[list[str | None], list[str]]:
    where = f"--group-regex {group_regex}"
    try:
        pattern = re.compile(group_regex)
    except re.error as error:
        raise RequestError(f"not a regular expression: {error}", where=where) from error
    if not pattern.groups:
        raise RequestError("the regular expression has no group", where=where, expected=r"such as ^(video\d+)_")
    matches = [pattern.search(photo.path.name) for photo in photos]
    keys = [match.group(1) if match else None for match in matches]
    alone = [photo.path.name for photo, key in zip(photos, keys, strict=True) if key is None]
    if len(alone) == len(photos):
        raise RequestError("the regular expression fits no file name", where=where, expected=f"to fit {alone[0]}")
    note = f"{len(alone)} file names do not fit the group regex and are groups of their own: {', '.join(alone[:3])}"
    return keys, [note] if alone else []


def _csv_keys(photos: list[Photo], src: Path, group_csv: Path) -> list[str | None]:
    key_of = _read_csv(group_csv)
    paths = [plain_name(photo.path.relative_to(src).as_posix()) for photo in photos]
    missing = [path for path in paths if not key_of.get(path)]
    if missing:
        raise RequestError(
            f"{len(missing)} photos have no group in the CSV: {', '.join(missing[:3])}",
            where=group_csv,
            expected="every photo's path relative to SRC, with a group",
        )
    return [key_of[path] for path in paths]


def groups_text(group_of: Mapping[str, str]) -> str:
    """What groups.csv holds: {path relative to the root: group}."""
    return csv_text(["path", "group"], sorted(group_of.items()))


def read_groups(root: Place) -> dict[str, str]:
    """The group of each photo that ROOT/groups.csv names, by sample id; {} without that file.

    Raises:
        RequestError: it cannot be read, or names two groups of one photo.
    """
    path = root / GROUPS
    return {name: group for name, group in _read_csv(path).items() if group} if path.is_file() else {}


def _read_csv(group_csv: Place) -> dict[str, str]:
    try:
        rows = list(edited_table(io.StringIO(group_csv.read_bytes().decode("utf-8-sig"), newline="")))
    except (OSError, ValueError, csv.Error) as error:
        raise RequestError(f"cannot read the group CSV: {error}", where=group_csv) from error
    if not rows or not {"path", "group"} <= rows[0].keys():
        raise RequestError("the group CSV lacks columns or rows", where=group_csv, expected="columns path,group")
    key_of: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        path, group = plain_name(row["path"] or ""), (row["group"] or "").strip()
        if key_of.setdefault(path, group) != group:
            raise RequestError(
                f"{path} has two groups: {key_of[path]!r} and {group!r}",
                where=f"{group_csv}, row {number}",
                todo="keep one of the rows",
            )
    return key_of
