"""The columns of history.csv, and which of a network's outputs each tells of."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from kerasfusion.fume.config import FumeConfig
from kerasfusion.fume.fit.best_epoch import GAS_IOU, JOINT, MEAN_IOU

OUTPUTS = ("state", "co2_mask", "ch4_mask", "mask")
"""Of all networks; the columns of one begin with its name, after "val_"."""


def told_outputs(config: FumeConfig, outputs: Iterable[str], kept: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """The outputs that each epoch's values are told of: those that are learned.

    Args:
        config: everything.
        outputs: of the network.
        kept: history of the run so far. Earlier versions told of all outputs; their runs go on as they began.
    """
    columns = kept[0] if kept else ()
    return tuple(name for name in outputs if config.learns(name) or any(_output_of(each) == name for each in columns))


def tells_of(column: str, outputs: Collection[str]) -> bool:
    """Whether a column tells of nothing but these outputs, or of the network as a whole."""
    has_masks = any(name != "state" for name in outputs)
    if column in (MEAN_IOU, GAS_IOU):
        return has_masks
    if column == JOINT:
        return has_masks and "state" in outputs
    return _output_of(column) in (None, *outputs)


def learned_columns(history: Sequence[Mapping[str, float]], config: FumeConfig) -> list[dict[str, float]]:
    """A history without the columns of what was not learned, which earlier versions kept too."""
    learned = [name for name in OUTPUTS if config.learns(name)]
    return [{column: value for column, value in values.items() if tells_of(column, learned)} for values in history]


def _output_of(column: str) -> str | None:
    """The output that a column is of; None: of the network as a whole."""
    metric = column.removeprefix("val_")
    return next((name for name in OUTPUTS if metric.startswith(f"{name}_")), None)
