"""Where a training is reported to: the settings. What they do is in `epochs`."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kerasfusion.config import STRICT_KEYS

WandbMode = Literal["online", "offline", "disabled"]
Epochs = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=STRICT_KEYS)
class Tracking:
    """What each epoch is reported to, beside history.csv, which is always written.

    Attributes:
        tensorboard: event files in RUN/tensorboard.
        wandb: also report to Weights & Biases (extra `wandb`).
        project: its project.
        entity: its user or team; null is the one who is logged in.
        tags: its tags.
        wandb_mode: "online" needs a login; "offline" keeps it in RUN/wandb for `wandb sync`; "disabled" only pretends.
        panels_every: a picture of some held-out photos with the answers after every so many epochs, in
            RUN/figures/epochs and to the trackers; 0 draws none.
    """

    tensorboard: bool = True
    wandb: bool = False
    project: str = "roadwork"
    entity: str | None = None
    tags: tuple[str, ...] = ()
    wandb_mode: WandbMode = "online"
    panels_every: Epochs = 0
