"""What the subnet would have paid: the rehearsals of a run's files."""

from kerasfusion.report_page.blocks import Block, Note, Paragraph, Section, Table
from kerasfusion.roadwork.evaluate.figures import title_of
from kerasfusion.roadwork.evaluate.rehearsal import Rehearsal
from kerasfusion.roadwork.report.charts import reward_chart
from kerasfusion.roadwork.report.run import Run


def reward_section(run: Run) -> Section:
    """The section: a chart and a table for each file or service that was rehearsed, or how to rehearse."""
    blocks: list[Block] = []
    for source, found in run.rehearsals.items():
        if run.is_other(source, found.model_sha256):
            what = (
                f"{source} was changed after it was rehearsed: this is of an earlier file. To rehearse the present one:"
            )
            blocks.append(Note(what, run.rehearse_command))
        blocks += [reward_chart(found), _table(found), Paragraph(conditions(found))]
    if not blocks:
        blocks = [Note("The subnet's loop was not rehearsed with this run.", run.rehearse_command, kind="missing")]
    return Section("The subnet's reward", blocks)


def conditions(found: Rehearsal) -> str:
    """What was asked, how long it took, what was lost, and how far the numbers reach."""
    photos = sum(found.photos.values())
    of_layout = "of all layouts" if found.layout == "mix" else f"of the layout {found.layout}"
    lost = sum(found.lost.values())
    why = ", ".join(f"{count} {name}" for name, count in found.lost.items())
    words = [f"{found.asked} challenges {of_layout} were made of {photos} photos and asked once each"]
    if found.waited is not None:
        words.append(
            f"half of the answers took {found.waited.p50_ms:.0f} ms or less, 95 % {found.waited.p95_ms:.0f} ms"
        )
    words.append(f"{lost} were lost ({why})" if lost else f"none was lost (deadline {found.deadline_s:g} s)")
    return (
        "; ".join(words) + ". The repeats draw labels, challenges and their order anew from these answers: the range "
        "over them is luck with the same photos and says nothing of other photos."
    )


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
    caption = (
        f"{found.source}: means from the hundredth answer on; in brackets where 95 % of {found.repeats} repeats lie."
    )
    return Table(rows, caption, digits=3)
