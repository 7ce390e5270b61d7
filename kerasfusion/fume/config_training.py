"""The settings of fume's training: the section training."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kerasfusion.config import STRICT_KEYS
from kerasfusion.fume.config_types import Count, Positive, Probability, Weight

Gamma = Annotated[float, Field(ge=0, le=10)]


@dataclass(frozen=True, config=STRICT_KEYS)
class Optimizer:
    """AdamW.

    Attributes:
        type: fixed.
        lr: learning rate at the beginning.
        weight_decay: decoupled (arXiv 1711.05101).
        betas: decay rates of the two moments.
    """

    type: Literal["AdamW"] = "AdamW"
    lr: Positive = 1e-3
    weight_decay: Weight = 1e-4
    betas: tuple[Probability, Probability] = (0.9, 0.999)


@dataclass(frozen=True, config=STRICT_KEYS)
class Scheduler:
    """Cosine from the optimizer's rate to eta_min over all epochs; step by step.

    Attributes:
        type: fixed.
        eta_min: learning rate at the end.
    """

    type: Literal["CosineAnnealingLR"] = "CosineAnnealingLR"
    eta_min: Weight = 1e-5


@dataclass(frozen=True, config=STRICT_KEYS)
class Loss:
    """Total = seg_weight x masks + cls_weight x state.

    Attributes:
        seg_weight: of the masks' loss; 0 switches the task off.
        cls_weight: of the state's loss; 0 switches the task off.
        focal_gamma: of the focal loss; 0 makes it cross-entropy, any other is at least 1.
        cls_alpha: weight of each state; with `weighted_sampling` they would be balanced twice.
        use_focal_dice: masks by half focal and half Dice loss, else by the focal loss alone.
    """

    seg_weight: Weight = 1.0
    cls_weight: Weight = 1.0
    focal_gamma: Gamma = 2.0
    cls_alpha: tuple[Weight, Weight, Weight] = (1.0, 1.0, 1.0)
    use_focal_dice: bool = True

    def asks_for(self, output: str, gases: str) -> bool:
        """Whether a network learns an output by it: "state", or any mask but that of a gas which `data.gases` lacks."""
        if output == {"co2": "ch4_mask", "ch4": "co2_mask"}.get(gases):
            return False
        return (self.cls_weight if output == "state" else self.seg_weight) > 0


@dataclass(frozen=True, config=STRICT_KEYS)
class EarlyStopping:
    """When training stops before its last epoch.

    Attributes:
        patience: after so many epochs in which the monitored metric did not rise by `min_delta`; 0 never stops.
        min_delta: smallest rise that counts.
    """

    patience: Annotated[int, Field(ge=0)] = 15
    min_delta: Weight = 0.001


@dataclass(frozen=True, config=STRICT_KEYS)
class Checkpoint:
    """Models that are kept besides the best and the last.

    Attributes:
        save_freq: every how many epochs; 0 keeps none.
    """

    save_freq: Annotated[int, Field(ge=0)] = 5


@dataclass(frozen=True, config=STRICT_KEYS)
class Training:
    """How it is trained.

    Attributes:
        batch_size: samples a step.
        num_epochs: passes over the training samples, at most.
        optimizer, scheduler, loss, early_stopping, checkpoint: see there.
        grad_clip: largest norm of all gradients together; 0 switches it off.
        use_amp: compute in mixed float16 where there is a GPU.
    """

    batch_size: Count = 8
    num_epochs: Count = 50
    optimizer: Optimizer = Optimizer()
    scheduler: Scheduler = Scheduler()
    loss: Loss = Loss()
    grad_clip: Weight = 1.0
    use_amp: bool = True
    early_stopping: EarlyStopping = EarlyStopping()
    checkpoint: Checkpoint = Checkpoint()
