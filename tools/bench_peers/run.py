"""The whole comparison: which measurements are made, in which order."""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench_peers import answering, cascade, exports, material, training
from bench_peers.answering import KERAS, PEER
from bench_peers.processes import ProcessFailed, Worker, run
from bench_peers.rows import Asked, Row

GROUPS = ("answer", "cascade", "start", "memory", "precompute", "fit", "help")
GFLOP_A_PHOTO = 36.5
"""ViT-B/16 35.2, EfficientNetV2-B0 and yolo11n-cls the rest; a multiplication and an addition count as two."""
PHOTOS_TO_CHOOSE = 8
"""Answered where the fastest export must be found but answers are not among the rows."""


class Comparison:
    """Measures what is asked for.

    Args:
        work: folder for everything that is generated; what is there already is used.
        photos: how many, at most.
        repeats: of process starts.
        threads: of torch in the peer; 0 leaves what the libraries set.
        report: takes a line for the person who waits.
    """

    def __init__(self, work: Path, photos: int, repeats: int, threads: int, report: Callable[[str], None]):
        self.material = material.Material(work)
        self.photos, self.repeats, self.threads = photos, repeats, threads
        begin = time.monotonic()
        self.report = lambda line: report(f"[{time.monotonic() - begin:4.0f} s] {line}")

    def measure(self, groups: Sequence[str]) -> list[Row]:
        """The rows of these GROUPS.

        Raises:
            ProcessFailed: a side could not do its work.
        """
        rows = []
        if set(groups) - {"help"}:
            material.draw(self.material, self.photos, self.report)
        if "precompute" in groups:
            rows += self.precompute_rows()
        answering_groups = set(groups) & {"answer", "start", "memory"}
        if answering_groups or "cascade" in groups:
            material.fit_once(self.material, self.report)
        if "cascade" in groups:
            rows = self.cascade_rows() + rows
        if answering_groups:
            rows = self.answering_rows(groups) + rows
        if "fit" in groups:
            rows += self.fit_rows()
        if "help" in groups:
            rows.append(self.help_row())
        return rows

    def answering_rows(self, groups: Sequence[str]) -> list[Row]:
        """Answers, starts, memory, floor."""
        files = {KERAS: str(self.material.fusion), **exports.make_exports(self.material, self.report)}
        sides = {PEER: self._peer} | {side: self._ours(file) for side, file in files.items()}
        photos = self.material.photos("test")[: None if "answer" in groups else PHOTOS_TO_CHOOSE]
        self.report(f"answering {len(photos)} photos: {', '.join(sides)}")
        answers = answering.ask_in_turn(sides, photos)
        fastest, missing, rows = answers.fastest_export(), exports.why_missing(), []
        if "answer" in groups:
            for stage, seconds in answers.stages.items():
                self.report(f"  of the peer's time: {stage} {1000 * np.median(seconds):.0f} ms")
            rows += answering.answer_rows(answers, missing) + self.floor_rows()
        if "start" in groups:
            self.report(f"starting processes, {self.repeats} times each")
            sides = {side: start for side, start in sides.items() if side in (PEER, KERAS, fastest)}
            starts = answering.time_starts(sides, photos[0], self.repeats)
            rows += answering.start_rows(starts, fastest, missing)
        if "memory" in groups:
            rows += answering.memory_rows(answers.memory, fastest, missing)
        return rows

    def cascade_rows(self) -> list[Row]:
        """A cascade that skips the ViT for most photos."""
        photos = cascade.photos_of(self.material.photos("test"))
        files = cascade.make_files(self.material, photos, self.report)
        sides = {PEER: self._peer} | {side: self._ours(file) for side, file in files.items()}
        self.report(f"answering {len(photos)} photos as a cascade: {', '.join(sides)}")
        return cascade.cascade_rows(answering.ask_in_turn(sides, photos), exports.why_missing())

    def precompute_rows(self) -> list[Row]:
        """Precompute in both precisions; the float32 cache is kept for `fit`."""
        rows = []
        with self._peer(parts=False) as peer:
            for precision, asked in training.PRECOMPUTE_ASKED.items():
                self.report(f"precompute, {precision}")
                folder = self.material.work / f"cache-{precision}"
                found, note = self._attempt(training.time_precompute, self.material, peer, precision, folder)
                ours, theirs = found or (None, None)
                rows.append(Row("precompute", precision, "photos/s", ours, theirs, asked, note=note))
                if found and precision == "float32":
                    shutil.rmtree(self.material.cache, ignore_errors=True)
                    folder.rename(self.material.cache)
        return rows

    def fit_rows(self) -> list[Row]:
        """A later epoch of fit, with light augmentation, without, and with views."""
        rows, photos = [], material.prepare_fit(self.material, self.report)
        with self._worker("peer_training") as peer:
            for form, asked in training.FIT_ASKED.items():
                self.report(f"fit, {form}")
                found, failure = self._attempt(training.time_fit, photos, peer, form, self.report)
                ours, theirs = found or (None, {})
                for way, note in training.PEER_WAYS[form].items():
                    what = "fit, second epoch on, frozen backbone"
                    rows.append(Row(what, form, "photos/s", ours, theirs.get(way), asked, note=failure or note))
        return rows

    def _attempt(self, measure: Callable, *arguments) -> tuple:
        """What `measure` gives and "", or None and why it cannot, so that the other measurements are not lost."""
        try:
            return measure(*arguments), ""
        except ProcessFailed as error:
            self.report(str(error))
            lines = [line.strip() for line in str(error).splitlines()]
            return None, next((line for line in lines if line.startswith("error:")), lines[0])

    def help_row(self) -> Row:
        """Time of `kerasfusion --help`."""
        seconds = []
        for _ in range(5):
            begin = time.perf_counter()
            run(["-m", "kerasfusion", "--help"], self.material.work, "help")
            seconds.append(time.perf_counter() - begin)
        return Row("kerasfusion --help", "", "s", float(np.median(seconds)), None, Asked("value", 0.3))

    def floor_rows(self) -> list[Row]:
        """How fast the machine multiplies matrices, and how long a photo would take at that rate."""
        rows = []
        for precision in ("float32", "bfloat16"):
            rate, note = None, ""
            try:
                rate = float(run(["-m", "bench_peers.matrix_rate", precision], self.material.work, "matrix_rate")[-1])
            except ProcessFailed as error:
                note = str(error).splitlines()[0]
            rows.append(Row("matrix rate of the machine", precision, "GFLOP/s", rate, note=note))
            floor = rate and 1000 * GFLOP_A_PHOTO / rate
            note = note or f"{GFLOP_A_PHOTO} GFLOP a photo at that rate"
            rows.append(Row("floor of an answer", precision, "ms", floor, note=note))
        return rows

    def _peer(self, parts: bool = True) -> Worker:
        options = ["--threads", str(self.threads)] + (["--parts", str(self.material.parts)] if parts else [])
        return self._worker("peer", str(self.material.work), *options)

    def _ours(self, file: str) -> Callable[[], Worker]:
        return lambda: self._worker("ours", file)

    def _worker(self, module: str, *arguments: str) -> Worker:
        return Worker(["-m", f"bench_peers.{module}", *arguments], self.material.work, module)
