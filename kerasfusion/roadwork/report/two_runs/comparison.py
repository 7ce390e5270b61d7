"""Put the report of two runs side by side together."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.address import Place, place
from kerasfusion.report_page.blocks import Block, Chart, Facts, Note, Paragraph, Section, Table
from kerasfusion.report_page.page import write_page
from kerasfusion.report_page.settings import settings_section
from kerasfusion.roadwork.evaluate.comparison import against_each, full_report, in_words_of_test
from kerasfusion.roadwork.evaluate.predictions import Predictions
from kerasfusion.roadwork.report.page import made_by
from kerasfusion.roadwork.report.photos import MOST, Told, photo_blocks, told
from kerasfusion.roadwork.report.training import damage_of
from kerasfusion.roadwork.report.two_runs.figures import overlaid_curves, overlaid_histories
from kerasfusion.roadwork.report.two_runs.pair import Pair, read_pair
from kerasfusion.roadwork.report.verdict import SHOWN, called, sentence, with_interval
from kerasfusion.roadwork.scoring.reward import clean_answers, decide


def write_comparison(first: Path, second: Path, out: Path | None = None, data: Place | None = None) -> Path:
    """Write the report of two runs.

    Args:
        first, second: the run folders.
        out: the HTML file; None is report-FIRST-SECOND.html in the working folder.
        data: where the photos are now; None is where they were evaluated.

    Returns:
        The file.

    Raises:
        RequestError: one folder twice, nothing to report, or a library is not installed.
        KerasFusionError: a damaged or unwritable file.
    """
    pair = read_pair(first, second)
    a, b = pair.names
    path = out or Path(f"report-{a}-{b}.html")
    compared = _compare(pair)
    sections = [
        Section("Side by side", _values(pair, compared)),
        settings_section(*(run.config for run in pair.runs), *pair.names),
        *_answers(pair, data),
        Section("Training", _training(pair)),
    ]
    write_page(path, f"roadwork: {a} and {b}", _lead(pair, compared), sections, made_by("report", first, second))
    return path


def _compare(pair: Pair) -> dict[str, Any] | None:
    """The second against the first on the shared photos."""
    if pair.kept is None:
        return None
    return against_each(pair.labels, pair.answers, pair.names[1], pair.groups)[pair.names[0]]


def _lead(pair: Pair, compared: dict[str, Any] | None) -> str:
    a, b = pair.names
    if pair.split is None:
        return f"{a} and {b} were not evaluated on the same split: which is better is not known."
    if compared is None:
        return f"{a} and {b} cannot be compared photo by photo; their values stand side by side."
    n = pair.labels.size
    what = called(pair.outputs[0], pair.runs[0]) if pair.outputs[0] == pair.outputs[1] else "the answer"
    drawn = all(run.is_drawn for run in pair.runs)
    asked = f"{n} drawn scenes (not photos)" if drawn else f"{n} photos"
    changed = "".join(
        f"{run.record['model']} of {name} was changed after it was evaluated, so this is about an earlier one. "
        for name, run in zip(pair.names, pair.runs, strict=True)
        if run.is_changed
    )
    return f"{changed}On the same {asked} of {pair.split}/, judged by {what}: {sentence(b, a, compared, False)}."


def _values(pair: Pair, compared: dict[str, Any] | None) -> list[Block]:
    folders = Facts({name: run.folder.resolve() for name, run in zip(pair.names, pair.runs, strict=True)})
    return [folders, *_measured(pair, compared)]


def _measured(pair: Pair, compared: dict[str, Any] | None) -> list[Block]:
    if pair.split is None:
        missing = [run for run in pair.runs if "test" not in run.metrics]
        return [Note(f"{run.name} lacks test/.", run.evaluate_command(), kind="missing") for run in missing]
    rows = []
    for name, run, output in zip(pair.names, pair.runs, pair.outputs, strict=True):
        values = run.metrics[pair.split][output]
        row = {label: with_interval(values, key) for key, label in SHOWN.items()}
        rows.append({"run": name, "output": called(output, run), **row, "photos": values["n"]})
    blocks: list[Block] = [Table(rows, f"Each on its own photos of {pair.split}/, with 95 % bootstrap intervals.")]
    return blocks + (_paired(pair, compared) if compared else _unpaired(pair))


def _paired(pair: Pair, compared: dict[str, Any]) -> list[Block]:
    a, b = pair.names
    report = full_report(pair.labels, pair.answers, "", pair.groups)
    rows = [
        {"run": name, **{label: with_interval(report[name], key) for key, label in SHOWN.items()}} for name in (a, b)
    ]
    blocks: list[Block] = []
    if pair.left_out:
        blocks.append(
            Note(f"{pair.left_out} photos that only one was asked about, or that differ, are left out below.")
        )
        blocks.append(Table(rows, f"On the {pair.labels.size} photos that both answered."))
    differences = [
        {
            "value": label,
            f"{b} minus {a}": f"{compared[f'{key}_difference']:+.3f}",
            "95 % interval": "{:+.3f} to {:+.3f}".format(*compared[f"{key}_difference_ci95"]),
        }
        for key, label in (("reward", "reward"), ("mcc", "MCC"), ("accuracy", "accuracy"))
    ]
    caption = (
        f"The same photos, resampled in pairs. Those that only {b} has right: {compared[f'only_{b}_right']}; only {a}: "
        f"{compared[f'only_{a}_right']}; {in_words_of_test(compared)}. Verdict: {compared['verdict']}."
    )
    return [*blocks, Table(differences, caption)]


def _unpaired(pair: Pair) -> list[Block]:
    if pair.left_out:
        return [Note("No photo was answered by both: the two cannot be compared photo by photo.")]
    without = [run for run in pair.runs if run.predictions(pair.split) is None]
    return [
        Note(f"The answers of {run.name} were not kept.", run.evaluate_command(pair.split), kind="missing")
        for run in without
    ]


def _answers(pair: Pair, data: Place | None) -> list[Section]:
    if pair.kept is None:
        return []
    blocks: list[Block] = []
    if np.unique(pair.labels).size > 1:
        blocks.append(
            Chart(
                overlaid_curves(pair.labels, pair.answers),
                f"ROC and precision-recall curves of both on the same photos; dots mark threshold 0.5. {_alike(pair)}",
                f"ROC and precision-recall curves of {pair.names[0]} and {pair.names[1]}.",
                narrow=overlaid_curves(pair.labels, pair.answers, per_row=1),
            )
        )
    return [Section("Answers", blocks), Section("Photos that only one has right", _disagreements(pair, data))]


def _disagreements(pair: Pair, data: Place | None) -> list[Block]:
    right = [decide(clean_answers(p)[0]) == pair.labels for p in pair.answers.values()]
    blocks: list[Block] = []
    for mine, other in ((0, 1), (1, 0)):
        rows = np.flatnonzero(right[mine] & ~right[other])
        name, loser = pair.names[mine], pair.names[other]
        p = clean_answers(pair.answers[loser])[0]
        rows = rows[np.argsort(-np.abs(p[rows] - 0.5), kind="stable")]
        if not rows.size:
            blocks.append(Paragraph(f"There is no photo that {name} has right and {loser} wrong."))
            continue
        shown = [_told(pair, int(row)) for row in rows[:MOST]]
        root = data or pair.runs[mine].evaluated.get(pair.split, {}).get("data_root")
        caption = f"{name} right, {loser} wrong: {rows.size} photo{'s' if rows.size > 1 else ''}" + (
            f", of which those that {loser} was surest of." if rows.size > MOST else "."
        )
        blocks += photo_blocks(shown, place(root) if root else None, caption)
    return blocks


def _alike(pair: Pair) -> str:
    """What the curves hide: one lies on the other where both are the same."""
    (a, b), (one, other) = pair.names, (clean_answers(p)[0] for p in pair.answers.values())
    if np.array_equal(one, other):
        return f"Both answered every photo alike: the curve of {a} lies on that of {b} and hides it."
    hides = f"Where both coincide, {a} lies on {b}."
    return hides if (decide(one) != decide(other)).any() else f"{hides} No answer differs at threshold 0.5."


def _told(pair: Pair, row: int) -> Told:
    """A photo with its truth and what the compared outputs of both runs said."""
    kept = pair.kept[0]
    both = Predictions(kept.sample_ids, kept.labels, pair.answers, digests=kept.digests)
    return told(both, row, pair.names[0])


def _training(pair: Pair) -> list[Block]:
    histories = {name: run.history for name, run in zip(pair.names, pair.runs, strict=True)}
    missing = [name for name, path in histories.items() if not path.is_file()]
    if missing:
        return [Note(f"No history.csv in {' and '.join(missing)}: no training to compare.", kind="missing")]
    ways = {run.setting("fusion", "fit_on") for run in pair.runs}
    damaged = {name: damage for name, path in histories.items() if (damage := damage_of(path))}
    if damaged:
        return [Note(f"{name}: {damage}. There is no training to compare.") for name, damage in damaged.items()]
    wide = overlaid_histories(histories) if len(ways) == 1 else None
    if wide is None:
        return [Note("The two were fitted in different ways (fusion.fit_on): their values by epoch mean other things.")]
    return [
        Chart(
            wide,
            "Both trainings by epoch. Solid: training photos; dashed: validation photos. Where both coincide, "
            f"{pair.names[1]} lies on {pair.names[0]}.",
            f"Training curves of {pair.names[0]} and {pair.names[1]}.",
            narrow=overlaid_histories(histories, per_row=1),
        )
    ]
