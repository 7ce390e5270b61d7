"""What a run folder says: everything that its report is made from, as far as it is there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasfusion.config import load_config
from kerasfusion.errors import DamagedError, RequestError
from kerasfusion.files.csv_table import read_numbers
from kerasfusion.files.json_yaml import read_json
from kerasfusion.files.kept_answers import predictions_path, refuse_other_answers
from kerasfusion.files.run_files import EVALUATED, METRICS, own_settings, read_environment, read_evaluated, read_latency
from kerasfusion.fume.config import MODEL, FumeConfig
from kerasfusion.fume.data.annotations import SPLITS
from kerasfusion.fume.evaluate.predictions import read_predictions
from kerasfusion.fume.evaluate.split import VIEWS, Answers
from kerasfusion.fume.fit.best_epoch import best_epoch, monitor_of
from kerasfusion.fume.fit.history_columns import learned_columns
from kerasfusion.fume.networks.architectures import ARCHITECTURES
from kerasfusion.fume.report.checks import check_answers, check_metrics, check_records
from kerasfusion.reporting import command_line


@dataclass(frozen=True)
class Run:
    """A run.

    Attributes:
        folder: the run's.
        config: its settings.
        environment: environment.json; empty if it is not there, as everything below.
        settings: what bound its training (checkpoints/settings.json).
        history: an epoch's values by the columns of history.csv, without those of what was not learned.
        best: number of the epoch, from 1, whose weights were kept; None without a history.
        report: metrics.json without the parts that were not learned.
        evaluated: {split: what was asked about what}.
        answers: {split: every answer}, without what was not learned.
        latency: {file name: what `benchmark` measured}.
    """

    folder: Path
    config: FumeConfig
    environment: dict[str, Any]
    settings: dict[str, Any]
    history: list[dict[str, float]]
    best: int | None
    report: dict[str, Any]
    evaluated: dict[str, Any]
    answers: dict[str, Answers]
    latency: dict[str, Any]

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.resolve().name

    @property
    def model(self) -> Path:
        """The trained file; it need not be there."""
        return self.folder / MODEL

    @property
    def fit_command(self) -> str:
        """The command that trains this run, or goes on with it."""
        return fit_command(self.folder)

    def evaluate_command(self, split: str = "test") -> str:
        """The command that measures this run on a split."""
        return evaluate_command(self.model, split)

    @property
    def split(self) -> str | None:
        """The evaluated split that the report is about: test, else val, else train; None if none was evaluated."""
        return next((split for split in reversed(SPLITS) if split in self.report), None)

    @property
    def main(self) -> dict[str, dict]:
        """{part: values} of that split, as its samples are."""
        return self.report.get(self.split, {})

    @property
    def main_answers(self) -> Answers | None:
        """Every answer on that split; None if they were not kept."""
        return self.answers.get(self.split)

    @property
    def record(self) -> dict[str, Any]:
        """What was asked about what in that split."""
        return self.evaluated.get(self.split, {})

    def views(self) -> dict[str, dict]:
        """{view: {part: values}} of that split; views are keys of `evaluate.VIEWS`."""
        return {view: self.report[f"{self.split}{view}"] for view in VIEWS if f"{self.split}{view}" in self.report}


def fit_command(folder: Path) -> str:
    """The command that trains the run of a folder, or goes on with it."""
    return command_line(["kerasfusion", "fit", *own_settings(folder)])


def evaluate_command(model: Path, split: str) -> str:
    """The command that measures a network on a split."""
    return command_line(["kerasfusion", "evaluate", model, *(("--split", split) if split != "test" else ())])


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        RequestError: not a run's folder, or neither training nor evaluation left anything in it.
        DamagedError: one of its files is damaged, or answers and metrics do not belong together.
    """
    if not (folder / "config.yaml").is_file():
        raise RequestError("this is not a run's folder", where=folder, expected="config.yaml, such as in runs/NAME")
    config = load_config(FumeConfig, folder / "config.yaml")
    history, report = _read_history(folder, config), read_json(folder / METRICS) or {}
    if not history and not report:
        raise RequestError(
            "the run has nothing to report yet",
            where=folder,
            expected="history.csv or metrics.json",
            todo=fit_command(folder),
        )
    answers = _evaluation(folder, report, config)
    return Run(
        folder=folder,
        config=config,
        environment=read_environment(folder),
        settings=read_json(folder / "checkpoints" / "settings.json", todo=f"{fit_command(folder)} --restart") or {},
        history=learned_columns(history, config),
        best=best_epoch(history, config) if history else None,
        report={name: _learned(parts, config) for name, parts in report.items()},
        evaluated=check_records(folder / EVALUATED, read_evaluated(folder)),
        answers={split: _learned_answers(each, config) for split, each in answers.items()},
        latency=read_latency(folder),
    )


def _learned(parts: Mapping[str, Any], config: FumeConfig) -> dict[str, Any]:
    """Without the parts that were not learned; the network's cost stays as it is."""
    needed = {"state": ("state",), "joint": ("state", "mask")}
    return {
        part: values
        for part, values in parts.items()
        if all(config.learns(each) for each in needed.get(part, (part,) if part.endswith("mask") else ()))
    }


def _evaluation(folder: Path, report: Mapping[str, Any], config: FumeConfig) -> dict[str, Answers]:
    """{split: every answer}, after metrics and answers were checked."""
    again = {split: evaluate_command(folder / MODEL, split) for split in SPLITS}
    evaluated = [split for split in SPLITS if split in report]
    outputs = [output for output in ARCHITECTURES[config.model.name].outputs if config.learns(output)]
    check_metrics(folder / METRICS, report, outputs, again[evaluated[-1] if evaluated else "test"])
    found = {}
    for split in SPLITS:
        path = predictions_path(folder, split)
        if path.is_file():
            found[split] = read_predictions(path)
            check_answers(path, found[split], report.get(split, {}), again[split])
            refuse_other_answers(path, again[split])
    return found


def _learned_answers(answers: Answers, config: FumeConfig) -> Answers:
    return replace(
        answers,
        states=answers.states if config.learns("state") else None,
        pixels={mask: pixels for mask, pixels in answers.pixels.items() if config.learns(mask)},
    )


def _read_history(folder: Path, config: FumeConfig) -> list[dict[str, float]]:
    path = folder / "history.csv"
    if not path.is_file():
        return []
    todo = f"delete it; {fit_command(folder)} writes it again from its checkpoint"
    history = read_numbers(path, "the training history", ("epoch", "val_loss"), todo)
    if history and (monitor := monitor_of(config, history[0])) not in history[0]:
        raise DamagedError(f"the training history has no column {monitor}", where=path, todo=todo)
    return history
