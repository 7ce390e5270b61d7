"""The environment of the oldest versions: what it is made of, and that the pins are the bounds that setup.cfg gives."""

import configparser
import importlib
import re
import shutil
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
TRIED = ("serve",)
"""Extras whose bounds are tried there, beside those of the base install."""


@pytest.fixture(autouse=True)
def tools_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))


def module(name):
    return importlib.import_module(f"bootstrap.{name}")


def pins():
    lines = (REPOSITORY / module("oldest").PINS).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in found}


def bounds():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    lists = [parser["options"]["install_requires"]]
    lists += [parser["options.extras_require"][extra] for extra in TRIED]
    asked = [Requirement(line) for text in lists for line in text.splitlines() if line.strip()]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix(">=") for each in asked}


def test_the_pins_are_the_bounds():
    """keras >= 3.5 is tried with 3.5.0, not with 3.5.1 or 3.6; and what setup.cfg asks for is all there."""

    def padded(text):
        return [*map(int, re.findall(r"\d+", text)), 0, 0, 0][:3]

    found = pins()
    assert {
        name: found.get(name) for name, bound in bounds().items() if padded(found.get(name, "")) != padded(bound)
    } == {}


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """Each step's command in place of its run, in a folder with the files that decide."""
    commands, oldest = [], module("oldest")
    for name in ("setup.cfg", oldest.PINS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    monkeypatch.setattr(oldest, "run_step", lambda label, command, **_: commands.append(command))
    monkeypatch.setattr(oldest.sys, "version_info", (3, 11, 7))
    return commands


def test_exactly_the_pins_are_installed_once(steps, tmp_path):
    oldest = module("oldest")
    python = oldest.ensure(tmp_path)
    assert python == tmp_path / ".venv-oldest" / "bin" / "python"
    assert steps[0][-2:] == ["venv", str(tmp_path / ".venv-oldest")]
    assert all("--no-deps" in command for command in steps[1:3])
    assert steps[1][-2:] == ["-r", "tools/constraints-oldest.txt"] and steps[2][-2:] == ["-e", "."]
    assert steps[3][-2:] == ["pip", "check"]

    steps.clear()
    oldest.ensure(tmp_path)
    assert steps == []

    with (tmp_path / oldest.PINS).open("a") as stream:
        stream.write("x==1\n")
    oldest.ensure(tmp_path)
    assert len(steps) == 4


def test_an_installation_that_failed_is_done_again(steps, tmp_path, monkeypatch):
    oldest, error = module("oldest"), module("steps").SetupError

    def fail(label, command, **_):
        raise error("no room")

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(oldest, "run_step", fail)
        oldest.ensure(tmp_path)
    oldest.ensure(tmp_path)
    assert len(steps) == 4


def test_a_python_without_builds_of_them_is_refused_with_one_that_has(monkeypatch, tmp_path):
    oldest = module("oldest")
    monkeypatch.setattr(oldest.sys, "version_info", (3, 12, 1))
    with pytest.raises(module("steps").SetupError, match="--oldest") as refused:
        oldest.ensure(tmp_path)
    assert refused.value.exit_code == 2
    assert not (tmp_path / ".venv-oldest").exists()


def test_the_tests_that_are_run_exist():
    assert [name for name in module("oldest").TESTS if not (REPOSITORY / name).exists()] == []
