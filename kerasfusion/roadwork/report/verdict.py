"""What the run comes to: the first sentences, the main numbers and the table of all outputs."""

from collections.abc import Mapping
from typing import Any

from kerasfusion.report_page.blocks import Number, Numbers, Table
from kerasfusion.roadwork.evaluate.figures import title_of
from kerasfusion.roadwork.evaluate.split import BASELINE, MAIN
from kerasfusion.roadwork.report.run import Run, main_output

WORDS = {
    "better": "{a} is better than {b}",
    "worse": "{a} is worse than {b}",
    "no clear difference": "there is no clear difference between {a} and {b}",
}


SHOWN = {"mcc": "MCC", "reward": "reward", "accuracy": "accuracy", "roc_auc": "ROC-AUC"}
MORE = {"precision": "precision", "recall": "recall", "f1": "F1", "reward_raw": "reward before floor and power"}


def lead_of(run: Run, against: Mapping[str, Mapping[str, Any]]) -> str:
    """The verdict in two or three sentences.

    Args:
        run: the run.
        against: {branch: what `against_each` says of the fusion}; empty if that is not known.
    """
    if run.split is None:
        return "This run was trained but never evaluated: how good it is, is not known."
    return f"{_warning(run)}{_judgement(run, against)}"


def _warning(run: Run) -> str:
    """What must be known before any number."""
    if not run.is_changed:
        return ""
    return (
        f"{run.record['model']} was changed after it was evaluated, so this is not about the model that lies in the "
        "run folder now, but about an earlier one. "
    )


def _judgement(run: Run, against: Mapping[str, Mapping[str, Any]]) -> str:
    report = run.metrics[run.split]
    output = main_output(report)
    values = report[output]
    low, high = values["mcc_ci95"]
    lead = (
        f"On {values['n']} {run.photos} of {run.split}/, {called(output, run)} has an MCC of {values['mcc']:.3f} "
        f"(95 % interval {low:.3f} to {high:.3f}) and "
        + ("its answers would earn " if run.is_drawn else "would earn ")
        + f"{values['reward']:.3f} of the subnet's reward of 1"
        + (" if its validators asked about such drawings, which they do not." if run.is_drawn else ".")
    )
    known = dict(against)
    if f"vs_{BASELINE}" in values:
        known.setdefault(BASELINE, values[f"vs_{BASELINE}"])
    if BASELINE in known:
        lead += f" {sentence('it', called(BASELINE, run), known[BASELINE])}."
    others = {name: report[name]["reward"] for name in known if name != BASELINE and name in report}
    if others:
        best = max(others, key=others.__getitem__)
        lead += (
            f" Of the other branches {title_of(best)} does best; {sentence('the fusion', 'it', known[best], False)}."
        )
    return lead


def called(output: str, run: Run) -> str:
    """An output within a sentence; only the subnet's own ViT is the default one."""
    names = {MAIN: "the fusion", BASELINE: "the default ViT" if run.has_default_vit else f"the ViT ({run.vit})"}
    return names.get(output, f"{title_of(output)} alone")


def sentence(a: str, b: str, comparison: Mapping[str, Any], begins: bool = True) -> str:
    """What may be said of a against b, with the reward's difference and its interval."""
    low, high = comparison["reward_difference_ci95"]
    words = WORDS[comparison["verdict"]].format(a=a, b=b)
    words = words[0].upper() + words[1:] if begins else words
    return f"{words} (reward {comparison['reward_difference']:+.3f}, 95 % interval {low:+.3f} to {high:+.3f})"


def numbers_of(run: Run) -> Numbers:
    """The main output's numbers with their intervals."""
    report = run.metrics[run.split]
    output = main_output(report)
    values = report[output]
    shown = {"mcc": "MCC (-1 to 1)", "reward": "reward (0 to 1)", "accuracy": "accuracy", "roc_auc": "ROC-AUC"}
    numbers = [
        Number(label, f"{values[key]:.3f}", interval_text(values, key))
        for key, label in shown.items()
        if values.get(key) is not None
    ]
    for model, timed in run.latency.items():
        total = timed["stages"]["total"]
        numbers.append(
            Number(f"time for a photo, {model}", f"{total['p50_ms']:.0f} ms", f"median; p95 {total['p95_ms']:.0f} ms")
        )
    return Numbers(numbers[:6])


def outputs_table(run: Run, split: str) -> Table:
    """Every output on a split."""
    rows = []
    for name, values in run.metrics[split].items():
        row: dict[str, object] = {"output": title_of(name) + (_about_default(run) if name == BASELINE else "")}
        row |= {label: with_interval(values, key) for key, label in SHOWN.items()}
        rows.append(row)
    return Table(rows, f"All outputs on {split}/ at threshold 0.5, with 95 % bootstrap intervals.")


def _about_default(run: Run) -> str:
    known = ["default"] if run.has_default_vit else []
    known += ["of the branch cache"] if BASELINE in run.left_out else []
    return f" ({', '.join(known)})" if known else ""


def more_table(run: Run, split: str) -> Table:
    """The other metrics of every output on a split."""
    rows = []
    for name, values in run.metrics[split].items():
        row = {"output": title_of(name)} | {label: with_interval(values, key) for key, label in MORE.items()}
        rows.append(row | {"photos": values["n"], "valid answers": values["n_valid"]})
    return Table(rows, f"Roadwork as the class that is looked for, on {split}/, with 95 % bootstrap intervals.")


def interval_text(values: Mapping[str, Any], key: str) -> str:
    """The interval of a value, in words."""
    interval = values.get(f"{key}_ci95")
    return f"95 % interval {interval[0]:.3f} to {interval[1]:.3f}" if interval else ""


def with_interval(values: Mapping[str, Any], key: str) -> str | None:
    """A value and its interval, which a narrow table leaves on one line, for a table; None where it is not defined."""
    if values.get(key) is None:
        return None
    if values.get(f"{key}_ci95") is None:
        return f"{values[key]:.3f}"
    low, high = values[f"{key}_ci95"]
    return f"{values[key]:.3f} ({low:.3f}\u00a0to\u00a0{high:.3f})"
