"""Section of a comparison: the samples whose state one run has right and the other wrong."""

from pathlib import Path

import numpy as np

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.detect.answering import Network, open_network
from kerasfusion.fume.report.mistakes import PICTURE_WIDTH, SHOWN, lines_of
from kerasfusion.fume.report.strips import answered_rows, data_root, draw_strip, why_not_drawn
from kerasfusion.fume.report.two_runs.pair import Pair
from kerasfusion.fume.report.words import counted
from kerasfusion.progress import track
from kerasfusion.report_page.blocks import Block, Note, Paragraph, Picture, Pictures, Section, Table


def disagreements_section(pair: Pair, data: Path | None) -> Section | None:
    """Samples as they are that only one has right, the surest mistakes first; None if there are no states to compare.

    Args:
        pair: the two runs.
        data: where the frames are now; None is where they were evaluated.
    """
    if "" not in pair.shared or any(answers.states is None for answers in pair.answers):
        return None
    found = [_only_right(pair, mine) for mine in (0, 1)]
    shown = [row for rows in found for row in _first_of_originals(pair, rows)]
    root = data_root(pair.runs[0], data)
    strips, why_not = _strips(pair, shown, root) if shown else ({}, None)
    blocks: list[Block] = []
    for mine, rows in enumerate(found):
        blocks.append(_block(pair, mine, rows, strips))
    if why_not:
        blocks.append(Note(f"No pictures: {why_not}.", None, "missing"))
    return Section("States that only one has right", blocks)


def _only_right(pair: Pair, mine: int) -> list[int]:
    """Places among the shared samples that one has right and the other wrong, the other's surest mistakes first."""
    right = [
        answers.predicted[rows] == answers.labels[rows]
        for answers, rows in zip(pair.answers, pair.shared[""], strict=True)
    ]
    places = np.flatnonzero(right[mine] & ~right[1 - mine])
    loser = pair.answers[1 - mine].states[pair.shared[""][1 - mine][places]].max(axis=-1)
    return [int(place) for place in places[np.argsort(-loser, kind="stable")]]


def _first_of_originals(pair: Pair, places: list[int]) -> list[int]:
    first: dict[str, int] = {}
    for place in places:
        first.setdefault(pair.answers[0].asked[pair.shared[""][0][place]].sample.group, place)
    return list(first.values())[:SHOWN]


def _strips(pair: Pair, places: list[int], root: Path) -> tuple[dict[int, bytes], str | None]:
    samples = {place: pair.answers[0].asked[pair.shared[""][0][place]].sample for place in places}
    for run in pair.runs:
        if why_not := why_not_drawn(run, list(samples.values()), root):
            return {}, f"{run.name}: {why_not}"
    first, second = (open_network(run.folder / run.record["model"]) for run in pair.runs)
    return {place: _drawn(first, second, samples[place], root) for place in track(places, "draw samples")}, None


def _drawn(first: Network, second: Network, sample, root: Path) -> bytes:
    return draw_strip(answered_rows(first, sample, root), answered_rows(second, sample, root))


def _block(pair: Pair, mine: int, places: list[int], strips: dict[int, bytes]) -> Block:
    name, loser = pair.names[mine], pair.names[1 - mine]
    if not places:
        return Paragraph(f"There is no sample whose state {name} has right and {loser} wrong.")
    shown = _first_of_originals(pair, places)
    count = counted(len(places), "sample")
    about = f"{name} right, {loser} wrong: {count}; those that {loser} was surest of, one of each original."
    if not strips:
        rows = [{"sample": _lines(pair, place)[0], "state": _title(pair, place)} for place in shown]
        return Table(rows, about)
    pictures = [Picture(strips[place], _title(pair, place), _lines(pair, place)) for place in shown]
    a, b = pair.names
    seen = (
        f" A row a gas, CO2 first; from left to right the frame, the true mask, and the answers of {a} and of {b} over "
        "the frame; a purple outline is the true gas."
    )
    return Pictures(pictures, about + seen, PICTURE_WIDTH)


def _title(pair: Pair, place: int) -> str:
    (a, b), (rows_a, rows_b) = pair.answers, pair.shared[""]
    said = [STATES[int(answers.predicted[rows[place]])] for answers, rows in ((a, rows_a), (b, rows_b))]
    truth = STATES[a.asked[rows_a[place]].sample.class_id]
    return f"{truth}: {pair.names[0]} said {said[0]}, {pair.names[1]} {said[1]}"


def _lines(pair: Pair, place: int) -> list[str]:
    both = [lines_of(answers, rows[place]) for answers, rows in zip(pair.answers, pair.shared[""], strict=True)]
    known = next((n for n, line in enumerate(both[0]) if line.startswith(STATES[0])), len(both[0]))
    own = (f"{name}: {'; '.join(lines[known:])}" for name, lines in zip(pair.names, both, strict=True))
    return [*both[0][:known], *own]
