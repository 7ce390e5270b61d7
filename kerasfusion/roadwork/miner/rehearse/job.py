"""One rehearsal: draw challenges, have each answered once, and pay many rehearsals drawn from these answers."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from kerasfusion.errors import RequestError, require
from kerasfusion.figure_style import save_png
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.run_folder import require_folder
from kerasfusion.machine.probe import duration
from kerasfusion.progress import track
from kerasfusion.roadwork.data.dataset import CLASS_NAMES, Sample, listing_sha256, scan
from kerasfusion.roadwork.detect.latency import VALIDATOR_TIMEOUT_MS
from kerasfusion.roadwork.evaluate.rehearsal import NAME, Earned, Rehearsal, Waited, keep_rehearsal
from kerasfusion.roadwork.evaluate.rehearsal_figure import reward_in_turn
from kerasfusion.roadwork.evaluate.split import BASELINE, MAIN
from kerasfusion.roadwork.miner.check.service_latency import ABSENT
from kerasfusion.roadwork.miner.rehearse.asking import Reply
from kerasfusion.roadwork.miner.rehearse.pool import Challenge, Drawing, Pool
from kerasfusion.roadwork.miner.rehearse.repeats import between, draw_repeats, earn, given
from kerasfusion.roadwork.miner.rehearse.source import Source, open_source, refuse_other_model
from kerasfusion.roadwork.scoring.window import FIRST, FULL

TRIED = 3
"""Challenges that are timed before the others, to say how long all of them will take."""

FIGURE = "rehearsal.png"


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        data: a folder with no_roadwork/ and roadwork/, or a data set, of which test/ is taken.
        model: `fusion.keras` or an export of it; None with a miner.env, and where a service's file is not known.
        service_url: a running service that answers.
        env: a miner.env, for what it starts.
        layout: of the challenges, a name of LAYOUTS, or "mix".
        challenges: how many are made, and answers of a repeat; at least 100.
        repeats: rehearsals that are drawn from them, at least 2.
        seed: of the draws.
        device: "auto", "cpu" or "gpu".
        out: folder for rehearsal.json and figures/; None is the model's run folder, if it lies in one.
    """

    data: Path
    model: Path | None = None
    service_url: str | None = None
    env: Path | None = None
    layout: str = "mix"
    challenges: int = 1000
    repeats: int = 20
    seed: int = 42
    device: str = "auto"
    out: Path | None = None


def rehearse(
    request: Request,
    report: Callable[[str], None] = print,
    before_opening: Callable[[Path], None] = lambda path: None,
) -> Rehearsal:
    """Rehearse, and keep what came of it.

    Args:
        request: what is asked for.
        report: takes a line for the person who waits; the cost among them, before the challenges are asked.
        before_opening: is called with the model's file before TensorFlow is loaded.

    Raises:
        RequestError: no photos of both classes, or none that can be read, or nothing that could answer.
        KerasFusionError: nothing listens at the service's address.
    """
    folder = request.out or _run_folder(request.model)
    if folder is not None:
        require_folder(folder)
        require("matplotlib.figure", extra="train")  # rather than after all the asking
    samples = choose_photos(request.data)
    deadline_s = VALIDATOR_TIMEOUT_MS / 1000
    source = open_source(request.model, request.service_url, request.env, request.device, deadline_s, before_opening)
    challenges = Drawing(samples, request.layout, request.seed, report).draw(request.challenges)
    pool = _ask_all(challenges, source, request, report)
    found = _describe(request, source, samples, pool, deadline_s)
    if folder is None:
        report("not kept: --out FOLDER keeps the figure and the numbers")
    else:
        keep_rehearsal(folder, found)
        save_png(reward_in_turn(found), folder / "figures" / FIGURE)
        report(f"kept in {folder / NAME} and {folder / 'figures' / FIGURE}")
    return found


def choose_photos(folder: Path) -> list[Sample]:
    """The photos of both classes in a folder; of a data set, those of its test/.

    Raises:
        RequestError: no such folder, no photo in it, or all of one class.
    """
    folder = folder.resolve()
    if not any((folder / name).is_dir() for name in CLASS_NAMES) and (folder / "test").is_dir():
        folder = folder / "test"
    if not any((folder / name).is_dir() for name in CLASS_NAMES):
        raise RequestError(
            "there are no photos to make challenges of",
            where=folder,
            expected="a folder with no_roadwork/ and roadwork/, such as data/roadwork/test",
            todo="name it with --data",
        )
    samples = scan(folder.parent, (folder.name,))
    missing = [name for label, name in enumerate(CLASS_NAMES) if all(sample.label != label for sample in samples)]
    if missing:
        raise RequestError(
            f"there is no photo of the class {missing[0]}",
            where=folder,
            expected="photos of both classes: a validator draws them half and half",
        )
    return samples


def _ask_all(challenges: Iterator[Challenge], source: Source, request: Request, report: Callable[[str], None]) -> Pool:
    """Every challenge's reply, and the cost said after a few."""
    pool, first = Pool(), next(challenges)
    _refuse_absence(source.ask(first.jpeg()))  # also warms up: not counted
    begin = time.perf_counter()
    pool.add(first, source.ask)
    for challenge in islice(challenges, TRIED - 1):
        pool.add(challenge, source.ask)
    _refuse_other_model(request, source, pool)
    each = (time.perf_counter() - begin) / TRIED
    report(
        f"{request.challenges} challenges, made and asked one after the other, {1000 * each:.0f} ms each by the first "
        f"{TRIED}: about {duration(request.challenges * each)}; {request.repeats} repeats are drawn from their answers"
    )
    for challenge in track(challenges, "rehearse", total=request.challenges, done=TRIED):
        pool.add(challenge, source.ask)
    _refuse_other_model(request, source, pool)
    return pool


def _refuse_other_model(request: Request, source: Source, pool: Pool) -> None:
    """Stop if a service is known to answer with another file than the one that was named."""
    answered = next((reply for reply in pool.replies if reply.lost is None), None)
    if request.model is not None and source.is_service and answered is not None:
        refuse_other_model(request.model, answered.model_sha256, source.name)


def _refuse_absence(reply: Reply) -> None:
    """Stop if there is no service at all; one that answers badly is rehearsed as it is."""
    if reply.lost == ABSENT:
        raise reply.error


def _describe(request: Request, source: Source, samples: Sequence[Sample], pool: Pool, deadline_s: float) -> Rehearsal:
    drawn = draw_repeats(pool.labels, request.challenges, request.repeats, request.seed)
    answers = [reply.p for reply in pool.replies]
    outputs: dict[str, Earned] = {}
    means: dict[str, np.ndarray] = {}
    for name in (MAIN, BASELINE):
        # A cascade behind a service gives the ViT's answers only where it asked the ViT: not the easy ones.
        if name == MAIN or (any(answers) and all(name in each for each in answers if each)):
            outputs[name], means[name] = earn(pool.labels, given(answers, name), drawn)
    gains = means[MAIN] - means[BASELINE] if BASELINE in means else None
    stages = [reply.stage for reply in pool.asked.values() if reply.stage is not None]
    lost = [reply.lost for reply in pool.asked.values() if reply.lost is not None]
    in_time = [1000 * reply.seconds for reply in pool.asked.values() if reply.lost is None]
    labels = [sample.label for sample in samples]
    return Rehearsal(
        source=source.name,
        model_sha256=source.model_sha256 or _digest(request, pool),
        data=str(request.data),
        photos={name: labels.count(label) for label, name in enumerate(CLASS_NAMES)},
        listing_sha256=listing_sha256(samples),
        layout=request.layout,
        challenges=request.challenges,
        asked=len(pool.asked),
        repeats=request.repeats,
        seed=request.seed,
        deadline_s=deadline_s,
        outputs=outputs,
        gain=None if gains is None else float(gains.mean()),
        gain_over_repeats=None if gains is None else between(gains),
        waited=Waited(*(float(ms) for ms in np.percentile(in_time, [50, 95]))) if in_time else None,
        lost={why: lost.count(why) for why in dict.fromkeys(lost)},
        stages={stage: stages.count(stage) for stage in (FIRST, FULL) if stage in stages},
    )


def _digest(request: Request, pool: Pool) -> str | None:
    """Of the file that a service answers with, as its answers say: of the named one, if that is it."""
    said = next((reply.model_sha256 for reply in pool.replies if reply.model_sha256), None)
    return file_sha256(request.model) if said and request.model else said


def _run_folder(model: Path | None) -> Path | None:
    folder = None if model is None else model.parent
    return folder if folder and (folder / "config.yaml").is_file() and os.access(folder, os.W_OK) else None
