"""Put the report of one run together."""

from pathlib import Path
from typing import Any

from kerasfusion import __version__
from kerasfusion.address import Place, place
from kerasfusion.report_page.blocks import Block, Details, Facts, Note, Paragraph, Points, Section, Table
from kerasfusion.report_page.page import write_page
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.data.dataset import SPLITS
from kerasfusion.roadwork.evaluate.comparison import against_each, in_words_of_test
from kerasfusion.roadwork.evaluate.figures import title_of
from kerasfusion.roadwork.evaluate.predictions import Predictions
from kerasfusion.roadwork.evaluate.split import MAIN
from kerasfusion.roadwork.report import charts
from kerasfusion.roadwork.report.cascade import cascade_sections
from kerasfusion.roadwork.report.challenges import challenge_blocks
from kerasfusion.roadwork.report.limits import limits_of
from kerasfusion.roadwork.report.photos import photo_blocks, worst_mistakes
from kerasfusion.roadwork.report.reward import reward_section
from kerasfusion.roadwork.report.run import Run, main_output, read_run
from kerasfusion.roadwork.report.training import data_section, training_section
from kerasfusion.roadwork.report.verdict import called, lead_of, more_table, numbers_of, outputs_table
from kerasfusion.roadwork.report.worth import worth_sections


def write_report(folder: Path, out: Path | None = None, data: Place | None = None) -> Path:
    """Write the report of a run.

    Args:
        folder: the run's.
        out: the HTML file; None is report.html in the run folder.
        data: where the photos are now; None is where they were evaluated.

    Returns:
        The file.

    Raises:
        RequestError: nothing to report, or a library is not installed. KerasFusionError: a damaged or unwritable file.
    """
    run = read_run(folder)
    path = out or folder / "report.html"
    kept = run.predictions(run.split) if run.split else None
    against = _against(run, kept)
    sections = [*_evaluation(run, kept, against, data), *worth_sections(run), *cascade_sections(run)]
    sections += [training_section(run), data_section(run), _time_section(run)]
    write_page(path, f"roadwork: {run.name}", lead_of(run, against), sections, made_by("report", folder))
    return path


def made_by(*words: object) -> str:
    """The last line of a page, with the words of the command that made it."""
    return f"Made by kerasfusion {__version__}: {command_line(['kerasfusion', *words])}"


def _against(run: Run, kept: Predictions | None) -> dict[str, dict[str, Any]]:
    if kept is None or MAIN not in kept.answers or len(kept.answers) < 2:
        return {}
    seed = run.evaluated.get(run.split, {}).get("seed", 42)
    return against_each(kept.labels, kept.answers, MAIN, kept.groups, seed=seed)


def _evaluation(run: Run, kept: Predictions | None, against: dict, data: Place | None) -> list[Section]:
    """The sections of the split that says most, in the order in which one decides."""
    if run.split is None:
        missing = Note("This run was not evaluated.", run.evaluate_command(), kind="missing")
        return [Section("Summary", [missing]), reward_section(run)]
    report = run.metrics[run.split]
    output = main_output(report)
    sections = [_summary(run), Section("What these numbers do not say", [Points(limits_of(run))])]
    if against:
        sections.append(Section("The fusion against each branch", [charts.branches_chart(against), _pairs(against)]))
    command = run.evaluate_command(run.split)
    sections.append(Section("Answers", [charts.confusion_chart(report), *charts.answer_charts(kept, command)]))
    if challenges := run.challenges:
        sections.append(Section("What a validator sends", challenge_blocks(run, challenges)))
    sections.append(reward_section(run))
    if kept is not None:
        sections.append(Section("The worst mistakes", _mistakes(run, kept, output, data)))
    return sections


def _summary(run: Run) -> Section:
    others = [split for split in SPLITS if split in run.metrics and split != run.split]
    report = run.metrics[run.split]
    output = main_output(report)
    begin = Paragraph(f"{_begin(called(output, run))} on the {report[output]['n']} {run.photos} of {run.split}/:")
    blocks: list[Block] = _outdated(run)
    blocks += [begin, numbers_of(run), outputs_table(run, run.split)]
    blocks.append(Details("Precision, recall, F1 and valid answers", [more_table(run, run.split)]))
    blocks += [
        Details(f"The same on {split}/", [outputs_table(run, split), more_table(run, split)]) for split in others
    ]
    return Section("Summary", blocks)


def _outdated(run: Run) -> list[Block]:
    """What to do where the model is another one than the numbers are of."""
    if not run.is_changed:
        return []
    what = f"{run.record['model']} was changed after it was evaluated: these are numbers of an earlier file. To measure"
    return [Note(f"{what} the present one:", run.evaluate_command(run.split))]


def _begin(text: str) -> str:
    """With a capital at its beginning, and names as they are."""
    return text[0].upper() + text[1:]


def _pairs(against: dict[str, dict[str, Any]]) -> Table:
    rows = [
        {
            "against": title_of(name),
            "verdict": values["verdict"],
            "reward": _difference(values, "reward"),
            "MCC": _difference(values, "mcc"),
            "only fusion right": values[f"only_{MAIN}_right"],
            "only branch right": values[f"only_{name}_right"],
            "test": in_words_of_test(values),
        }
        for name, values in against.items()
    ]
    caption = (
        'Fusion minus branch. A verdict other than "no clear difference" needs both: an interval of the reward\'s '
        "difference without zero, and p below 0.05 in McNemar's test of the photos that only one of the two has right "
        "(where some are copies, or of one drive or place: in a test that flips the signs of all of a group)."
    )
    return Table(rows, caption)


def _difference(values: dict[str, Any], metric: str) -> str:
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(values[f"{metric}_difference"], *values[f"{metric}_difference_ci95"])


def _mistakes(run: Run, kept: Predictions, output: str, data: Place | None) -> list[Block]:
    photos = worst_mistakes(kept, output)
    blocks: list[Block] = []
    if kept.unreadable:
        rows = [{"photo": name, "why": why} for name, why in kept.unreadable.items()]
        blocks.append(Table(rows, "Photos that could not be read; each counts as an answer of 0.0."))
    if not photos:
        return [Paragraph(f"{_begin(called(output, run))} has no readable photo wrong."), *blocks]
    root = data or run.evaluated.get(run.split, {}).get("data_root")
    caption = f"Where {called(output, run)} was wrong and surest of it: P(roadwork) as it and the others said it."
    return [*photo_blocks(photos, place(root) if root else None, caption), *blocks]


def _time_section(run: Run) -> Section:
    if not run.latency:
        missing = Note("It was not measured here.", run.benchmark_command, kind="missing")
        return Section("Time for a photo", [missing])
    blocks: list[Block] = []
    for model, timed in run.latency.items():
        rows = [
            {"stage": stage} | {key.replace("_", " "): value for key, value in values.items()}
            for stage, values in timed["stages"].items()
        ]
        size = f"{timed['image']['width']} x {timed['image']['height']}"
        caption = f"{model}: milliseconds for one {size} photo at a time, {timed['runs']} runs after warm-up"
        caption += ", each photo also mirrored (--tta)." if timed.get("tta") else "."
        blocks += [Table(rows, caption, digits=1)]
        kept = {"to load": f"{timed['load_s']:.1f} s", "memory": f"{timed['memory_mb']:.0f} MB"}
        blocks += [Facts(kept | {"within a validator's 9 s": "yes" if timed["within_timeout"] else "no"})]
    return Section("Time for a photo", blocks)
