"""Sections of fume's report: what was trained on what, and how it learned."""

from typing import Any

from kerasfusion.config import to_dict
from kerasfusion.files.run_files import flat
from kerasfusion.fume.fit.history_figures import history_curves
from kerasfusion.fume.report.limits import leak_lines
from kerasfusion.fume.report.run import Run
from kerasfusion.report_page.blocks import Block, Chart, Details, Facts, Note, Paragraph, Section, Table

SHORT = 16
"""Characters of a digest that are shown."""


def training(run: Run) -> Section:
    """Network, data, counts, and all settings folded away."""
    blocks: list[Block] = [Facts(_facts(run)), *_counts(run)]
    versions = run.environment.get("packages")
    if versions:
        rows = [{"package": name, "version": version or "not installed"} for name, version in versions.items()]
        blocks.append(Details("Versions", [Table(rows, "Packages when the run was trained.")]))
    rows = [{"setting": key, "value": value} for key, value in flat(to_dict(run.config)).items()]
    blocks.append(Details("All settings", [Table(rows, "config.yaml: with it the run can be made again.")]))
    return Section("What was trained on what", blocks)


def curves(run: Run) -> Section:
    """Training curves, head by head."""
    if not run.history:
        return Section("Training curves", [Note("There is no history.csv.", run.fit_command, "missing")])
    last, best = len(run.history), run.best
    kept = {name: value for name, value in run.history[best - 1].items() if name.startswith("val_")}
    chart = Chart(
        history_curves(run.history, best),
        f"Values after each of {last} epochs: solid lines are of the training samples, dashed ones of the validation "
        f"samples. The dotted line marks epoch {best}, whose weights were kept (highest {_monitor(run)}).",
        f"Training and validation curves over {last} epochs; the best epoch is {best}.",
        narrow=history_curves(run.history, best, per_row=1),
    )
    shown = [{"metric": name.removeprefix("val_").replace("_", " "), "value": value} for name, value in kept.items()]
    table = Table(shown, f"Validation values of epoch {best}")
    return Section("Training curves", [chart, Details(f"Validation values of epoch {best}", [table])])


def _facts(run: Run) -> dict[str, Any]:
    config, record = run.config, run.record
    width, height = config.data.image_size
    size = run.report.get("network", {}).get("size", {})
    digests = run.settings.get("data", {})
    return {
        "Network": config.model.name + _parameters(size),
        "Frames": f"{width} x {height} pixels, {_gases(config.data.gases)}",
        "Trained with": f"kerasfusion {run.environment.get('packages', {}).get('kerasfusion', '?')}, "
        f"seed {config.experiment.seed}, up to {config.training.num_epochs} epochs of batches of "
        f"{config.training.batch_size}",
        "Command": run.environment.get("command"),
        "Data": str(config.data.dataset_root),
        "Training samples' digest": _short(digests.get("train")),
        "Validation samples' digest": _short(digests.get("val")),
        "Evaluated file": _evaluated(record),
        "Evaluated on": record.get("data_root"),
        "Run folder": str(run.folder),
        "Python": run.environment.get("python"),
        "System": run.environment.get("platform"),
    }


def _counts(run: Run) -> list[Block]:
    splits = run.record.get("splits")
    if not splits:
        if run.split is None:
            return []
        return [Note("The samples of each split were not counted yet.", run.evaluate_command(), "missing")]
    names = {"co2_only": "CO2 only", "ch4_only": "CH4 only"}
    rows = [
        {"split": f"{split} {row['state']}", **{names.get(key, key): n for key, n in row.items() if key != "state"}}
        for split, counted in splits.items()
        for row in counted
    ]
    table = Table(
        rows,
        "Samples of each split and state: with both gases, with one alone, and the originals (filmed frames) that they "
        "are copies of.",
    )
    return [table, _shared_originals(run)]


def _shared_originals(run: Run) -> Block:
    lines = leak_lines(run)
    if lines is None:
        return Paragraph("Whether splits share originals is not known: the annotations do not name all of them.")
    if not lines:
        return Paragraph("No original has frames in more than one split.")
    return Note("Splits share originals: " + "; ".join(lines) + ".", "kerasfusion data pair FOLDER --regroup")


def _evaluated(record: dict[str, Any]) -> str | None:
    if not record:
        return None
    how = " ".join(word for word in (record.get("format"), record.get("precision")) if word)
    return f"{record['model']}{f' ({how})' if how else ''}, sha256 {_short(record['model_sha256'])}"


def _parameters(size: dict[str, Any]) -> str:
    return f", {size['trainable_parameters']:,} trainable parameters" if size else ""


def _gases(gases: str) -> str:
    return "CO2 and CH4" if gases == "both" else f"{gases.upper()} alone"


def _monitor(run: Run) -> str:
    from kerasfusion.fume.fit.best_epoch import JOINT, monitor_of

    monitor = monitor_of(run.config, run.history[0])
    if monitor == JOINT:
        return "0.5 balanced accuracy + 0.5 IoU of the gas in validation; among equals the mean IoU, then the loss"
    return monitor.removeprefix("val_").removeprefix("state_").replace("_", " ") + " in validation"


def _short(digest: str | None) -> str | None:
    return None if digest is None else f"{digest[:SHORT]}..."
