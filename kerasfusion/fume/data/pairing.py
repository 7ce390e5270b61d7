"""Frames of a split to samples: a CO2 frame is matched with a CH4 frame of the same pH and class."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from kerasfusion.errors import RequestError
from kerasfusion.fume.data.annotations import GASES, STATES, Frame
from kerasfusion.fume.data.samples import GasFrame, Sample

KINDS = ("paired", "co2_only", "ch4_only", "total")
"""Of samples, in the order of the table."""


@dataclass(frozen=True)
class Round:
    """One round of matching, among the frames that earlier rounds left.

    Attributes:
        same: only frames for which this is equal are matched (besides pH and class).
        whole_originals: order the frames by their originals, so that the copies of a CO2 original meet the copies
            of one CH4 original; otherwise each frame has a place of its own.
    """

    same: Callable[[Frame], Hashable]
    whole_originals: bool = False


_SAME_COPY = Round(lambda frame: frame.moment)
_SAME_ORIGINAL = Round(lambda frame: frame.moment if frame.is_still else frame.original_id)

STRATEGIES: dict[str, tuple[Round, ...]] = {
    "random": (Round(lambda frame: None),),
    "original_based": (_SAME_COPY, _SAME_ORIGINAL),
    "augmentation_matched": (_SAME_COPY, Round(lambda frame: frame.augmentation_id, whole_originals=True)),
}
"""What is matched, always within one pH and class:

random: any CO2 frame with any CH4 frame.
original_based: frames of one original alone; those with the same augmentation first, the others in a random order.
    For data whose two gases were filmed together and share their ids. Stills of films are never pairs of other times.
augmentation_matched: frames with the same augmentation alone; those of one original first, then of any two, and the
    same two for all their augmentations as far as both have them. So both frames of a pair have one geometry. An empty
    augmentation_id counts as one more augmentation: the frame as it was filmed.
"""


def pair_frames(frames: Iterable[Frame], strategy: str = "random", seed: int = 42) -> list[Sample]:
    """Make samples of a split's frames; each frame is in exactly one.

    Of each kind that the strategy matches, as many pairs are made as the rarer gas allows; which frames of the other
    gas stay alone is random. Random choices come from the seed and from the frames' paths and originals, never from
    the order of `frames`.

    Args:
        frames: each path once.
        strategy: a key of STRATEGIES.
        seed: another seed, other pairs.

    Returns:
        Pairs and, of the frames that are left, single-gas samples; by class, pH, pairs first, path.

    Raises:
        RequestError: no such strategy, or `augmentation_matched` for frames without a single augmentation id.
    """
    frames = list(frames)
    _check(frames, strategy)
    left = {gas: [frame for frame in frames if frame.gas == gas] for gas in GASES}
    samples = []
    for matching in STRATEGIES[strategy]:
        pairs, left = _match(left, matching, seed)
        samples += [_sample(pair) for pair in pairs]
    samples += [_sample({gas: frame}) for gas in GASES for frame in left[gas]]
    return sorted(samples, key=lambda s: (s.class_id, s.ph_value, not s.is_paired, s.sample_id))


def count_samples(samples: Iterable[Sample]) -> list[dict[str, object]]:
    """Samples by class and pH.

    Returns:
        One row for each class and pH that occur: "class_name", "ph_value" and the counts of KINDS.
    """
    counts: dict[tuple[int, float], Counter] = defaultdict(Counter)
    for sample in samples:
        kind = "paired" if sample.is_paired else f"{next(iter(sample.frames))}_only"
        counts[sample.class_id, sample.ph_value].update([kind, "total"])
    return [
        {"class_name": STATES[class_id], "ph_value": ph_value} | {kind: counted[kind] for kind in KINDS}
        for (class_id, ph_value), counted in sorted(counts.items())
    ]


def _check(frames: list[Frame], strategy: str) -> None:
    if strategy not in STRATEGIES:
        raise RequestError(f"no strategy {strategy!r}", where="--strategy", expected=", ".join(STRATEGIES))
    if strategy == "augmentation_matched" and frames and not any(frame.augmentation_id for frame in frames):
        raise RequestError(
            "no frame has an augmentation_id, so there is nothing to match them by",
            where="--strategy augmentation_matched",
            todo="take --strategy random or original_based",
        )


def _match(
    left: dict[str, list[Frame]], matching: Round, seed: int
) -> tuple[list[dict[str, Frame]], dict[str, list[Frame]]]:
    """(pairs {gas: frame}, frames by gas that are left)."""
    boxes: dict[Hashable, dict[str, list[Frame]]] = defaultdict(lambda: {gas: [] for gas in GASES})
    for gas in GASES:
        for frame in sorted(left[gas], key=lambda frame: _place(frame, matching, seed)):
            boxes[frame.ph_value, frame.class_id, matching.same(frame)][gas].append(frame)
    pairs, rest = [], {gas: [] for gas in GASES}
    for box in boxes.values():
        count = min(len(found) for found in box.values())
        pairs += [dict(zip(GASES, two, strict=True)) for two in zip(*(box[gas][:count] for gas in GASES), strict=True)]
        for gas in GASES:
            rest[gas] += box[gas][count:]
    return pairs, rest


def _place(frame: Frame, matching: Round, seed: int) -> tuple[bytes, ...]:
    """Sorting by this shuffles, with the same result for the same frames in any order."""
    place = _random(seed, frame.gas, frame.frame_path)
    return (_random(seed, frame.gas, frame.original_id), place) if matching.whole_originals else (place,)


def _random(seed: int, gas: str, key: str) -> bytes:
    return hashlib.sha256(f"{seed}:{gas}:{key}".encode()).digest()


def _sample(frames: dict[str, Frame]) -> Sample:
    one = next(iter(frames.values()))
    gases = {gas: GasFrame(frame.frame_path, frame.mask_path, frame.original_id) for gas, frame in frames.items()}
    return Sample(**dict.fromkeys(GASES) | gases, ph_value=one.ph_value, class_id=one.class_id)
