"""Which epoch of a training is the best one."""

from collections.abc import Iterable, Mapping, Sequence

from kerasfusion.fume.config import FumeConfig

JOINT = "val_joint_score"
"""0.5 balanced accuracy of the state + 0.5 IoU of the gas, mean over the masks."""
BALANCED, GAS_IOU, MEAN_IOU = "val_state_balanced_accuracy", "val_gas_iou", "val_mean_iou"
"""The last two are means over the masks: of the IoU of the gas, and of the mean IoU of all classes."""


def monitor_of(config: FumeConfig, known: Iterable[str] = (JOINT, GAS_IOU)) -> str:
    """The metric that epochs are judged by: of the state and the masks what the network learns, or both together.

    Args:
        config: model and loss.
        known: the history's columns; runs from before there was a joint score were judged by the state alone, masks
            alone by their mean IoU of all classes before there was that of the gas.
    """
    from kerasfusion.fume.networks.architectures import ARCHITECTURES

    outputs, loss = ARCHITECTURES[config.model.name].outputs, config.training.loss
    learns_state = "state" in outputs and loss.cls_weight > 0
    learns_masks = set(outputs) != {"state"} and loss.seg_weight > 0
    if learns_state and learns_masks and JOINT in known:
        return JOINT
    if learns_state:
        return BALANCED
    return GAS_IOU if GAS_IOU in known else MEAN_IOU


def rank(values: Mapping[str, float], monitor: str) -> tuple[float, float, float]:
    """How good an epoch is; among equals in the monitored metric the masks' mean IoU decides, then the smaller loss.

    Args:
        values: what the history says of the epoch.
        monitor: of `monitor_of`.
    """
    return values[monitor], values.get(MEAN_IOU, 0.0), -values["val_loss"]


def best_epoch(history: Sequence[Mapping[str, float]], config: FumeConfig) -> int:
    """The number, from 1, of the epoch whose weights are kept: the first of the highest rank."""
    monitor = monitor_of(config, history[0])
    return 1 + max(range(len(history)), key=lambda number: (rank(history[number], monitor), -number))
