"""What the folder of a finished run says, as far as the run was meant to learn it."""

from dataclasses import dataclass
from typing import Any

from kerasfusion.errors import DamagedError, KerasFusionError
from kerasfusion.files.run_files import METRICS, read_metrics
from kerasfusion.fume.ablate.plan import SPLIT, checkpoint_of
from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.data.annotations import GASES
from kerasfusion.fume.evaluate.job import COSTS
from kerasfusion.fume.fit.best_epoch import best_epoch
from kerasfusion.fume.fit.history_columns import learned_columns


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        config: its settings.
        parts: {"state", "co2_mask", "ch4_mask", "mask", "joint": values}, as metrics.json has them of the test split;
            without those that were not learned.
        network: size and speed, as metrics.json has them.
        history: {metric: one value an epoch}, without the columns of what was not learned.
        best_epoch: whose weights are the network's, counted from 1.
    """

    config: FumeConfig
    parts: dict[str, dict[str, Any]]
    network: dict[str, dict[str, Any]]
    history: dict[str, list[float]]
    best_epoch: int

    @property
    def name(self) -> str:
        """Of the experiment."""
        return self.config.experiment.name

    @property
    def state(self) -> dict[str, Any]:
        """Values of the state; empty if it was not learned."""
        return self.parts.get("state", {})

    @property
    def masks(self) -> dict[str, dict[str, Any]]:
        """{"CO2": values, "CH4": values}, or {"mask": values} from a network that has one mask for both gases."""
        gases = {gas.upper(): self.parts[f"{gas}_mask"] for gas in GASES if f"{gas}_mask" in self.parts}
        return gases or ({"mask": self.parts["mask"]} if "mask" in self.parts else {})


def read_result(config: FumeConfig) -> Result:
    """Read metrics.json and the checkpoint of a finished run, which has the history too.

    Raises:
        KerasFusionError: one of them is not there, or does not hold what it should.
    """
    metrics = config.run_folder / METRICS
    if not metrics.is_file():
        raise KerasFusionError("the run has no such file", where=metrics, todo="run the same command again")
    try:
        report, epochs = read_metrics(metrics), checkpoint_of(config).history
        parts = {part: values for part, values in report[SPLIT].items() if _is_learned(config, part)}
        best = best_epoch(epochs, config)
        shown = learned_columns(epochs, config)
        history = {name: [values[name] for values in shown] for name in shown[0]}
        return Result(config, parts, report[COSTS], history, best)
    except KeyError as error:
        raise DamagedError(
            f"the run's files are damaged: no {error}", where=metrics, todo=f"delete {metrics} and run this again"
        ) from error


def _is_learned(config: FumeConfig, part: str) -> bool:
    needed = ("state", "mask") if part == "joint" else (part,)
    return all(config.learns(each) for each in needed)
