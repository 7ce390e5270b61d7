"""The curve of a YOLO training, told to the trackers once it has ended."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from kerasfusion.config import to_dict
from kerasfusion.errors import KerasFusionError
from kerasfusion.files.csv_table import read_numbers
from kerasfusion.files.digests import file_sha256
from kerasfusion.files.json_yaml import read_json, write_json
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.trackers.wandb_run import WandbRun

COLUMNS = {"train/loss": "loss", "val/loss": "val_loss", "metrics/accuracy_top1": "val_accuracy"}
"""Of ultralytics' CSV -> what it is called here."""

WRITER = """
import json, sys
from pathlib import Path
from kerasfusion.trackers.event_files import EventFiles

files = EventFiles(Path(sys.argv[1]))
files.begin([], {})
for row in json.load(sys.stdin):
    files.tell(row.pop("epoch"), row)
"""


def tell_curve(config: RoadworkConfig, history: Path) -> None:
    """Write the event files, and report to Weights & Biases, as `tracking` says; once for a curve.

    Args:
        config: everything.
        history: what `train_yolo` left, one row an epoch; where it is gone, nothing is told.

    Raises:
        RequestError: wandb is not installed, or nobody is logged in.
        KerasFusionError: the history is damaged, the files cannot be written, or the server cannot be reached.
    """
    if not history.is_file():
        return
    settings, record = config.tracking, history.with_name("told.json")
    told = {"curve": file_sha256(history), "tracking": to_dict(settings)}
    if _remembered(record) == told:
        return
    rows = read_curve(history)
    if settings.tensorboard:
        _write_event_files(config.run_folder / "tensorboard" / "yolo", rows)
    if settings.wandb:
        identity = history.with_name("wandb_run.txt")
        run = WandbRun(settings, config.run_folder, identity, to_dict(config), "train-yolo")
        run.begin([], {})
        for row in rows:
            run.tell(row["epoch"], {name: value for name, value in row.items() if name != "epoch"})
        run.end()
    write_json(record, told)


def read_curve(history: Path) -> list[dict[str, float]]:
    """Epoch, loss, val_loss and val_accuracy of each row of ultralytics' CSV.

    Raises:
        DamagedError: it is damaged; names line and column.
    """
    todo = f"delete it (the weights stay good, their curve is lost), or the folder {history.parent} to train again"
    rows = read_numbers(history, "the training history", ("epoch", *COLUMNS), todo)
    return [{"epoch": int(row["epoch"]), **{ours: row[theirs] for theirs, ours in COLUMNS.items()}} for row in rows]


def _remembered(record: Path) -> dict[str, Any] | None:
    """What was told before; None where the file is damaged: it is only a memory, and telling again changes nothing."""
    try:
        return read_json(record)
    except KerasFusionError:
        return None


def _write_event_files(folder: Path, rows: list[dict[str, float]]) -> None:
    """In a process of its own: torch is loaded in this one, and a CUDA build of it does not get on with TensorFlow."""
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(folder)], input=json.dumps(rows), capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise KerasFusionError(f"the event files were not written: {last}", where=folder)
