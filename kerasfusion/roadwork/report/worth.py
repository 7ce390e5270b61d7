"""What each branch is worth to the fusion, as `ablate` found it."""

from kerasfusion.report_page.blocks import Block, Note, Section, Table
from kerasfusion.roadwork.ablate.record import Ablation, Row
from kerasfusion.roadwork.ablate.text import NOTE, in_words
from kerasfusion.roadwork.branches.one_file import PARTS
from kerasfusion.roadwork.report.run import Run


def worth_sections(run: Run) -> list[Section]:
    """The section with the table on what decides, and on the photos themselves; none where `ablate` did not run."""
    found = run.ablation
    if found is None:
        return []
    blocks: list[Block] = []
    again = run.command("ablate")
    if run.is_other(PARTS, found.model_sha256):
        blocks.append(Note("It was fitted anew since: this is of an earlier fit. To weigh the present one:", again))
    blocks += [Note(in_words(each, found) + ". To fit without it:", each.command) for each in found.useless]
    blocks += [_table(found, name) for name in dict.fromkeys((found.decisive, next(iter(found.asked))))]
    return [Section("What each branch is worth", blocks)]


def _table(found: Ablation, asked: str) -> Table:
    caption = (
        f"{found.head.capitalize()} heads refitted on {found.fitted_on} photos, judged on {asked} ({found.photos} "
        f"photos); each branch alone is its own answer. {NOTE[0].upper()}{NOTE[1:]}"
    )
    return Table([_cells(row) for row in found.asked[asked]], caption)


def _cells(row: Row) -> dict[str, object]:
    low, high = row.reward_ci95
    versus = None
    if row.reward_difference_ci95 is not None:
        versus = "{:+.3f} ({:+.3f} to {:+.3f})".format(row.reward_difference, *row.reward_difference_ci95)
    return {
        "answer": row.name,
        "reward": f"{row.reward:.3f} ({low:.3f} to {high:.3f})",
        "MCC": row.mcc,
        "accuracy": row.accuracy,
        "difference": versus,
        "ms": None if row.ms is None else f"{row.ms:.1f}",
        "MB": None if row.mb is None else f"{row.mb:.1f}",
    }
