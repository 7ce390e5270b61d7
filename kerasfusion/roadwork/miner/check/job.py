"""Try an installed detector in the miner's own Python."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pydantic

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.files.json_yaml import read_json
from kerasfusion.formats.measuring import model_parts
from kerasfusion.reporting import command_line, table
from kerasfusion.roadwork.detect.latency import drawn_photo, require_photo
from kerasfusion.roadwork.miner.check.launch import Launch, installed
from kerasfusion.roadwork.miner.check.their_requirements import LISTED, Need, parse_need, read_needs
from kerasfusion.roadwork.miner.check.version_conflicts import THE_SAME, find_conflicts, our_needs
from kerasfusion.roadwork.miner.plugin.detector_settings import DetectorSettings, model_file, read_detector_settings
from kerasfusion.roadwork.miner.plugin.layout import CONFIG, DETECTOR, Layout
from kerasfusion.roadwork.miner.plugin.miner_env import read_env
from kerasfusion.runtime_requirements import FRAMEWORK

_TRACEBACK = "Traceback (most recent call last):"
_MOST_LINES = 8
_PATIENCE_S = 900.0
"""How long the miner's Python may take: much more than imports and a large model on a slow disk do."""


class _Result(pydantic.BaseModel):
    """What `check_program` writes."""

    installed: dict[str, str]
    asked: list[tuple[str, str]]
    missing: str | None = None
    p_roadwork: float | None = None
    load_s: float | None = None
    answer_s: float | None = None


@dataclass(frozen=True)
class CheckResult:
    """What came of a check.

    Attributes:
        python: the interpreter that was used.
        config: the detector's YAML.
        service_url: that of the YAML.
        p_roadwork: the answer, or None.
        load_s: seconds until the detector was ready, its imports included.
        answer_s: seconds of the answer.
        error: why there is no answer, or None.
        todo: what to do about that, or None.
        conflicts: rows of `find_conflicts`.
        notes: what else a user should know.
    """

    python: Path
    config: Path
    service_url: str | None
    p_roadwork: float | None
    load_s: float | None
    answer_s: float | None
    error: str | None
    todo: str | None
    conflicts: list[dict]
    notes: list[str]


def check(root: Path, python: Path | None = None, image: Path | None = None) -> CheckResult:
    """Take the detector from the miner's registry, as its settings name it, and have it answer a photo.

    Args:
        root: top folder of the miner's source tree.
        python: its interpreter; None takes that of its venv/ or .venv/, else the one that runs this.
        image: the photo; None draws one of 1280 x 720 pixels.

    Raises:
        RequestError: no miner's tree, nothing installed in it, a wrong YAML, or no such model, interpreter or photo.
        KerasFusionError: the interpreter ends before the check begins, or does not come to its end.
    """
    require_photo(image)
    launch, notes = installed(root), []
    if launch.detector != DETECTOR:
        notes.append(
            f"miner.env names {launch.detector}: the miner would not answer with {DETECTOR} "
            f"({command_line(['kerasfusion', 'miner', 'install', root])} --write-env ...)"
        )
        launch = Launch(launch.layout, DETECTOR, CONFIG, launch.device)
    if not launch.layout.module.is_file():
        raise RequestError("nothing is installed", where=root, todo=_install_command(root))
    settings = read_detector_settings(launch.config_file)
    _refuse_missing_model(settings, launch)
    named, python = python is not None, python or _python_of(launch.layout.root)
    python = python.parent.resolve() / python.name  # not the file itself: a link to it is what makes an environment
    result, error = _run(launch, python, image)
    answered = (result.get(key) for key in ("p_roadwork", "load_s", "answer_s"))
    todo = _todo(launch.layout, python, named, result.get("missing")) if error else None
    conflicts = _conflicts(launch, result, _needs(settings, launch))
    return CheckResult(python, launch.config_file, settings.service_url, *answered, error, todo, conflicts, notes)


def as_text(result: CheckResult) -> str:
    """The result for a person, without the error."""
    lines = [f"python: {result.python}", f"settings: {result.config}"]
    if result.p_roadwork is not None:
        by = f"by {result.service_url}, " if result.service_url else ""
        lines.append(
            f"P(roadwork) {result.p_roadwork:.4f}, {by}loaded in {result.load_s:.1f} s, answered in "
            f"{1000 * result.answer_s:.0f} ms"
        )
    if result.conflicts:
        lines += ["versions that cannot be installed together:", table(result.conflicts), _advice(result)]
    return "\n".join([*lines, *(f"warning: {note}" for note in result.notes)])


def _advice(result: CheckResult) -> str:
    if result.service_url:
        return "They do not meet: the service has an environment of its own."
    apart = (
        "`kerasfusion miner serve MODEL` in an environment of its own, and `kerasfusion miner install PATH "
        "--service http://127.0.0.1:8100` here"
    )
    if result.error is None:
        return f"It answers with what is installed, but pip would not install both anew. To keep them apart: {apart}"
    return f"what to do: {apart}"


def _install_command(root: Path) -> str:
    return command_line(["kerasfusion", "miner", "install", root, "--model", "FILE"])


def _refuse_missing_model(settings: DetectorSettings, launch: Launch) -> None:
    """Before the miner's Python is started, which may take a minute."""
    if settings.service_url is not None:
        return
    for part in model_parts(model_file(settings, launch.config_file)):
        if not part.is_file():
            raise RequestError(
                "the model that the settings name is not there",
                where=part,
                expected=f"what {launch.config_file} names",
                todo=_install_command(launch.layout.root),
            )


def _todo(layout: Layout, python: Path, named: bool, missing: str | None) -> str | None:
    """What to do about an error, if it is one of a module that is missing or of a Python that was not named."""
    other = None if named else f"if {python} is not the miner's: --python PYTHON"
    if missing == "kerasfusion":
        return (
            f"install kerasfusion into {python} (pip install, and its wheel or the folder of its source), or keep it "
            "apart: "
            "`kerasfusion miner serve MODEL` and `kerasfusion miner install PATH --service http://127.0.0.1:8100`"
        )
    if missing is not None and missing.startswith("kerasfusion."):
        again = command_line(["kerasfusion", "miner", "install", layout.root])
        return (
            "the plug-in in the tree was written by another version of kerasfusion than the one that is installed in "
            f"{python}: run `{again} ...` again, with the options of that time"
        )
    if missing is None or any((layout.root / f"{missing.split('.')[0]}{end}").exists() for end in ("", ".py")):
        return other
    lists = [name for name in (LISTED, "pyproject.toml") if (layout.root / name).is_file()]
    listed = f", which {lists[0]} lists," if lists else ""
    return f"install the miner's own packages{listed} into {python}, or name the miner's Python: --python PYTHON"


def _python_of(root: Path) -> Path:
    for name in ("venv", ".venv"):
        for python in (root / name / "bin" / "python", root / name / "Scripts" / "python.exe"):
            if python.exists():
                return python
    return Path(sys.executable)


def _run(launch: Launch, python: Path, image: Path | None) -> tuple[dict, str | None]:
    """What `check_program` wrote, and its error."""
    root = launch.layout.root
    program = files("kerasfusion.roadwork.miner.check").joinpath("check_program.py").read_text(encoding="utf-8")
    variables = read_env(launch.layout.env) if launch.layout.env.exists() else {}
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as folder:
        photo, request, result = (Path(folder, name) for name in ("photo", "request.json", "result.json"))
        photo.write_bytes(drawn_photo() if image is None else image.read_bytes())
        asked = {"package": launch.layout.package, "detector": launch.detector, "config": launch.config}
        asked |= {"device": launch.device, "image": str(photo), "names": [*our_needs(), *THE_SAME]}
        request.write_text(json.dumps(asked), encoding="utf-8")
        try:
            process = subprocess.run(
                [python, "-c", program, request, result],
                cwd=root,
                env={**os.environ, **variables, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PATIENCE_S,
            )
        except OSError as error:
            raise RequestError(
                f"cannot run this Python: {error.strerror}",
                where=python,
                expected="the program file of the Python that the miner runs in",
                todo=f"name it with --python, such as --python {root / 'venv' / 'bin' / 'python'}",
            ) from error
        except subprocess.TimeoutExpired as error:
            alone = command_line([python, "-c", f"import {launch.layout.package}.detectors"])
            raise KerasFusionError(
                f"the miner's Python gave no answer in {_PATIENCE_S:.0f} s, and was ended",
                where=python,
                todo=f"see whether the miner's own modules wait for something: in {root}, {alone}",
            ) from error
        if not result.is_file():
            raise KerasFusionError("the check did not start:\n" + _error_text(process.stderr), where=python)
        found = read_json(result, _Result, "run it again; the miner's Python has ended before its answer was whole")
    return found, _error_text(process.stderr) if "p_roadwork" not in found else None


def _needs(settings: DetectorSettings, launch: Launch) -> dict[str, Need]:
    """What the plug-in asks for: TensorFlow and Keras only where the model is a `.keras` file."""
    is_export = settings.service_url is None and model_file(settings, launch.config_file).suffix != ".keras"
    return {name: need for name, need in our_needs().items() if not (is_export and name in FRAMEWORK)}


def _conflicts(launch: Launch, result: dict, ours: dict[str, Need]) -> list[dict]:
    installed_there = result["installed"]
    python = installed_there["python"]
    environment = {"python_full_version": python, "python_version": ".".join(python.split(".")[:2])}
    asked = [parse_need(line, name, environment) for name, line in result["asked"]]
    needs = read_needs(launch.layout.root) + [need for need in asked if need]
    return find_conflicts(needs, ours, installed_there)


def _error_text(text: str) -> str:
    """What the last exception says, without its places in the code; the last lines where there was none."""
    lines = text.strip().splitlines()
    if _TRACEBACK in lines:
        behind = lines[len(lines) - lines[::-1].index(_TRACEBACK) :]
        lines = list(itertools.dropwhile(lambda line: line[:1].isspace(), behind))[:_MOST_LINES]
    return "\n".join(f"  {line}" for line in lines[-_MOST_LINES:])
