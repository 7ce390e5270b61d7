"""Put the report of two runs side by side together."""

from pathlib import Path
from typing import Any

from kerasfusion.config import to_dict
from kerasfusion.fume.evaluate.mask_figures import mask_title
from kerasfusion.fume.fit.history_figures import compared_curves
from kerasfusion.fume.report.page import made_by
from kerasfusion.fume.report.two_runs.disagreements import disagreements_section
from kerasfusion.fume.report.two_runs.pair import Pair, compared_views, read_pair
from kerasfusion.fume.report.two_runs.side_by_side import side_by_side
from kerasfusion.fume.report.words import VIEWS, counted, difference_text, masks_of
from kerasfusion.report_page.blocks import Block, Chart, Note, Section
from kerasfusion.report_page.page import write_page
from kerasfusion.report_page.settings import settings_section


def write_comparison(first: Path, second: Path, out: Path | None = None, data: Path | None = None) -> Path:
    """Write the report of two runs.

    Args:
        first, second: the run folders.
        out: the HTML file; None is report-FIRST-SECOND.html in the working folder.
        data: where the frames are now; None is where they were evaluated.

    Returns:
        The file.

    Raises:
        RequestError: one folder twice, nothing to report, or a library is not installed.
        KerasFusionError: a damaged or unwritable file.
    """
    pair = read_pair(first, second)
    a, b = pair.names
    path = out or Path(f"report-{a}-{b}.html")
    compared = compared_views(pair)
    sections = [
        Section("Side by side", side_by_side(pair, compared)),
        settings_section(*(to_dict(run.config) for run in pair.runs), *pair.names),
        disagreements_section(pair, data),
        Section("Training curves", _curves(pair)),
    ]
    there = [section for section in sections if section is not None]
    write_page(path, f"fume: {a} and {b}", _lead(pair, compared), there, made_by("report", first, second))
    return path


def _lead(pair: Pair, compared: dict[str, dict[str, Any]]) -> str:
    a, b = pair.names
    if pair.split is None:
        return f"{a} and {b} were not evaluated on the same split: which is better is not known."
    if not compared:
        return f"{a} and {b} cannot be compared sample by sample; their values stand side by side."
    view = next(iter(compared))
    parts, n = compared[view], len(pair.shared[view][0])
    samples = f"On the same {counted(n, pair.split + ' sample')} ({VIEWS[view]})"
    return " ".join([f"{samples}:", *_state_words(a, b, parts), *_mask_words(b, a, parts)])


def _state_words(a: str, b: str, parts: dict[str, Any]) -> list[str]:
    if "state" not in parts:
        return []
    state = parts["state"]
    words = {"better": "tells the state better than", "worse": "tells the state worse than"}
    verdict = words.get(state["verdict"], "does not clearly tell the state better or worse than")
    found = state["balanced_accuracy"]
    return [
        f"{b} {verdict} {a} (balanced accuracy {found['b']:.3f} and {found['a']:.3f}, difference "
        f"{_with_interval(found)}, sign-flip test by original p = {state['sign_flip_p']:.2g})."
    ]


def _mask_words(b: str, a: str, parts: dict[str, Any]) -> list[str]:
    defined = {part: found["iou_gas"] for part, found in masks_of(parts).items() if "iou_gas" in found}
    words = [f"{mask_title(part)} {_with_interval(found)}" for part, found in defined.items()]
    return [f"IoU of the gas, {b} minus {a}: {', '.join(words)}."] if words else []


def _with_interval(found: dict[str, Any]) -> str:
    return f"{found['difference']:+.3f} (95 % interval {difference_text(found['ci95'])})"


def _curves(pair: Pair) -> list[Block]:
    named = dict(zip(pair.names, pair.runs, strict=True))
    runs = {name: run.history for name, run in named.items() if run.history}
    if len(runs) < len(named):
        missing = " and ".join(name for name in named if name not in runs)
        return [Note(f"No history.csv in {missing}: no training to compare.", kind="missing")]
    best = {name: named[name].best for name in runs}
    epochs = ", ".join(f"{name} {epoch}" for name, epoch in best.items())
    return [
        Chart(
            compared_curves(runs, best),
            f"Validation values of both trainings by epoch; rings mark the epochs whose weights were kept ({epochs}).",
            f"Validation curves of {' and '.join(runs)}.",
            narrow=compared_curves(runs, best, per_row=1),
        )
    ]
