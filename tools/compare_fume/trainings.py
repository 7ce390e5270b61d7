"""The trainings of both sides, each in a process of its own; what is finished is not done again."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench_peers.processes import Child
from compare_fume.asking import ask
from compare_fume.sets import GasSet
from compare_fume.summary import OURS, SIDES, Reached
from compare_fume.torch_task import Task
from kerasfusion.files.digests import json_sha256
from kerasfusion.files.json_yaml import read_json, write_json

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "fume" / "fume_fastscnn.yaml"
FIRST_SEED = 42
TRAINED, RESULT = "trained.json", "result.json"
WEIGHTS = "best.pth"


@dataclass(frozen=True)
class Budget:
    """What both sides are given.

    Attributes:
        epochs, batch: of each training.
        size: width and height that the networks see, pixels.
        seeds: trainings of each side on each set.
    """

    epochs: int
    batch: int
    size: tuple[int, int]
    seeds: int


class Trainings:
    """Trains and asks both sides on sets.

    Args:
        work: folder for trainings, decoded frames and logs.
        budget: of each side.
        report: takes a line for the person who waits.
    """

    def __init__(self, work: Path, budget: Budget, report: Callable[[str], None]):
        self.work, self.budget, self.report = work, budget, report

    def all_of(self, sets: Sequence[GasSet]) -> list[Reached]:
        """Everything; seed by seed, so that a run that is stopped has both sides of what it has.

        Raises:
            ProcessFailed: a training ended with an error.
            KerasFusionError: a file cannot be read or written.
        """
        seeds = range(FIRST_SEED, FIRST_SEED + self.budget.seeds)
        planned = [(each, side, seed) for seed in seeds for each in sets for side in SIDES]
        found = []
        for number, (each, side, seed) in enumerate(planned, start=1):
            self.report(f"[{number}/{len(planned)}] {each.name}, {side}, seed {seed}")
            found.append(self._one(each, side, seed))
        return found

    def _one(self, gas_set: GasSet, side: str, seed: int) -> Reached:
        """Train and ask, or what an earlier run has left of that."""
        folder = self.work / "trainings" / self._name(gas_set, side, seed)
        if not (folder / RESULT).is_file():
            if not (folder / TRAINED).is_file():
                shutil.rmtree(folder, ignore_errors=True)  # of a training that was stopped; its time is not known
                folder.mkdir(parents=True)
                begin = time.monotonic()
                (self._train_ours if side == OURS else self._train_torch)(gas_set, folder, seed)
                write_json(folder / TRAINED, {"seconds": time.monotonic() - begin})
            write_json(folder / RESULT, {"views": ask(self._model(side, folder), gas_set.root)})
        seconds = read_json(folder / TRAINED)["seconds"]
        return Reached(gas_set.name, side, seed, seconds, read_json(folder / RESULT)["views"])

    def _name(self, gas_set: GasSet, side: str, seed: int) -> str:
        """Tells all that a training depends on, so that another budget or other files get another folder."""
        budget = {name: value for name, value in asdict(self.budget).items() if name != "seeds"}
        recipe = CONFIG.read_text(encoding="utf-8") if side == OURS else ""
        digest = json_sha256({**budget, "files": gas_set.digest, "recipe": recipe})
        return f"{gas_set.name}-{side}-seed{seed}-{digest[:8]}"

    def _train_ours(self, gas_set: GasSet, folder: Path, seed: int) -> None:
        settings = {
            "runs_folder": folder.parent,
            "experiment.name": folder.name,
            "experiment.seed": seed,
            "data.dataset_root": gas_set.root,
            "data.image_size": list(self.budget.size),
            "data.frame_cache": self._cache,
            "training.num_epochs": self.budget.epochs,
            "training.batch_size": self.budget.batch,
            "training.early_stopping.patience": 0,  # neither side stops early: the budget is the same
            "training.checkpoint.save_freq": 0,
        }
        pairs = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        self._run(["-m", "kerasfusion", "fit", "-c", str(CONFIG), *pairs], folder.name)

    def _train_torch(self, gas_set: GasSet, folder: Path, seed: int) -> None:
        task = Task(
            root=str(gas_set.root),
            image_size=self.budget.size,
            cache=str(self._cache),
            epochs=self.budget.epochs,
            batch=self.budget.batch,
            seed=seed,
            checkpoint=str(folder / WEIGHTS),
        )
        self._run(["-m", "compare_fume.torch_training", json.dumps(asdict(task))], folder.name)

    def _model(self, side: str, folder: Path) -> Path:
        """The file that is asked; torch's weights in our graph, whose answers are the same (bench_fume compares)."""
        from kerasfusion.fume.config import MODEL

        model = folder / MODEL
        if side != OURS:
            from bench_fume.ours import take_over

            take_over(folder / WEIGHTS, model, *self.budget.size)
        return model

    def _run(self, arguments: list[str], name: str) -> None:
        with Child(arguments, self.work, name) as child:
            for line in child.lines():
                self.report(f"  {line}")

    @property
    def _cache(self) -> Path:
        return self.work / "frames"
