"""A run of Weights & Biases: the one file that uses wandb (optional), and only inside functions."""

import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasfusion.errors import KerasFusionError, RequestError, first_line, require
from kerasfusion.files.writing import write_text
from kerasfusion.trackers.login import wandb_mode
from kerasfusion.trackers.settings import Tracking

PICTURE = "samples"
ADVICE = "`wandb login`, or wandb_mode: offline, which keeps it in the run folder for `wandb sync`"


def refuse_unusable(settings: Tracking) -> None:
    """Stop before long work that could not be reported.

    Raises:
        RequestError: wandb is asked for and not installed, or nobody is logged in.
    """
    if not settings.wandb:
        return
    wandb = require("wandb", extra="wandb")
    if wandb_mode(settings) == "online" and not wandb.login(prompt=False):
        raise RequestError("Weights & Biases: nobody is logged in", where="wandb_mode: online", todo=ADVICE)


class WandbRun:
    """Metrics and pictures of each epoch, once each, also where the training was killed and gone on with.

    Online, what the server has is not sent again. Offline nothing can be added to an earlier process's folder: it is
    replaced by one with all epochs.

    Args:
        settings: what `tracking` says.
        folder: the run's; its wandb/ takes what is kept locally.
        identity: file that holds the id under which the run goes on.
        config: the settings that are shown with the run, a JSON value.
        job: what is trained: "fit" or "train-yolo".
    """

    def __init__(self, settings: Tracking, folder: Path, identity: Path, config: dict[str, Any], job: str):
        self._settings, self._folder, self._identity = settings, folder, identity
        self._config, self._job = config, job

    def begin(self, history: Sequence[Mapping[str, float]], pictures: Mapping[int, Path]) -> None:
        """Open the run and tell it of the finished epochs that it does not know.

        Args:
            history: one mapping for each epoch that was finished before; without any it is a new run.
            pictures: their PNGs by epoch.

        Raises:
            RequestError: wandb is not installed, or nobody is logged in.
            KerasFusionError: the server cannot be reached.
        """
        known = self._identity.read_text(encoding="utf-8") if self._identity.exists() else None
        name = known if known and history else f"{self._folder.name}-{secrets.token_hex(4)}"
        write_text(self._identity, name)
        self._run = self._open(name)
        self._earlier = known if self._run.offline else None
        self._remove_earlier()
        self._first = self._run.starting_step
        for values in history:
            epoch = int(values["epoch"])
            self.tell(epoch, {key: value for key, value in values.items() if key != "epoch"})
            if epoch in pictures:
                self._log(epoch, {PICTURE: self._wandb.Image(str(pictures[epoch]))})

    def tell(self, epoch: int, values: Mapping[str, float]) -> None:
        """Send the metrics of an epoch, which counts from 1."""
        self._log(epoch, {**values, "epoch": epoch})

    def show(self, epoch: int, picture: np.ndarray) -> None:
        """Send a picture of an epoch: (H, W, 3) uint8."""
        self._log(epoch, {PICTURE: self._wandb.Image(picture)})

    def end(self) -> None:
        """Wait until everything is written or sent."""
        self._run.finish()
        self._wandb.teardown()  # its own process may still be writing, also for a run that was killed
        self._remove_earlier()

    def _log(self, epoch: int, values: Mapping[str, Any]) -> None:
        if epoch >= self._first:
            self._run.log(values, step=epoch)

    def _open(self, name: str):
        self._wandb = require("wandb", extra="wandb")
        settings = self._settings
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            return self._wandb.init(
                project=settings.project,
                entity=settings.entity,
                tags=list(settings.tags),
                name=self._folder.name,
                job_type=self._job,
                config=self._config,
                dir=str(self._folder),
                id=name,
                # None leaves it to WANDB_MODE.
                mode=None if settings.wandb_mode == "online" else settings.wandb_mode,
                resume="allow",
                reinit="finish_previous",
                settings=self._wandb.Settings(console="off", silent=True),
            )
        except self._wandb.UsageError as error:
            raise RequestError(f"Weights & Biases: {first_line(error)}", todo=ADVICE) from error
        except self._wandb.Error as error:
            raise KerasFusionError(f"Weights & Biases: {first_line(error)}", todo=ADVICE) from error

    def _remove_earlier(self) -> None:
        """Remove the folders that this one stands for."""
        if self._earlier is None:
            return
        current = Path(self._run.sync_dir).name
        for older in (self._folder / "wandb").glob(f"offline-run-*-{self._earlier}*"):
            if older.name != current:
                shutil.rmtree(older)
