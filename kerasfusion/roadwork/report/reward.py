"""What the subnet would have paid: the rehearsals of a run's files."""

from kerasfusion.report_page.blocks import Block, Note, Paragraph, Section, Table
from kerasfusion.roadwork.evaluate.figures import title_of
from kerasfusion.roadwork.evaluate.rehearsal import Rehearsal
from kerasfusion.roadwork.evaluate.rehearsal_text import REACH, conditions, gained
from kerasfusion.roadwork.report.charts import reward_chart
from kerasfusion.roadwork.report.run import Run


def reward_section(run: Run) -> Section:
    """The section: a chart and a table for each file or service that was rehearsed, or how to rehearse."""
    blocks: list[Block] = []
    for source, found in run.rehearsals.items():
        if run.is_other(source, found.model_sha256):
            what = f"{source} was changed after it was rehearsed: this is of an earlier file. To do it again:"
            blocks.append(Note(what, run.rehearse_command))
        gain = gained(found)
        against = f" Fusion less ViT: reward {gain}." if gain else ""
        blocks += [reward_chart(found), _table(found), Paragraph(f"{conditions(found)}{against} {REACH}")]
    if not blocks:
        blocks = [Note("The subnet's loop was not rehearsed with this run.", run.rehearse_command, kind="missing")]
    return Section("The subnet's reward", blocks)


def _table(found: Rehearsal) -> Table:
    rows = [
        {
            "output": title_of(name),
            "reward": "{:.3f} ({:.3f} to {:.3f})".format(earned.reward, *earned.reward_over_repeats),
            "MCC of the last 100": earned.mcc,
            "accuracy of the last 10": earned.accuracy,
        }
        for name, earned in found.outputs.items()
    ]
    where = f"in brackets where 95 % of {found.repeats} repeats lie"
    return Table(rows, f"{found.source}: means from the hundredth answer on; {where}.", digits=3)
