"""What is told of each epoch to the outside: TensorBoard's event files, Weights & Biases, pictures of held-out samples.

Nothing here draws from the training's random numbers or changes its weights: a run with trackers ends like one without.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasfusion.config import to_dict
from kerasfusion.images.png import write_png
from kerasfusion.trackers.event_files import EventFiles
from kerasfusion.trackers.settings import Tracking
from kerasfusion.trackers.wandb_run import WandbRun
from kerasfusion.trainer import read_checkpoint

PANELS = Path("figures") / "epochs"
"""In a run's folder: epoch-001.png and so on."""


def trackers(
    settings: Tracking,
    run_folder: Path,
    config: Any,
    checkpoint: Path,
    draw: Callable[[keras.Model], np.ndarray] | None = None,
) -> list[keras.callbacks.Callback]:
    """The callbacks that a training is given for what `settings` asks for.

    Args:
        settings: see there.
        run_folder: everything goes below it.
        config: the whole configuration, shown with a Weights & Biases run.
        checkpoint: the training's, as `trainer.train` writes it: what was told of before is known from it.
        draw: the model as it is after an epoch -> (H, W, 3) uint8, held-out samples with its answers.
    """
    asked: list[EventFiles | WandbRun] = []
    if settings.tensorboard:
        asked.append(EventFiles(run_folder / "tensorboard"))
    if settings.wandb:
        identity = checkpoint.with_name("wandb_run.txt")
        asked.append(WandbRun(settings, run_folder, identity, to_dict(config), "fit"))
    panels = settings.panels_every if draw is not None else 0
    return [_Report(asked, checkpoint, run_folder / PANELS, panels, draw)] if asked or panels else []


class _Report(keras.callbacks.Callback):
    def __init__(self, asked, checkpoint: Path, panels: Path, every: int, draw):
        super().__init__()
        self.asked, self.checkpoint, self.panels, self.every, self.draw = asked, checkpoint, panels, every, draw

    def on_train_begin(self, logs=None):
        history = read_checkpoint(self.checkpoint).history
        pictures = {int(path.stem.rpartition("-")[2]): path for path in self.panels.glob("epoch-[0-9]*.png")}
        for epoch in [number for number in pictures if number > len(history)]:
            pictures.pop(epoch).unlink()  # of an earlier run, or of an epoch that will be trained again
        for tracker in self.asked:
            tracker.begin(history, pictures)

    def on_epoch_end(self, epoch, logs=None):
        values = {name: float(value) for name, value in logs.items()}
        for tracker in self.asked:
            tracker.tell(epoch + 1, values)
        if self.every and (epoch + 1) % self.every == 0:
            picture = self.draw(self.model)
            write_png(self.panels / f"epoch-{epoch + 1:03d}.png", picture)
            for tracker in self.asked:
                tracker.show(epoch + 1, picture)

    def on_train_end(self, logs=None):
        for tracker in self.asked:
            tracker.end()
