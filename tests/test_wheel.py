"""The package as people install it: a wheel, in a folder without the source."""

import ast
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from kerasfusion import errors

pytestmark = pytest.mark.commands

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "kerasfusion"

OF_BOTH = {"configs/REFERENCE.md", "tools/constraints.txt"}
OF_ROADWORK = OF_BOTH | {
    "configs/roadwork.yaml",
    "configs/miner/service.yaml",
    "configs/miner/inception_fusion_roadwork.yaml",
    "tools/colab.ipynb",
}
OF_FUME = (
    OF_BOTH
    | {"configs/fume/fume_fastscnn.yaml", "tools/colab_fume.ipynb"}
    | {f"configs/fume/ablations/{path.name}" for path in (REPOSITORY / "configs/fume/ablations").iterdir()}
)
SHIPPED = OF_ROADWORK | OF_FUME

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
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("kerasfusion", "configs", "tools"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
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


def files(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_file_of_the_package_and_what_it_ships(installed):
    assert files(installed / "kerasfusion") == files(PACKAGE) | {f"shipped/{name}" for name in SHIPPED}
    for name in SHIPPED:
        assert (installed / "kerasfusion" / "shipped" / name).read_bytes() == (REPOSITORY / name).read_bytes()


@pytest.mark.parametrize(("system", "written"), [("roadwork", OF_ROADWORK), ("fume", OF_FUME)])
def test_init_writes_what_a_guide_speaks_of(installed, tmp_path, system, written):
    done = run(installed, tmp_path, "-m", "kerasfusion", "init", "work", "--system", system)
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "work") == written
    for name in written:
        assert (tmp_path / "work" / name).read_bytes() == (REPOSITORY / name).read_bytes()
    guide = next(line for line in done.stdout.splitlines() if line.startswith("guide: "))
    assert Path(guide.removeprefix("guide: ")) == installed / "kerasfusion" / system / "README.md"


def test_a_wheel_made_of_the_source_distribution_is_the_same(installed, tmp_path):
    """What `python -m build` does."""
    source = installed.parent / "source"
    build = "from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {build}", tmp_path], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / done.stdout.splitlines()[-1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= SHIPPED
    assert {f"kerasfusion/{name}" for name in files(PACKAGE)} <= names


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


SPEAKING_OF_IT = ("errors.py", "shipped.py", "init.py")
"""What speaks of the source only where it is there, and what ships files of tools/."""


def test_no_other_message_speaks_of_the_source():
    speaking = [
        f"{path.relative_to(PACKAGE)}: {text}"
        for path in PACKAGE.rglob("*.py")
        for text in printed(ast.parse(path.read_text(encoding="utf-8")))
        if re.search(r"tools/|install -e|folder of the source", text) and path.name not in SPEAKING_OF_IT
    ]
    assert speaking == []


def printed(tree):
    """The strings of a source that are no docstrings, and the help of commands, which is one."""
    remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in remarks:
            yield node.value
        elif isinstance(node, ast.FunctionDef) and node.decorator_list:
            yield ast.get_docstring(node) or ""


def test_the_version_is_the_newest_of_the_changelog(installed, tmp_path):
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    done = run(installed, tmp_path, "-m", "kerasfusion", "--version")
    assert done.stdout.split()[-1] == newest[1]
