"""Every command that reads photos, run on one folder, with what it answered by the photos' names."""

import csv
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.images.listing import list_photos
from kerasfusion.roadwork.precompute.branch_cache import read_cache
from tests.material.photo_reader import ReadingBranches, RecordedExport, level_of, save_photo_reader

PHOTOS_ALONE = ("--set", "views.count=0")
COMMANDS = ("predict", "data check", "data import", "data split", "precompute", "evaluate", "export")


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    Attributes:
        code: its exit code.
        output: all that it printed.
        count: photos of test/ and, of `data import` and `data split`, train/ that it took; None where it failed.
        answers: {file name: P(roadwork)}, of the commands that answer.
    """

    code: int
    output: str
    count: int | None = None
    answers: dict[str, float] = field(default_factory=dict)


def invoke(*arguments) -> Outcome:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Outcome(result.exit_code, result.output)


class PhotoCommands:
    """The commands, with a tiny model, and nothing drawn or exported.

    Args:
        folder: for the model and for what is written.
        vit: a ViT folder.
        patch: undone by the test.
    """

    def __init__(self, folder: Path, vit: Path, patch: pytest.MonkeyPatch):
        self._folder, self._vit, self._runs = folder, vit, 0
        self._model = save_photo_reader(folder / "fusion.keras")
        (folder / "best.pt").write_bytes(b"stands in for weights")
        self._recorded = RecordedExport()
        patch.setattr("kerasfusion.roadwork.export.job.convert", self._recorded)
        patch.setattr("kerasfusion.roadwork.precompute.job.Branches", ReadingBranches)
        patch.setattr("kerasfusion.roadwork.evaluate.job.draw_figures", lambda result, folder: None)

    def run(self, command: str, root: Path) -> Outcome:
        """Run one of COMMANDS on an imagefolder."""
        self._runs += 1
        out = self._folder / f"out{self._runs}"
        return getattr(self, f"_{command.replace(' ', '_')}")(root, out)

    def _predict(self, root, out):
        done = invoke("predict", self._model, root / "test", "--json")
        rows = [json.loads(line) for line in done.output.splitlines() if line.startswith('{"image"')]
        answers = {Path(row["image"]).name: row["p_roadwork"] for row in rows if row["error"] is None}
        return Outcome(done.code, done.output, len(answers), answers)

    def _data_check(self, root, out):
        done = invoke("data", "check", root, "--json")
        told = done.output[done.output.find("{\n") :]
        count = sum(json.loads(told)["counts"]["test"].values()) if told.startswith("{") else None
        return Outcome(done.code, done.output, count)

    def _data_import(self, root, out):
        return self._copied(invoke("data", "import", f"imagefolder:{root}", out), out)

    def _data_split(self, root, out):
        return self._copied(invoke("data", "split", root, out, "--val", "0"), out)

    def _precompute(self, root, out):
        own = ("--cache", out, "--vit", self._vit, "--yolo", self._folder / "best.pt")
        done = invoke("precompute", "--data", root, "--split", "test", *own, *PHOTOS_ALONE)
        records = read_cache(out, ["test"]).values() if done.code == 0 else ()
        answers = {Path(record.sample_id).name: float(record.vit_probs[0, 1]) for record in records}
        return Outcome(done.code, done.output, len(answers), answers)

    def _evaluate(self, root, out):
        done = invoke("evaluate", self._model, "--data", root, "--out", out, *PHOTOS_ALONE)
        if done.code:
            return done
        with (out / "predictions_test.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["fusion"]]
        answers = {Path(row["sample_id"]).name: float(row["fusion"]) for row in rows}
        return Outcome(done.code, done.output, len(answers), answers)

    def _export(self, root, out):
        self._recorded.pictures = None
        done = invoke("export", self._model, "--format", "onnx", "--samples", root / "test", "--out", out / "m.onnx")
        pictures = self._recorded.pictures
        if pictures is None:
            return done
        left_out = {Path(name).name for name in re.findall("unreadable, left out: (.+?): ", done.output)}
        listed = (path.name for path in list_photos(root / "test").photos(root / "test"))
        names = [name for name in listed if name not in left_out]
        answers = dict(zip(names, level_of(pictures) / 255, strict=True))
        return Outcome(done.code, done.output, len(answers), answers)

    def _copied(self, done: Outcome, out: Path) -> Outcome:
        found = [path for path in out.rglob("*") if path.is_file() and path.parent.name in ("no_roadwork", "roadwork")]
        return Outcome(done.code, done.output, len(found) if done.code == 0 else None)
