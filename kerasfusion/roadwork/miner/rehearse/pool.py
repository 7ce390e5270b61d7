"""The challenges of a rehearsal: drawn as a validator draws them, each made and asked about once."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import ImageError, read_image
from kerasfusion.roadwork.challenge.kinds import draw_kind
from kerasfusion.roadwork.challenge.making import challenge_jpeg, stream_of
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample
from kerasfusion.roadwork.miner.rehearse.asking import Ask, Reply


@dataclass(frozen=True)
class Challenge:
    """What is to be sent, and the truth.

    Attributes:
        label: 1 = roadwork.
        identity: equal for challenges with the same pixels of photos of the same class.
        jpeg: makes the file.
    """

    label: int
    identity: Hashable
    jpeg: Callable[[], bytes]


@dataclass
class Pool:
    """Challenges as they were drawn, with the replies to them.

    Attributes:
        labels: 1 = roadwork.
        replies: to each; the same one where the same challenge was drawn again.
        asked: the reply to each different challenge.
    """

    labels: list[int] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    asked: dict[Hashable, Reply] = field(default_factory=dict)

    def add(self, challenge: Challenge, ask: Ask) -> None:
        """Take a challenge in, and ask about it unless that was done before."""
        if challenge.identity not in self.asked:
            self.asked[challenge.identity] = ask(challenge.jpeg())
        self.labels.append(challenge.label)
        self.replies.append(self.asked[challenge.identity])


class Drawing:
    """Draws challenges, as many of each class: a random photo of it, distorted at random.

    A photo that is drawn again gives another challenge, the same on every machine: its stream is that of its digest and
    of how often it was drawn. Where nothing is random about them, the same one comes again.

    Args:
        samples: photos of both classes.
        layout: a name of LAYOUTS, or "mix".
        seed: of the draws of photos.
        report: is told of photos that cannot be read; others are drawn in their place.
    """

    def __init__(self, samples: Sequence[Sample], layout: str, seed: int, report: Callable[[str], None]):
        self._of_class = [[each for each in samples if each.label == label] for label in range(len(CLASS_NAMES))]
        self._layout, self._report, self._rng = layout, report, np.random.default_rng(seed)
        self._digests: dict[Sample, str] = {}
        self._times: dict[str, int] = {}

    def draw(self, count: int) -> Iterator[Challenge]:
        """Challenges of the two classes in turn.

        Raises:
            RequestError: no photo of a class can be read.
        """
        for number in range(count):
            label = number % len(CLASS_NAMES)
            sample = self._draw_photo(label)
            digest = self._digests[sample]
            times = self._times[digest] = self._times.get(digest, -1) + 1
            kind = draw_kind(self._layout, "mix", stream_of(digest, times))
            # Nothing is drawn for level 0: every photo gives one challenge of it.
            identity = (label, digest, kind, times if kind.level else None)
            yield Challenge(label, identity, lambda at=(sample, digest, times): self._make(*at))

    def _make(self, sample: Sample, digest: str, times: int) -> bytes:
        stream = stream_of(digest, times)
        kind = draw_kind(self._layout, "mix", stream)
        return challenge_jpeg(read_image(sample.path)[0], kind, stream)

    def _draw_photo(self, label: int) -> Sample:
        """A random photo of a class; those that cannot be read leave the list."""
        photos = self._of_class[label]
        while photos:
            place = int(self._rng.integers(len(photos)))
            sample = photos[place]
            try:
                if sample not in self._digests:
                    self._digests[sample] = read_image(sample.path)[1]
            except ImageError as error:
                self._report(f"unreadable, left out: {sample.sample_id}: {error.what}")
                del photos[place]
            else:
                return sample
        raise RequestError(
            f"no photo of the class {CLASS_NAMES[label]} can be read",
            todo="kerasfusion data check FOLDER says why",
        )
