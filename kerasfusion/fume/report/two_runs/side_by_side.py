"""Section of a comparison: the values of both runs, and what they differ by on the same samples."""

from collections.abc import Iterator, Mapping
from typing import Any

from kerasfusion.fume.data.annotations import STATES
from kerasfusion.fume.evaluate.comparison import COMPARED
from kerasfusion.fume.evaluate.mask_figures import mask_title
from kerasfusion.fume.report.two_runs.pair import Pair
from kerasfusion.fume.report.words import DIGITS, VIEWS, counted, difference_text, interval_text, masks_of
from kerasfusion.report_page.blocks import Block, Details, Note, Table

NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    **{f"f1_{name.lower()}": f"F1 of {name}" for name in STATES},
    "iou_gas": "IoU of the gas",
    "miou": "mean IoU",
    "boundary_f_gas": "boundary F of the gas",
}


def side_by_side(pair: Pair, compared: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    """Tables of both runs' values, or what is missing for them.

    Args:
        pair: the two runs.
        compared: {view: what `compare_answers` says of the samples that they share}.
    """
    if pair.split is None:
        return list(_missing(pair, "test"))
    blocks: list[Block] = [_own_values(pair), *_missing(pair, pair.split)]
    if pair.left_out and compared:
        text = f"{counted(pair.left_out, 'sample')} that only one was asked about, or that differ, are left out below."
        blocks.append(Note(text))
    elif pair.left_out:
        blocks.append(Note("No sample was answered by both: the two cannot be compared sample by sample."))
    tables = [_differences(pair, view, parts) for view, parts in compared.items()]
    others = [Details("The same by what the networks were given", tables[1:])] if tables[1:] else []
    return [*blocks, *tables[:1], *others]


def _missing(pair: Pair, split: str) -> Iterator[Note]:
    for name, run in zip(pair.names, pair.runs, strict=True):
        if split not in run.report:
            yield Note(f"{name} was not evaluated on the split {split}.", run.evaluate_command(split), "missing")
        elif split not in run.answers:
            yield Note(f"The answers of {name} were not kept.", run.evaluate_command(split), "missing")


def _own_values(pair: Pair) -> Table:
    reports = {name: run.report[pair.split] for name, run in zip(pair.names, pair.runs, strict=True)}
    parts = dict.fromkeys(part for report in reports.values() for part in _shown(report))
    rows = [
        {"value": value_name(part, metric)}
        | {name: _own(report.get(part, {}), metric) for name, report in reports.items()}
        for part in parts
        for metric in _metrics(part)
    ]
    sizes = ", ".join(f"{name} {next(iter(report.values()))['n']}" for name, report in reports.items())
    return Table(rows, f"Each on its own {pair.split} samples as they are ({sizes}), with 95 % bootstrap intervals.")


def _own(values: Mapping[str, Any], metric: str) -> str | None:
    if values.get(metric) is None:
        return None
    return f"{values[metric]:.{DIGITS}f} ({interval_text(values.get(f'{metric}_ci95'))})"


def _differences(pair: Pair, view: str, parts: Mapping[str, Any]) -> Table:
    a, b = pair.names
    rows = [
        {
            "value": value_name(part, metric),
            a: found[metric]["a"],
            b: found[metric]["b"],
            f"{b} minus {a}": found[metric]["difference"],
            "95 % interval": difference_text(found[metric]["ci95"]),
        }
        for part, found in _shown(parts).items()
        for metric in _metrics(part)
        if metric in found
    ]
    n = counted(len(pair.shared[view][0]), "sample")
    caption = f"On the same {n} ({VIEWS[view]}); whole originals resampled, both runs on the same ones."
    return Table(rows, caption + _test_words(a, b, parts.get("state")), DIGITS)


def _test_words(a: str, b: str, state: Mapping[str, Any] | None) -> str:
    if state is None:
        return ""
    return (
        f" Only {b} has {state['only_b_right']} states right, only {a} {state['only_a_right']}: p = "
        f"{state['sign_flip_p']:.2g} by the sign-flip test by original. Verdict on {b}: {state['verdict']}."
    )


def value_name(part: str, metric: str) -> str:
    """A metric with the mask that it is of, such as "IoU of the gas, CO2"."""
    return NAMES[metric] if part == "state" else f"{NAMES[metric]}, {mask_title(part)}"


def _shown(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {part: values for part, values in parts.items() if part == "state"} | masks_of(parts)


def _metrics(part: str) -> tuple[str, ...]:
    return COMPARED["state" if part == "state" else "mask"]
