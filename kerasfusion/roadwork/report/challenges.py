"""The report's section on challenges: what a validator would send of the photos, and what the answers are worth."""

from collections.abc import Mapping
from typing import Any

from kerasfusion.report_page.blocks import Block, Chart, Note, Paragraph, Picture, Pictures, Table
from kerasfusion.roadwork.challenge.kinds import MIX
from kerasfusion.roadwork.evaluate.challenge_figures import mcc_by_kind, sheet_name
from kerasfusion.roadwork.evaluate.challenges import main_mix
from kerasfusion.roadwork.evaluate.figures import title_of
from kerasfusion.roadwork.evaluate.split import BASELINE, MAIN
from kerasfusion.roadwork.report.charts import PHONE
from kerasfusion.roadwork.report.run import Run
from kerasfusion.roadwork.report.verdict import called, sentence

BREAKS = 0.1
"""MCC that a branch loses from the photos to a kind of challenge before it is said to break there."""


def challenge_blocks(run: Run, challenges: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    """The sentence on the mix, the chart, the sheet and the table.

    Args:
        run: whose `split` was asked about.
        challenges: {name: {output: {metric: value}}}, at least one.
    """
    report = run.metrics[run.split]
    blocks: list[Block] = [Paragraph(text) for text in _sentences(run, challenges)]
    blocks.append(_chart(run.split, report, challenges))
    sheet = run.folder / "figures" / sheet_name(run.split)
    if sheet.is_file():
        pictures = [Picture(sheet.read_bytes(), "A photo of the split and its challenges")]
        blocks.append(Pictures(pictures, "What a validator would send of this photo, by layout and level.", width=640))
    else:
        blocks.append(Note("There is no picture of the challenges. To draw it:", run.evaluate_command(run.split)))
    rows = [
        {"asked": name.removeprefix(f"{run.split}_").replace("_", " ")}
        | {title_of(output): _worth(values) for output, values in outputs.items()}
        for name, outputs in {f"{run.split}_the photos": report, **challenges}.items()
    ]
    caption = "MCC / reward of every output, on the photos and on each kind of challenge."
    if f"test_{MIX}" in challenges:
        caption += " In the mix of all layouts a plain one counts four times, as often as a validator draws it."
    blocks.append(Table(rows, caption))
    return blocks


def _sentences(run: Run, challenges: Mapping[str, Mapping[str, Any]]) -> list[str]:
    mix = challenges[main_mix(run.split, challenges)]
    against = mix.get(MAIN, {}).get(f"vs_{BASELINE}")
    lines = []
    if against:
        lines.append(f"On the mix of these challenges {sentence('the fusion', called(BASELINE, run), against, False)}.")
    if broken := _breaks(run, challenges):
        lines.append(f"Where an output loses more than {BREAKS} of MCC against the photos themselves: {broken}.")
    return lines


def _breaks(run: Run, challenges: Mapping[str, Mapping[str, Any]]) -> str:
    """Which output breaks where, in words."""
    found = []
    for output, values in run.metrics[run.split].items():
        kinds = [
            name.removeprefix(f"{run.split}_").replace("_", " ")
            for name, outputs in challenges.items()
            if not name.endswith(MIX) and values["mcc"] - outputs[output]["mcc"] > BREAKS
        ]
        if kinds:
            found.append(f"{title_of(output)} on {', '.join(kinds)}")
    return "; ".join(found)


def _chart(split: str, report: Mapping[str, Any], challenges: Mapping[str, Mapping[str, Any]]) -> Chart:
    mix = challenges[main_mix(split, challenges)]
    words = ", ".join(f"{title_of(output)} {values['mcc']:.3f}" for output, values in mix.items())
    return Chart(
        mcc_by_kind(split, report, challenges),
        "MCC on the photos themselves and on the challenges that a validator would make of them, by layout and level, "
        "with 95 % bootstrap intervals by photo (copies, and photos of one group, count as one). A line falls where a "
        "distortion costs answers.",
        f"MCC by layout and level. On the mix: {words}.",
        narrow=mcc_by_kind(split, report, challenges, width=PHONE),
    )


def _worth(values: Mapping[str, Any]) -> str:
    return f"{values['mcc']:.3f} / {values['reward']:.3f}"
