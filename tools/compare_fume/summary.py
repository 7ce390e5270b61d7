"""What trainings reached, put side by side: mean and spread over the seeds, the difference, and whether it counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from kerasfusion.reporting import table

OURS, TORCH = "ours", "torch"
SIDES = (OURS, TORCH)

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "f1_transitional", "miou", "gas_iou")
"""Of masks: the mean over the gases that were asked about."""
SECONDS = "training_s"
"""A metric of a training as a whole."""

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Reached:
    """What one training reached.

    Attributes:
        name: of the set.
        side: of SIDES.
        seed: of the training.
        seconds: that it took, from the process's start to its end.
        views: {samples: {metric: value}}; None is undefined.
    """

    name: str
    side: str
    seed: int
    seconds: float
    views: Mapping[str, Values]


def side_by_side(reached: Sequence[Reached]) -> list[dict[str, object]]:
    """A row for each set, samples and metric; of what both sides have.

    Returns:
        {"set", "samples", "metric", and of each side its mean and NAME_sd (sample standard deviation; None of one
        seed), "difference" (ours minus torch's), "verdict"}; values None where a side has none.
    """
    rows = []
    for name in dict.fromkeys(each.name for each in reached):
        of_set = {side: [each for each in reached if (each.name, each.side) == (name, side)] for side in SIDES}
        for view in dict.fromkeys(view for each in reached if each.name == name for view in each.views):
            for metric in METRICS:
                values = {side: _values(runs, view, metric) for side, runs in of_set.items()}
                rows.append(_row(name, view, metric, values))
        seconds = {side: [each.seconds for each in runs] for side, runs in of_set.items()}
        rows.append(_row(name, "-", SECONDS, seconds) | {"verdict": None})
    return rows


def verdict(difference: float, spreads: Sequence[float]) -> str:
    """Whether ours is better or worse by more than the larger standard deviation of the two sides."""
    if abs(difference) <= max(spreads):
        return "within the spread"
    return "ahead" if difference > 0 else "behind"


def training_rows(reached: Sequence[Reached]) -> list[dict[str, object]]:
    """A row for each training and its samples."""
    return [
        {"set": each.name, "side": each.side, "seed": each.seed, SECONDS: each.seconds, "samples": view}
        | {metric: values[metric] for metric in METRICS}
        for each in reached
        for view, values in each.views.items()
    ]


def as_table(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows of `side_by_side` as aligned text."""
    return table([{key: _text(value, row["metric"]) for key, value in row.items()} for row in rows])


def _values(runs: Sequence[Reached], view: str, metric: str) -> list[float]:
    found = [run.views.get(view, {}).get(metric) for run in runs]
    return [value for value in found if value is not None]


def _row(name: str, view: str, metric: str, values: Mapping[str, list[float]]) -> dict[str, object]:
    means = {side: mean(found) if found else None for side, found in values.items()}
    spreads = {side: stdev(found) if len(found) > 1 else None for side, found in values.items()}
    row: dict[str, object] = {"set": name, "samples": view, "metric": metric}
    for side in SIDES:
        row |= {side: means[side], f"{side}_sd": spreads[side]}
    known = None not in means.values()
    difference = means[OURS] - means[TORCH] if known else None
    counts = known and None not in spreads.values()
    return row | {"difference": difference, "verdict": verdict(difference, list(spreads.values())) if counts else None}


def _text(value: object, metric: object) -> object:
    if not isinstance(value, float):
        return value
    return f"{value:.0f}" if metric == SECONDS else f"{value:.3f}"
