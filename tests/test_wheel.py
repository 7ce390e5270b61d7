"""The package as people install it: a wheel, in a folder without the source."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kerasfusion import errors

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "kerasfusion"

EVERY_HELP = """
import click, kerasfusion
from click.testing import CliRunner
from kerasfusion.cli.main import main

def ask(command, words):
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0, (words, result.output, result.exception)
    print(*words)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            ask(command.get_command(context, name), [*words, name])

ask(main, [])
print(kerasfusion.__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with nothing but the wheel's content."""
    work = tmp_path_factory.mktemp("wheel")
    source, target = work / "source", work / "target"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    shutil.copytree(PACKAGE, source / "kerasfusion", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-build-isolation", *offline, "-w", work, source], check=True)
    (wheel,) = work.glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--target", target, wheel], check=True)
    return target


def run(installed, work, *command):
    """A Python that sees the wheel, and not the source."""
    environment = {"PYTHONPATH": str(installed), "PATH": "", "HOME": str(work), "SYSTEMROOT": ""}
    return subprocess.run([sys.executable, *command], cwd=work, env=environment, capture_output=True, text=True)


def test_the_wheel_holds_every_file_of_the_package_but_the_guides(installed):
    def files(folder):
        return {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".md"
        }

    assert files(installed / "kerasfusion") == files(PACKAGE)


def test_every_command_answers_to_help(installed, tmp_path):
    done = run(installed, tmp_path, "-c", EVERY_HELP)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert {"precompute", "miner serve", "data import", "miner check"} <= set(lines)
    assert Path(lines[-1]).is_relative_to(installed)


def test_the_wheel_says_how_to_get_an_extra_without_the_source(installed, tmp_path):
    done = run(installed, tmp_path, "-c", "from kerasfusion.errors import require; require('nowhere', extra='yolo')")
    assert done.stderr.splitlines()[-1] == f'  what to do: {sys.executable} -m pip install "kerasfusion[yolo]"'


@pytest.mark.parametrize(("extra", "wanted"), [("", "kerasfusion"), ("train", "kerasfusion[train]")])
def test_with_and_without_source(monkeypatch, tmp_path, extra, wanted):
    assert "-c tools/constraints.txt -e " in errors.install_command(extra)
    monkeypatch.setattr(errors, "CONSTRAINTS", tmp_path / "constraints.txt")
    assert errors.install_command(extra) == f'{sys.executable} -m pip install "{wanted}"'
    assert "source" not in errors.install_hint(extra)


def test_no_other_message_speaks_of_the_source():
    speaking = [
        f"{path.relative_to(PACKAGE)}: {words}"
        for path in PACKAGE.rglob("*.py")
        for words in ("tools/constraints", "tools/demo", "install -e", "folder of the source")
        if words in path.read_text(encoding="utf-8") and path.name != "errors.py"
    ]
    assert speaking == []
