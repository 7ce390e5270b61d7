"""One challenge to whoever answers for the miner: what comes back, how long it took, or why nothing did."""

import io
import json
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from kerasfusion.errors import RequestError
from kerasfusion.images.decoding import MAX_PIXELS, decode_image
from kerasfusion.roadwork.detect.detector import Detection, Detector
from kerasfusion.roadwork.evaluate.split import BASELINE, MAIN
from kerasfusion.roadwork.miner.check.service_latency import LATE, UnansweredError, request_stage
from kerasfusion.roadwork.miner.plugin.detector_settings import DetectorSettings
from kerasfusion.roadwork.scoring.window import FIRST, FULL

WRONG_TYPE, OUTSIDE = "of a wrong type", "outside 0..1"


@dataclass(frozen=True)
class Reply:
    """What came of a challenge.

    Attributes:
        p: {output: P(roadwork)}, 0..1, of the fusion and, where it is said, the ViT; empty if the answer was lost.
        seconds: from the challenge's bytes to the answer or its loss.
        lost: why the miner has no answer to give; None if it has.
        error: what was lost, for a person; None if nothing was.
        model_sha256: of the file that answered, where a service says it.
        stage: which stage answered, "first" or "full"; None where it is not said.
    """

    p: dict[str, float]
    seconds: float
    lost: str | None = None
    error: Exception | None = None
    model_sha256: str | None = None
    stage: str | None = None


Ask = Callable[[bytes], Reply]


def ask_detector(detector: Detector, deadline_s: float) -> Ask:
    """Asks a model in this process, as the miner's plug-in does.

    Args:
        detector: opened model.
        deadline_s: an answer that takes longer is lost.
    """

    def ask(jpeg: bytes) -> Reply:
        begin = time.perf_counter()
        try:
            with Image.open(io.BytesIO(jpeg)) as image:
                found = detector.detect(image)
        except RequestError as error:  # the model is broken: the detector lets no number out that is no probability
            return Reply({}, time.perf_counter() - begin, OUTSIDE, error)
        seconds = time.perf_counter() - begin
        if seconds > deadline_s:
            return Reply({}, seconds, LATE)
        if found.stage == FIRST:
            found.branches[BASELINE] = _asked_afterwards(detector, jpeg)
        return Reply(_outputs(found), seconds, stage=found.stage)

    return ask


def _asked_afterwards(detector: Detector, jpeg: bytes) -> float:
    """P(roadwork) of the ViT that a cascade did not ask: the fusion is compared with it on all challenges."""
    return float(detector.answer([detector.prepare(decode_image(jpeg, MAX_PIXELS))])[BASELINE][0])


def ask_service(settings: DetectorSettings, deadline_s: float) -> Ask:
    """Asks a running service by the client that the installed detector and `miner check` have.

    Args:
        settings: with a service_url and the timeout.
        deadline_s: when the validator stops to wait, whatever the service sends until then.
    """
    request = request_stage(settings)

    def ask(jpeg: bytes) -> Reply:
        begin = time.perf_counter()
        answer = _within(deadline_s, lambda: request(jpeg))
        seconds = time.perf_counter() - begin
        if answer is None:
            return Reply({}, seconds, LATE)
        if isinstance(answer, UnansweredError):
            return Reply({}, seconds, answer.why, answer)
        return _read(answer, seconds)

    return ask


def _within(seconds: float, work: Callable[[], bytes]) -> bytes | UnansweredError | None:
    """What the work gave, or None if it is not done in time: a service may send a byte now and then forever."""
    done: queue.SimpleQueue[bytes | UnansweredError] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(work())
        except UnansweredError as error:
            done.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return done.get(timeout=seconds)
    except queue.Empty:
        return None


def _read(answer: bytes, seconds: float) -> Reply:
    """The service's JSON as the installed detector reads it: what is no probability, it does not hand on."""
    try:
        said = json.loads(answer)
        p = float(said["p_roadwork"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return Reply({}, seconds, WRONG_TYPE, error)
    if not 0 <= p <= 1:
        return Reply({}, seconds, OUTSIDE, ValueError(f"P(roadwork) {p}"))
    found = {MAIN: p} | _vit(said.get("branches"))
    digest, stage = (said.get(name) for name in ("model_sha256", "stage"))
    return Reply(
        found,
        seconds,
        model_sha256=digest if isinstance(digest, str) else None,
        stage=stage if stage in (FIRST, FULL) else None,
    )


def _vit(branches: Any) -> dict[str, float]:
    p = branches.get(BASELINE) if isinstance(branches, dict) else None
    is_probability = isinstance(p, int | float) and 0 <= p <= 1
    return {BASELINE: float(p)} if is_probability else {}


def _outputs(found: Detection) -> dict[str, float]:
    return {MAIN: found.p_roadwork} | {name: p for name, p in found.branches.items() if name == BASELINE}
