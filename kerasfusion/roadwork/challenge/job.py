"""`data challenge`: the challenges that a validator would make of the photos of an imagefolder, as an imagefolder."""

import collections
import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.one_writer import only_writer_of
from kerasfusion.files.writing import remove_abandoned, write_file
from kerasfusion.images.decoding import ImageError, read_image
from kerasfusion.machine.probe import spread
from kerasfusion.progress import track
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.challenge.kinds import MIX, Kind
from kerasfusion.roadwork.challenge.listing import LIST, View, read_list, write_list
from kerasfusion.roadwork.challenge.making import challenge_jpeg
from kerasfusion.roadwork.challenge.plan import Choice, name_below, planned_views
from kerasfusion.roadwork.cluster.mapping import map_on
from kerasfusion.roadwork.cluster.node_check import LOOKED_FOR, Needs
from kerasfusion.roadwork.cluster.ray_library import LOCAL, refuse_other_address
from kerasfusion.roadwork.data.dataset import CLASS_NAMES
from kerasfusion.roadwork.data.imagefolder import Photo, find_photos

_NAMED = 10
"""Unreadable photos that are named in the text; to_json has them all."""


@dataclass
class ChallengeSummary:
    """What a run of `data challenge` did.

    Attributes:
        out: the new imagefolder.
        photos: number of photos whose challenges are there.
        counts: challenges by layout and level, as rows with layout, level and the number of each class.
        kept: challenges that an earlier run had written.
        unreadable: {POSIX path below SRC: reason} of photos that have none.
        notes: lines to show to the user.
    """

    out: Path
    photos: int = 0
    counts: list[dict[str, str | int]] = field(default_factory=list)
    kept: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Lines on what is missing; empty if every photo has its challenges."""
        if not self.unreadable:
            return []
        named = [f"{name}: {reason}" for name, reason in list(self.unreadable.items())[:_NAMED]]
        more = ["--json names all"] if len(self.unreadable) > _NAMED else []
        return [f"{len(self.unreadable)} photo(s) cannot be read and have no challenges: {'; '.join(named + more)}"]

    def to_json(self) -> dict:
        """The same as plain dicts, lists, strings and numbers."""
        return dataclasses.asdict(self) | {"out": str(self.out)}


def write_challenges(
    src: Path,
    out: Path,
    *,
    layout: str = MIX,
    level: str | int = MIX,
    views: int = 1,
    on: str = LOCAL,
) -> ChallengeSummary:
    """Write `views` challenges of each photo of SRC to OUT, in the same split and class folders.

    What a challenge is follows from the photo's bytes and the view's number alone. A run that was killed is continued
    by running it again; more views, or more photos in SRC, are added to those that are there. OUT/challenges.csv says
    what each file is.

    Args:
        src: an imagefolder with or without split folders; only read.
        out: a new or empty folder, or one that this command wrote with the same layout and level; not inside `src`.
        layout: of kinds.LAYOUTS, or MIX.
        level: of kinds.LEVELS, or MIX.
        views: challenges of each photo, 1 or more.
        on: "local", or the address of a Ray cluster whose machines share both folders.

    Raises:
        RequestError: no such layout or level, bad paths, no photo, OUT holds something else, or a cluster that does
            not answer or has a machine that is unfit.
        KerasFusionError: a folder or link that cannot be read, a full disk, or another run is writing OUT.
    """
    refuse_other_address(on)
    src, out = (Path(path) if on == LOCAL else Path(path).absolute() for path in (src, out))
    choice = Choice(layout, level, views)
    _check_out(src, out)
    with only_writer_of(out):
        return _challenges(src, out, choice, on)


def _challenges(src: Path, out: Path, choice: Choice, on: str) -> ChallengeSummary:
    photos, listing = find_photos(src, follow_links=True)
    summary = ChallengeSummary(out)
    plan = planned_views(src, _digests(src, photos, summary, on), choice)
    before = set(read_list(out))
    _refuse_others(out, before, plan)
    if out.is_dir():
        remove_abandoned(out, is_held=True)
    write_list(out, plan)
    missing = {view: path for view, path in plan.items() if view not in before or not (out / view.path).is_file()}
    summary.kept = len(plan) - len(missing)
    _write(out, missing, choice, summary, on)
    made = [view for view in plan if view.photo not in summary.unreadable]
    write_list(out, made)
    summary.photos = len({view.photo for view in made})
    summary.counts = _count(made)
    summary.notes = _notes(summary, whole=not any(photo.split for photo in photos)) + listing.notes()
    return summary


def _check_out(src: Path, out: Path) -> None:
    if src.resolve() in (out.resolve(), *out.resolve().parents):
        raise RequestError("OUT is inside SRC, which must not change", where=out, todo="choose another OUT")
    if out.exists() and not out.is_dir():
        raise RequestError("OUT is a file", where=out, todo="choose another OUT")
    if out.is_dir() and any(out.iterdir()) and not (out / LIST).is_file():
        raise RequestError(
            "OUT holds something else",
            where=out,
            expected=f"a new or empty folder, or one with the {LIST} of an earlier run",
            todo="choose another OUT",
        )


def _digests(src: Path, photos: list[Photo], summary: ChallengeSummary, on: str) -> dict[Photo, str]:
    """The sha256 of each photo that can be read; the others go to `summary.unreadable`."""
    needs = Needs({"SRC": [photo.path for photo in spread(photos, LOOKED_FOR)]}, {})
    found = track(map_on(on, _digest, photos, needs), "read", total=len(photos))
    digests = {}
    for photo, (digest, reason) in zip(photos, found, strict=True):
        if reason:
            summary.unreadable[name_below(src, photo)] = reason
        else:
            digests[photo] = digest
    return digests


def _digest(photo: Photo) -> tuple[str, str | None]:
    """(sha256, None), or an empty text and why there is none."""
    try:
        return file_sha256(photo.path), None
    except OSError as error:
        return "", f"cannot read the file: {error.strerror}"


def _refuse_others(out: Path, before: set[View], plan: Mapping[View, Path]) -> None:
    """Stop where OUT has challenges that this run would not make: they would stay among the new ones."""
    others = sorted(view.path for view in before - plan.keys())
    if others:
        raise RequestError(
            f"OUT holds {len(others)} challenges of other photos, kinds or views, such as {others[0]}",
            where=out,
            expected="the same SRC, --layout and --level, and at least as many --views",
            todo="choose another OUT, or remove it first",
        )


def _write(out: Path, missing: Mapping[View, Path], choice: Choice, summary: ChallengeSummary, on: str) -> None:
    """Make challenges photo by photo; photos that cannot be decoded go to `summary.unreadable`."""
    work = [(path, list(views)) for path, views in itertools.groupby(missing, missing.__getitem__)]
    # The list was just written: a machine that does not see it has another folder there.
    needs = Needs({"OUT": [out / LIST]}, {"OUT": out})
    made = map_on(on, partial(_make, out=out, choice=choice), work, needs)
    results = track(made, "challenges", total=len(work))
    for (_, views), reason in zip(work, results, strict=True):
        if reason:
            summary.unreadable[views[0].photo] = reason


def _make(work: tuple[Path, list[View]], out: Path, choice: Choice) -> str | None:
    """Write some views of one photo; returns why it cannot be, or None."""
    path, views = work
    try:
        pixels, digest = read_image(path)
    except ImageError as error:
        return error.what
    if digest != views[0].group:
        return "the file changed while it was read"
    for view in views:
        write_file(out / view.path, challenge_jpeg(pixels, *choice.draw(digest, view.view)))
    return None


def _count(views: list[View]) -> list[dict[str, str | int]]:
    """Rows of layout, level and the number of challenges of each class, in the order of layouts and levels."""
    counts = collections.Counter((Kind(view.layout, view.level), CLASS_NAMES[view.label]) for view in views)
    kinds = sorted({kind for kind, _ in counts})
    return [
        {"layout": kind.layout, "level": kind.level} | {name: counts[kind, name] for name in CLASS_NAMES}
        for kind in kinds
    ]


def _notes(summary: ChallengeSummary, whole: bool) -> list[str]:
    number = sum(row[name] for row in summary.counts for name in CLASS_NAMES)
    kept = f", {summary.kept} of them by an earlier run" if summary.kept else ""
    notes = [f"{number} challenges of {summary.photos} photos in {summary.out}{kept}; {LIST} says what each is"]
    if whole and number:
        split = command_line(["kerasfusion", "data", "split", summary.out, "NEW", "--group-csv", summary.out / LIST])
        notes.append(f"next, all views of a photo in one split: {split}")
    return notes
