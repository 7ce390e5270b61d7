"""Which epoch of a training is the best one."""

from collections.abc import Mapping, Sequence

from kerasfusion.fume.config import FumeConfig


def monitor_of(config: FumeConfig) -> str:
    """The metric that epochs are judged by: the network's own, or the masks' where the state is not learned."""
    from kerasfusion.fume.networks.architectures import ARCHITECTURES

    architecture = ARCHITECTURES[config.model.name]
    learns_state = "state" in architecture.outputs and config.training.loss.cls_weight > 0
    return architecture.monitor if learns_state else "val_mean_iou"


def rank(values: Mapping[str, float], monitor: str) -> tuple[float, float, float]:
    """How good an epoch is; among equals in the monitored metric the masks decide, then the loss.

    Args:
        values: what the history says of the epoch.
        monitor: of `monitor_of`.
    """
    return values[monitor], values.get("val_mean_iou", 0.0), -values["val_loss"]


def best_epoch(history: Sequence[Mapping[str, float]], monitor: str) -> int:
    """The number, from 1, of the epoch whose weights are kept: the first of the highest rank."""
    return 1 + max(range(len(history)), key=lambda number: (rank(history[number], monitor), -number))
