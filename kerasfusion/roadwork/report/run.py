"""What a run folder holds, read once."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.json_yaml import read_yaml, refuse_other_shape
from kerasfusion.files.kept_answers import predictions_path
from kerasfusion.files.run_files import (
    EVALUATED,
    LATENCY,
    METRICS,
    own_settings,
    read_environment,
    read_evaluated,
    read_latency,
    read_metrics,
    require_run_folder,
)
from kerasfusion.files.saving import read_description
from kerasfusion.reporting import command_line
from kerasfusion.roadwork.ablate.record import Ablation, read_ablation
from kerasfusion.roadwork.branches.one_file import FUSION, PARTS
from kerasfusion.roadwork.config import is_default_vit
from kerasfusion.roadwork.data.dataset import SPLITS
from kerasfusion.roadwork.evaluate.predictions import Predictions, read_predictions
from kerasfusion.roadwork.evaluate.rehearsal import Rehearsal, read_rehearsals
from kerasfusion.roadwork.evaluate.split import BASELINE, MAIN
from kerasfusion.roadwork.report import checks
from kerasfusion.roadwork.yolo_training.record import read_record

_DRAWN = re.compile(r"(.*/)?scene_\d{5}\.jpg")
"""How `data synth roadwork` names its scenes."""


@dataclass(frozen=True)
class Run:
    """A run, as far as it went; what is not there is empty or None.

    Attributes:
        folder: of the run.
        config: config.yaml.
        environment: environment.json of the training.
        metrics: metrics.json.
        evaluated: evaluated.json, what the metrics were measured with.
        latency: latency.json, what `benchmark` measured.
        rehearsals: rehearsal.json, what `miner rehearse` found, by the file that answered.
        description: what the trained file says of itself.
        yolo: training.json of its own YOLO training.
        ablation: ablation.json, what `ablate` found.
    """

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: dict[str, Any]
    evaluated: dict[str, Any]
    latency: dict[str, Any]
    rehearsals: dict[str, Rehearsal]
    description: dict[str, Any]
    yolo: dict[str, Any]
    ablation: Ablation | None = None

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.resolve().name

    @property
    def model(self) -> Path:
        """The file to ask; it need not be there."""
        return self.folder / (PARTS if (self.folder / PARTS).is_file() and not self.is_composed else FUSION)

    @property
    def is_composed(self) -> bool:
        """Whether the one file with all branches is there."""
        return (self.folder / FUSION).is_file()

    @property
    def history(self) -> Path:
        """The training's values by epoch; it need not be there."""
        return self.folder / "history.csv"

    @property
    def yolo_history(self) -> Path:
        """Those of YOLO's training; it need not be there."""
        return self.folder / "yolo" / "yolo_history.csv"

    @property
    def split(self) -> str | None:
        """The evaluated split that says most: test before val before train; None before any evaluation."""
        return next((split for split in reversed(SPLITS) if split in self.metrics), None)

    @property
    def challenges(self) -> dict[str, dict[str, Any]]:
        """The metrics of that split's challenges, by name; empty where none were asked about."""
        return {name: kept for name, kept in self.metrics.items() if name.startswith(f"{self.split}_")}

    @property
    def record(self) -> dict[str, Any]:
        """What the metrics of `split` were measured with; empty where it was not noted."""
        return self.evaluated.get(self.split or "", {})

    @property
    def vit(self) -> str | None:
        """The weights of the ViT that answered: a folder or hf://owner/name."""
        record = self.record
        return record["model"] if record and record["model_sha256"] is None else self.setting("vit", "weights")

    @property
    def has_default_vit(self) -> bool:
        """Whether that ViT is the subnet's by its name, or nothing is known of it."""
        return self.vit is None or is_default_vit(self.vit)

    @property
    def data(self) -> str:
        """The folder of its photos, for commands."""
        return self.setting("data", "root") or "DATA"

    @property
    def left_out(self) -> tuple[str, ...]:
        """The branches that the fusion goes without."""
        return tuple(self.setting("fusion", "without") or ())

    @property
    def yolo_start(self) -> str | None:
        """What YOLO's training began with; None where it was trained elsewhere."""
        chosen = None if self.setting("yolo", "weights") else self.setting("yolo", "model")
        return self.yolo.get("model") or chosen

    @cached_property
    def is_changed(self) -> bool:
        """Whether the file that was evaluated lies here with other contents now."""
        return self.is_other(self.record.get("model", ""), self.record.get("model_sha256"))

    def is_other(self, name: str, digest: str | None) -> bool:
        """Whether a file lies here under this name with other contents than those of the digest."""
        path = self.folder / name
        return bool(digest) and path.is_file() and file_sha256(path) != digest

    @cached_property
    def is_drawn(self) -> bool:
        """Whether the answers are about generated scenes, by the names of all of them."""
        kept = self.predictions(self.split) if self.split else None
        return kept is not None and all(map(_DRAWN.fullmatch, kept.sample_ids))

    @property
    def photos(self) -> str:
        """What was asked about, in one word or two."""
        return "drawn scenes" if self.is_drawn else "photos"

    def setting(self, *keys: str) -> Any:
        """A value of the configuration, None where it is not known."""
        found: Any = self.config
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def predictions(self, split: str) -> Predictions | None:
        """The kept answers on an evaluated split, if they are there.

        Raises:
            DamagedError: they are damaged, or not those of the metrics.
        """
        path = predictions_path(self.folder, split)
        if not path.is_file():
            return None
        again = self.evaluate_command(split)
        return checks.check_answers(read_predictions(path, again), self.metrics[split], path, again)

    @property
    def rehearse_command(self) -> str:
        """The command that rehearses the subnet's loop with this run."""
        return command_line(["kerasfusion", "miner", "rehearse", self.folder / FUSION, "--data", self.data])

    @property
    def benchmark_command(self) -> str:
        """The command that times this run's file."""
        return command_line(["kerasfusion", "benchmark", self.model])

    def evaluate_command(self, split: str = "test") -> str:
        """The command that measures this run."""
        return self.command("evaluate", self.model) + (f" --split {split}" if split != "test" else "")

    def command(self, name: str, *arguments: object) -> str:
        """A command for this very run: with its own settings, where they are kept, and so for its own folder."""
        is_known = (self.folder / "config.yaml").is_file()
        settings = own_settings(self.folder) if is_known else ("--data", self.data)
        return command_line(["kerasfusion", name, *arguments, *settings])


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        RequestError: no such folder, or nothing of a run in it. DamagedError: a damaged file.
    """
    require_run_folder(folder)
    model = next((folder / name for name in (FUSION, PARTS) if (folder / name).is_file()), None)
    run = Run(
        folder,
        config=read_yaml(folder / "config.yaml") or {},
        environment=read_environment(folder),
        metrics=read_metrics(folder / METRICS),
        evaluated=read_evaluated(folder),
        latency=read_latency(folder),
        rehearsals=read_rehearsals(folder),
        description=read_description(model) if model else {},
        yolo=read_record(folder / "yolo"),
        ablation=read_ablation(folder),
    )
    if not (run.metrics or model or run.history.is_file() or run.yolo_history.is_file()):
        raise RequestError(
            "nothing to report: no training and no evaluation in this folder",
            where=folder,
            expected="a run folder, such as runs/roadwork",
            todo="kerasfusion fit and kerasfusion evaluate fill it",
        )
    again = f"delete it and run {run.evaluate_command(run.split or 'test')}"
    refuse_other_shape(run.metrics, checks.METRICS, folder / METRICS, again)
    refuse_other_shape(run.evaluated, checks.EVALUATED, folder / EVALUATED, again)
    again = f"delete it and run {run.benchmark_command}"
    refuse_other_shape(run.latency, checks.LATENCY, folder / LATENCY, again)
    return run


def main_output(outputs) -> str:
    """The output that is deployed: the fusion, or the default ViT where it was asked alone."""
    return MAIN if MAIN in outputs else BASELINE if BASELINE in outputs else next(iter(outputs))
