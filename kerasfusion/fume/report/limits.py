"""What a run's numbers do not say, found in the run itself: nothing is listed that is not so here."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kerasfusion.files.digests import file_sha256
from kerasfusion.fume.config import MODEL
from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.evaluate.split import Answers
from kerasfusion.fume.evaluate.state_figures import CHANCE
from kerasfusion.fume.report.run import Run
from kerasfusion.fume.report.words import counted
from kerasfusion.metrics.reliability import reliability
from kerasfusion.report_page.blocks import Points, Section

FEW_ORIGINALS = 30
"""Of a state: below it a few of them decide."""

RARE = 0.1
"""Prevalence of a state below which accuracy hides it."""

BADLY_CALIBRATED = 0.1
"""Expected calibration error."""

_GENERATED = re.compile(r"ph\d\d_\d{4}")
"""How `data synth fume` names its originals."""


def limits_section(run: Run) -> Section | None:
    """What must be known before the numbers are used; None if nothing was found."""
    found = limits(run)
    return Section("What these numbers do not say", [Points(found)]) if found else None


def limits(run: Run) -> list[str]:
    """Sentences, the weightiest first."""
    if run.split is None:
        return list(_training(run))
    found = [*_data(run), *_sizes(run), *_answers(run), *_files(run), *_training(run)]
    return list(dict.fromkeys(found))


def leak_lines(run: Run) -> list[str] | None:
    """What splits share, in words; empty if nothing, None if it was not measured."""
    leak = run.record.get("leak")
    return None if leak is None else leak["lines"]


def same_model(run: Run) -> bool:
    """Whether the file that was evaluated lies in the run folder as it was."""
    path = run.folder / run.record.get("model", MODEL)
    return path.is_file() and file_sha256(path) == run.record.get("model_sha256")


def _data(run: Run) -> Iterator[str]:
    answers = run.main_answers
    if answers is not None:
        groups = [asked.sample.group for asked in answers.asked]
        if all(_GENERATED.fullmatch(group) for group in groups):
            yield (
                f"The frames are generated ones by their names (such as {groups[0]}, as `kerasfusion data synth "
                "fume` names them): this shows that the path works, not what the network is worth on a real rumen."
            )
        if any(asked.sample.group == asked.sample.sample_id for asked in answers.asked):
            yield (
                "The annotations do not say which originals the frames are copies of: every frame counts as one of its "
                "own, so the intervals are too narrow if there are copies."
            )
    for line in leak_lines(run) or []:
        if f"/{run.split}: " in line:
            yield f"Splits share originals, so the results are too good. {line}."
    for split, measured in run.record.get("dependence", {}).items():
        if measured["tells"]:
            yield f"In {split}, {measured['line']}. A network can learn that instead of looking at the frames."
    if run.split != "test":
        yield f"The numbers are of the split {run.split}, which the training has seen or chosen its epoch by."
    if run.record.get("max_samples"):
        yield f"Only {counted(run.record['samples'], 'sample')} of the split were asked about (--max-samples)."
    if run.record.get("flips"):
        yield "The answers are means over the frames and their mirrored copies: predict needs --flips for the like."
    if run.record.get("gases", "both") != "both":
        yield f"Only {run.record['gases'].upper()} frames were asked about (data.gases)."


def _sizes(run: Run) -> Iterator[str]:
    state, answers = run.main.get("state"), run.main_answers
    if state is None:
        return
    counts = np.sum(state["confusion_matrix"], axis=1)
    for name, count in zip(STATES, counts, strict=True):
        if count == 0:
            yield f"No {run.split} sample is {name}: nothing is known of that state."
        elif count / counts.sum() < RARE:
            yield f"{name} is rare: {count} of {counts.sum()} samples ({count / counts.sum():.1%})."
    if answers is not None:
        few = {name: n for name, n in _originals(answers).items() if 0 < n < FEW_ORIGINALS}
        if few:
            shown = ", ".join(f"{name} {n}" for name, n in few.items())
            yield f"Few originals stand behind the states ({shown}): a few recordings decide, and intervals are wide."


def _answers(run: Run) -> Iterator[str]:
    state, answers = run.main.get("state"), run.main_answers
    if state is None:
        return
    interval = state.get("balanced_accuracy_ci95")
    if interval and interval[0] == interval[1]:
        yield "The interval of balanced accuracy has no width: every resample gives the same value, so it says nothing."
    elif interval and interval[0] <= CHANCE <= interval[1]:
        yield f"The interval of balanced accuracy includes guessing ({CHANCE:.3f})."
    never = [name for name, said in zip(STATES, np.sum(state["confusion_matrix"], axis=0), strict=True) if said == 0]
    if never:
        yield f"The network never says {' or '.join(never)}."
    if answers is not None and answers.states is not None:
        rows = answers.rows("")
        states, labels = answers.states[rows], answers.labels[rows]
        ece = reliability(states.max(axis=-1), states.argmax(axis=-1) == labels).ece
        if ece > BADLY_CALIBRATED:
            yield f"Its probabilities cannot be taken at their word: on average they are off by {ece:.2f} (ECE)."


def _files(run: Run) -> Iterator[str]:
    if not run.record:
        return
    if not same_model(run):
        yield (
            f"{run.record['model']} in the run folder is not the file that was evaluated, or is gone: the numbers "
            "are of another one."
        )
    trained, asked = run.config.data.dataset_root.resolve(), Path(run.record["data_root"])
    if trained != asked:
        yield f"Trained on {trained}, evaluated on {asked}; what splits share was measured in the latter alone."


def _training(run: Run) -> Iterator[str]:
    if run.best is not None and run.best == len(run.history) == run.config.training.num_epochs:
        yield f"The last epoch ({run.best}) was the best one: longer training may give a better network."


def _originals(answers: Answers) -> dict[str, int]:
    """{state: originals among the samples as they are}."""
    asked = [answers.asked[row].sample for row in answers.rows("")]
    return {
        name: len({sample.group for sample in asked if sample.class_id == number}) for number, name in enumerate(STATES)
    }
