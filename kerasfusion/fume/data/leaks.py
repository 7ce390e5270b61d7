"""Copies of one original in more than one split: found, measured, and splits without them.

A network that has trained on an original's copies knows the copies that it is tested on: the score is not that of new
recordings. So an original, that is all rows with one original_sample_id, belongs into one split.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kerasfusion.errors import RequestError
from kerasfusion.fume.data.annotations import SPLITS, Frame
from kerasfusion.fume.data.csv_rows import name_ten
from kerasfusion.splits import assign_splits


@dataclass(frozen=True)
class SharedOriginals:
    """What two splits share.

    Attributes:
        splits: the two, in the order train, val, test.
        originals: how many originals have frames in both.
        frames: {split: frames in it that are of those originals}.
        shares: {split: the same as a share of all its frames, 0..1}.
    """

    splits: tuple[str, str]
    originals: int
    frames: dict[str, int]
    shares: dict[str, float]


@dataclass(frozen=True)
class Leak:
    """How far splits share originals.

    Attributes:
        originals: ids with frames in more than one split, sorted.
        all_originals: how many originals there are.
        frames: how many frames are of the ids in `originals`.
        all_frames: how many frames there are.
        pairs: for each two splits that share any.
    """

    originals: tuple[str, ...]
    all_originals: int
    frames: int
    all_frames: int
    pairs: tuple[SharedOriginals, ...]

    def __bool__(self) -> bool:
        return bool(self.originals)

    def lines(self) -> list[str]:
        """The leak's size for people: the whole, then each two splits; empty without one."""
        if not self:
            return []
        whole = (
            f"{len(self.originals)} of {self.all_originals} originals are in more than one split, "
            f"which touches {self.frames} of {self.all_frames} frames ({self.frames / self.all_frames:.1%})"
        )
        return [whole, *(_line(pair) for pair in self.pairs)]

    def to_json(self) -> dict:
        """The same as plain dicts, lists and numbers; pairs by "train/test"."""
        pairs = {
            "/".join(pair.splits): {"originals": pair.originals, "frames": pair.frames, "shares": pair.shares}
            for pair in self.pairs
        }
        return {
            "originals": len(self.originals),
            "all_originals": self.all_originals,
            "frames": self.frames,
            "all_frames": self.all_frames,
            "splits": pairs,
        }


def find_leak(frames: Mapping[str, Sequence[Frame]]) -> Leak:
    """Measure how far splits share originals.

    Args:
        frames: {split: its frames}.
    """
    counts = _count_originals(frames)
    shared = sorted(key for key, by_split in counts.items() if len(by_split) > 1)
    found = [split for split in SPLITS if frames.get(split)]
    pairs = (_shared_by(two, [counts[key] for key in shared], frames) for two in itertools.combinations(found, 2))
    return Leak(
        originals=tuple(shared),
        all_originals=len(counts),
        frames=sum(sum(counts[key].values()) for key in shared),
        all_frames=sum(len(found) for found in frames.values()),
        pairs=tuple(pair for pair in pairs if pair.originals),
    )


def refuse_repeats(frames: Iterable[Frame]) -> None:
    """Make sure that no frame stands in two rows, of one split or of two.

    Raises:
        RequestError: names the first ten such paths with all their rows.
    """
    rows = defaultdict(list)
    for frame in frames:
        rows[frame.frame_path].append(frame.source or "a row without a source")
    repeats = [f"{path}: {', '.join(sources)}" for path, sources in rows.items() if len(sources) > 1]
    if repeats:
        raise RequestError(
            f"{len(repeats)} frame(s) are listed more than once:{name_ten(repeats)}",
            expected="each frame_path in one row of one split",
            todo="take the other rows out",
        )


def regroup(
    frames: Iterable[Frame], *, val: float = 0.15, test: float = 0.15, seed: int = 42
) -> dict[str, list[Frame]]:
    """Divide frames anew so that all copies of an original share a split.

    Stratified by class and gas, in numbers of frames. The same frames and seed give the same splits in any order.

    Args:
        val, test: shares of the frames, 0..1; the rest is train.
        seed: another seed, other splits.

    Returns:
        {split: its frames, by path} of train, val and test; empty where the share is 0.

    Raises:
        RequestError: shares that leave nothing to train on, or fewer originals than splits.
    """
    if not (val >= 0 and test >= 0 and val + test < 1):
        raise RequestError(
            f"val {val} and test {test} leave nothing to train on",
            where="--val, --test",
            expected="two shares of 0 or more with a sum below 1",
        )
    frames = sorted(frames, key=lambda frame: frame.frame_path)
    shares = {"train": 1 - val - test, "val": val, "test": test}
    originals = [frame.original_id for frame in frames]
    needed = sum(share > 0 for share in shares.values())
    if len(set(originals)) < needed:
        raise RequestError(
            f"{len(set(originals))} original(s) cannot be divided into {needed} splits",
            where="original_sample_id",
            expected=f"frames of at least {needed} originals: all frames of a film, and all copies, are one",
            todo=f"film at least {needed} cows, or annotate frames of as many originals",
        )
    assigned = assign_splits([f"{frame.class_id} {frame.gas}" for frame in frames], originals, shares, seed)
    return {split: [frame for frame, s in zip(frames, assigned, strict=True) if s == split] for split in SPLITS}


def ambiguous_originals(frames: Iterable[Frame]) -> list[str]:
    """Original ids, sorted, whose frames differ in class or pH: most likely numbered anew in each recording."""
    states = defaultdict(set)
    for frame in frames:
        states[frame.original_id].add((frame.class_id, frame.ph_value))
    return sorted(key for key, found in states.items() if len(found) > 1)


def _count_originals(frames: Mapping[str, Sequence[Frame]]) -> dict[str, dict[str, int]]:
    """{original id: {split: frames}}."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for split, found in frames.items():
        for frame in found:
            counts[frame.original_id][split] += 1
    return counts


def _shared_by(
    two: tuple[str, str], counts: list[dict[str, int]], frames: Mapping[str, Sequence[Frame]]
) -> SharedOriginals:
    both = [by_split for by_split in counts if all(split in by_split for split in two)]
    touched = {split: sum(by_split[split] for by_split in both) for split in two}
    return SharedOriginals(two, len(both), touched, {split: touched[split] / len(frames[split]) for split in two})


def _line(pair: SharedOriginals) -> str:
    first, second = pair.splits
    return (
        f"{first}/{second}: {pair.originals} originals; {pair.frames[second]} frames of {second} "
        f"({pair.shares[second]:.1%}) have a copy of their original in {first}"
    )
