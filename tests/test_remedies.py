"""What our errors advise is followed word by word, and then the command that failed works."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from kerasfusion.cli.main import main
from kerasfusion.config import to_yaml
from kerasfusion.formats.opening import FORMATS
from kerasfusion.fume.ablate import job
from kerasfusion.roadwork.scenes.street import write_dataset
from tests.fume.ablate.ablation_material import configured, write_config, write_evaluation, write_run, write_training
from tests.fume.fit.training_material import write_set

pytestmark = [pytest.mark.trains, pytest.mark.usefixtures("yolo_in_this_process")]


def invoke(*arguments, code=None):
    """A command in this process; its output."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    if code is not None:
        assert result.exit_code == code, result.output
    return result


def follow(error: str, arguments: list, writers: dict[str, list]) -> list:
    """Do what an error says; returns the command that failed, as the error says to give it now.

    Args:
        error: what was printed.
        arguments: of the command.
        writers: {what an advice calls a command, or the file that it writes: its whole command line}.
    """
    todo = re.search(r"^  what to do: (.*)$", error, re.MULTILINE)[1]
    where = Path(re.search(r"^  where: (\S+)", error, re.MULTILINE)[1])
    if folder := re.search(r"delete the folder (\S+[^\s,;:])", todo):
        shutil.rmtree(folder[1])
    elif "delete this one" in todo:
        shutil.rmtree(where)
    elif "delete it" in todo or "delete this file" in todo:
        where.unlink(missing_ok="if it is there" in todo)
    if "--restart" in todo:
        return [*arguments, "--restart"]
    if "the command that wrote it" in todo and where.name in writers:
        invoke(*writers[where.name], code=0)
    elif "kerasfusion export RUN --format FORMAT" in todo:
        invoke("export", where.parent, "--format", next(name for name, end in FORMATS.items() if end == where.suffix))
    elif "the command that trained, run again" in todo:
        invoke(*writers["fit"], code=0)
    elif literal := re.search(r"kerasfusion (evaluate (\S+) --data (\S+))$", todo):
        invoke(*literal[1].split(), code=0)
    elif named := next((name for name in writers if re.search(rf"\b{re.escape(name)}\b", todo)), None):
        invoke(*writers[named], code=0)
    return arguments


def walk(arguments: list, writers: dict[str, list], rounds: int = 1) -> None:
    """The command fails; after its advice was followed, at most so often, it works."""
    for _ in range(rounds):
        failed = invoke(*arguments)
        assert failed.exit_code == 2, failed.output
        arguments = follow(failed.output, arguments, writers)
    invoke(*arguments, code=0)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def put(text: str):
    return lambda path: path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def toy(fitted, make_config, yolo_weights, tmp_path_factory):
    """A finished and evaluated run that the tests may damage: {name of a part: its path or command line}."""
    root = tmp_path_factory.mktemp("remedies")
    for name in ("runs", "cache", "pixels"):
        shutil.copytree(fitted.runs_folder.parent / name, root / name)
    shutil.copytree(yolo_weights.parent, root / "yolo")
    config = make_config(root, f"yolo.weights={root / 'yolo' / 'best.pt'}")
    settings, run = root / "settings.yaml", config.run_folder
    shutil.copytree(root / "yolo", run / "yolo")
    settings.write_text(to_yaml(config), encoding="utf-8")
    scene = next(config.data.root.rglob("*.jpg"))
    own = ["-c", settings]
    commands = {
        "precompute": ["precompute", *own],
        "fit": ["fit", *own],
        "evaluate": ["evaluate", run / "fusion.keras", *own],
        "report": ["report", run],
        "predict": ["predict", run / "fusion.keras", scene],
        "export": ["export", run / "trained_parts.keras"],
        "train anew": ["fit", *own, "--restart"],
    }
    commands["config.yaml"] = commands["environment.json"] = commands["fit"]
    invoke(*commands["evaluate"], code=0)
    return root, run, commands


RECORDS = [
    ("metrics.json", put('{"test": []}'), ("evaluate", "report")),
    ("evaluated.json", put('{"test": []}'), ("evaluate", "report")),
    ("predictions_test.csv", cut, ("report",)),
    ("predictions_test.csv", flip, ("report",)),
    ("latency.json", put("[]"), ("report",)),
    ("environment.json", put('{"packages": []}'), ("report",)),
    ("config.yaml", put("seed: ["), ("report",)),
    ("history.csv", put("epoch,loss\n1,0.5,9\n"), ("evaluate",)),
]


@pytest.mark.parametrize(("name", "damage", "commands"), RECORDS, ids=[f"{row[0]}-{row[2][-1]}" for row in RECORDS])
def test_records_of_a_run(toy, without_figures, name, damage, commands):
    _, run, known = toy
    for command in commands:
        damage(run / name)
        walk(known[command], known)


TRAINED = [
    ("fusion.keras", flip, "evaluate"),
    ("trained_parts.keras", cut, "export"),
    ("yolo/training.json", put("[]"), "report"),
    ("checkpoints/*.npz", flip, "fit"),
    ("checkpoints/settings.json", put("{"), "fit"),
    ("../../pixels/*.npy", flip, "train anew"),
]


@pytest.mark.parametrize(("pattern", "damage", "command"), TRAINED, ids=[f"{row[0]}-{row[2]}" for row in TRAINED])
def test_what_a_training_leaves(toy, monkeypatch, without_figures, pattern, damage, command):
    _, run, known = toy
    if command in ("fit", "train anew"):  # composing it again takes most of a fit
        monkeypatch.setattr("kerasfusion.roadwork.fit.job.export", lambda *given: None)
    if "pixels" in pattern:  # made anew: others that share the material may have kept theirs beside them
        shutil.rmtree(run / "../../pixels")
        invoke(*known[command], code=0)
    damage(min(run.glob(pattern)))
    walk(known[command], known)


CACHED = [
    ("cache/manifest.json", cut, "fit"),
    ("cache/shards/val-*", flip, "fit"),
    ("cache/shards/val-*", cut, "precompute"),
]


@pytest.mark.parametrize(("pattern", "damage", "command"), CACHED, ids=[f"{row[0]}-{row[2]}" for row in CACHED])
def test_the_branch_cache(toy, pattern, damage, command):
    root, _, known = toy
    path = next(iter(sorted(root.glob(pattern))))
    damage(path)
    walk(known[command], known)


@pytest.mark.parametrize("suffix", [end for end in FORMATS.values() if end != ".keras"])
def test_an_export(toy, suffix):
    _, run, known = toy
    (run / f"fusion{suffix}").write_bytes(b"the beginning of an export")
    walk(["predict", run / f"fusion{suffix}", known["predict"][-1]], known)


def test_an_import(tmp_path):
    write_dataset(tmp_path / "scenes", {"train": 4}, seed=0)
    command = ["data", "import", tmp_path / "scenes", tmp_path / "out"]
    invoke(*command, code=0)
    for damage in (cut, put("[]"), put('{"format": 2}')):
        damage(tmp_path / "out" / "import.json")
        walk(command, {})


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("checkpoints/state.npz", cut),
        ("checkpoints/state.npz", flip),
        ("checkpoints/settings.json", put("{}")),
        ("metrics.json", put('{"test": []}')),
        ("ablation.json", put("[]")),
        ("ablation.json", put("{NaN}")),
    ],
)
def test_a_run_of_an_ablation(tmp_path, monkeypatch, name, damage):
    root = write_set(tmp_path / "data", {"train": 6, "val": 3, "test": 3})
    config = configured(root, "main")
    write_run(config)
    file = write_config(tmp_path, config)

    def start(arguments, quiet_stdout):
        (write_training if arguments[0] == "fit" else write_evaluation)(config)
        return 0

    monkeypatch.setattr(job, "start", start)
    command = ["ablate", file, "--out", tmp_path / "out", "--json"]
    whole = json.loads((config.run_folder / "metrics.json").read_text())
    damage(config.run_folder / name)
    walk(command, {})
    assert json.loads((config.run_folder / "metrics.json").read_text()) == whole
