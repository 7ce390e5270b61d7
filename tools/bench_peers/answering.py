"""One photo at a time: how long an answer takes, how long until the first one, and how much memory it needs."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench_peers.processes import Worker
from bench_peers.rows import Asked, Row

PEER, KERAS = "peer", ".keras float32"
WARMUP = 3
PAUSE = 0.1
"""Seconds between turns, in which the threads of the side that has answered stop waiting actively for more work."""
MAX_DIFFERENCE = 0.01
"""Of P(roadwork), from the float32 `.keras`; an export that differs more does not count."""


@dataclass(frozen=True)
class Answers:
    """What the sides said of N photos.

    Attributes:
        p: {side: (N,) P(roadwork)}.
        seconds: {side: (N,)}.
        memory: {side: peak in MB, after the last photo}.
        stages: {stage of the peer: (N,) seconds}.
        skipped: {side of ours: (N,) bool, whether a cascade's first stage gave the answer}.
    """

    p: dict[str, np.ndarray]
    seconds: dict[str, np.ndarray]
    memory: dict[str, float]
    stages: dict[str, np.ndarray]
    skipped: dict[str, np.ndarray] = field(default_factory=dict)

    def difference(self, side: str, other: str) -> float:
        """Largest difference of P(roadwork) between two sides."""
        return float(np.abs(self.p[side] - self.p[other]).max())

    def same_decisions(self, side: str, other: str) -> int:
        """For how many photos two sides decide alike."""
        return int(((self.p[side] > 0.5) == (self.p[other] > 0.5)).sum())

    def p50_ms(self, side: str) -> float:
        """Median time of an answer."""
        return 1000 * float(np.median(self.seconds[side]))

    def exports(self) -> list[str]:
        """The sides that are exports."""
        return [side for side in self.p if side not in (PEER, KERAS)]

    def fastest_export(self) -> str | None:
        """The quickest side of those whose answers are near enough to the `.keras` file's; None if there is none."""
        near = [side for side in self.exports() if self.difference(side, KERAS) <= MAX_DIFFERENCE]
        return min(near, key=self.p50_ms, default=None)


Start = Callable[[], Worker]


def ask_in_turn(sides: Mapping[str, Start], photos: Sequence[Path]) -> Answers:
    """Let every side answer every photo, one side after the other, each in a process that waits meanwhile."""
    with ExitStack() as stack:
        workers = {side: stack.enter_context(start()) for side, start in sides.items()}
        for worker in workers.values():
            for photo in photos[:WARMUP]:
                worker.ask("answer", photo=str(photo))
        replies = {side: [] for side in workers}
        for photo in photos:
            for side, worker in workers.items():
                time.sleep(PAUSE)
                replies[side].append(worker.ask("answer", photo=str(photo)))
        memory = {side: worker.ask("memory") for side, worker in workers.items()}
    stages = {
        stage: np.array([reply["stages"][stage] for reply in replies[PEER]]) for stage in replies[PEER][0]["stages"]
    }
    p, seconds = (
        {side: np.array([r[key] for r in rows]) for side, rows in replies.items()} for key in ("p", "seconds")
    )
    skipped = {side: np.array([r.get("stage") == "first" for r in rows]) for side, rows in replies.items()}
    return Answers(p, seconds, memory, stages, skipped)


def time_starts(sides: Mapping[str, Start], photo: Path, repeats: int) -> dict[str, float]:
    """{side: seconds from the start of its process to its first answer}, the median of alternating repeats."""
    seconds = {side: [] for side in sides}
    for _ in range(repeats):
        for side, start in sides.items():
            begin = time.perf_counter()
            with start() as worker:
                worker.ask("answer", photo=str(photo))
                seconds[side].append(time.perf_counter() - begin)
    return {side: float(np.median(values)) for side, values in seconds.items()}


def answer_rows(answers: Answers, missing: str) -> list[Row]:
    """Time of an answer, for the `.keras` file and each export; what is asked of exports is asked of the fastest.

    Args:
        answers: of all sides.
        missing: why there is no export, where there is none.
    """
    count, same = len(answers.p[PEER]), answers.same_decisions(KERAS, PEER)
    low, high = np.percentile(answers.p[PEER], [10, 90])
    note = (
        f"{same} of {count} decisions identical, max |dp| {answers.difference(KERAS, PEER):.1e}; "
        f"P(roadwork) {low:.2f}..{high:.2f} (10th, 90th percentile)"
    )
    what, peer = "photo -> P(roadwork), p50", answers.p50_ms(PEER)
    rows = [Row(what, KERAS, "ms", answers.p50_ms(KERAS), peer, Asked("times", 2.2), same == count, note)]
    fastest = answers.fastest_export()
    for side in answers.exports():
        difference, same = answers.difference(side, KERAS), answers.same_decisions(side, PEER)
        note = f"max |dp| {difference:.1e} from .keras; {same} of {count} decisions as the peer's"
        form, bound = (f"{side} (fastest)", 4) if side == fastest else (side, None)
        rows.append(Row(what, form, "ms", answers.p50_ms(side), peer, Asked("times", bound), note=note))
    if fastest is None:
        rows.append(Row(what, "fastest export", "ms", None, peer, Asked("times", 4), note=missing))
    return rows


def start_rows(seconds: Mapping[str, float], fastest: str | None, missing: str) -> list[Row]:
    """Time from the start of a process to its first answer; arguments as for `memory_rows`."""
    bounds = Asked("times", 1), Asked("times", 2.5)
    return _two_rows("process start to first answer", "s", seconds, bounds, fastest, missing)


def memory_rows(megabytes: Mapping[str, float], fastest: str | None, missing: str) -> list[Row]:
    """Peak memory of a process that answers.

    Args:
        megabytes: {side: value}.
        fastest: the export that is compared, None where there is none,
        missing: and why.
    """
    bounds = Asked("share", 0.75), Asked("share", 0.5)
    return _two_rows("peak memory of the detector", "MB", megabytes, bounds, fastest, missing)


def _two_rows(what: str, unit: str, values: Mapping[str, float], bounds, fastest: str | None, missing: str):
    peer, (of_keras, of_export) = values[PEER], bounds
    ours, note = (values[fastest], "") if fastest else (None, missing)
    return [
        Row(what, KERAS, unit, values[KERAS], peer, of_keras),
        Row(what, fastest or "fastest export", unit, ours, peer, of_export, note=note),
    ]
