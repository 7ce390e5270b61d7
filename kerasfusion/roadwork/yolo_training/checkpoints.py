"""The state of a YOLO training after its last whole epoch, so that a killed run can go on."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasfusion.errors import RequestError
from kerasfusion.files.json_yaml import read_json
from kerasfusion.files.run_folder import differences
from kerasfusion.roadwork.yolo_training.epochs import Epoch


class Checkpoints:
    """The state after the last whole epoch, kept so that a kill at any moment leaves a readable one.

    Ultralytics writes last.pt, best.pt and results.csv in place, one after the other.
    """

    def __init__(self, work: Path, request: dict[str, Any]):
        self.session = work / "session"
        self.epoch = 0
        self._work, self._request = work, request

    def newest(self) -> Path | None:
        """The newest checkpoint, if there is one; `epoch` is then its number. Nothing is changed.

        Raises:
            KerasFusionError: what it was asked for cannot be read.
            RequestError: it is of a training that was asked for in another way.
        """
        newest = max(self._work.glob("epoch-*"), default=None)
        if newest is not None:
            refuse_other(
                self._work,
                read_json(newest / "request.json", todo=f"delete the folder {self._work}") or {},
                self._request,
            )
            self.epoch = int(newest.name.removeprefix("epoch-"))
        return newest

    def restore(self) -> bool:
        """Put the newest checkpoint back into `session`; False starts anew, in an empty folder."""
        newest = self.newest()
        for path in [self.session, self._work / "tree", *self._work.glob("new-*")]:
            shutil.rmtree(path, ignore_errors=True)
        (self.session / "weights").mkdir(parents=True)
        if newest is None:
            return False
        shutil.copytree(newest / "weights", self.session / "weights", dirs_exist_ok=True)
        shutil.copyfile(newest / "results.csv", self.session / "results.csv")
        return True

    def save(self, epoch: Epoch) -> None:
        """Keep what `session` holds. The last epoch is not kept: ultralytics cannot resume after it."""
        if epoch.number == epoch.epochs:
            return
        older = list(self._work.glob("epoch-*"))
        new = self._work / f"new-{epoch.number:05d}"
        shutil.copytree(self.session / "weights", new / "weights")
        shutil.copyfile(self.session / "results.csv", new / "results.csv")
        (new / "request.json").write_text(json.dumps(self._request), encoding="utf-8")
        new.rename(self._work / f"epoch-{epoch.number:05d}")
        for path in older:
            shutil.rmtree(path)

    def clean(self) -> None:
        """Remove the pictures and the session, and the rest too unless there is something to go on from."""
        finished = (self._work.parent / "best.pt").exists()  # what is written last
        if finished or not any(self._work.glob("epoch-*")):
            shutil.rmtree(self._work, ignore_errors=True)
        for path in (self._work / "tree", self.session):
            shutil.rmtree(path, ignore_errors=True)


def refuse_other(folder: Path, before: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    changes = differences(json.loads(json.dumps(request)), {key: before.get(key) for key in request})
    if changes:
        raise RequestError(
            "the run folder holds a YOLO training that was asked for in another way:\n"
            + "\n".join(f"  - {change}" for change in changes),
            where=folder,
            todo="set the same values again, set another name for the run, or delete this folder",
        )
