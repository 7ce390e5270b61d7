"""Installed packages against what is asked for."""

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from kerasfusion.errors import install_command
from kerasfusion.machine.findings import MISSING, OK, WARNING
from kerasfusion.machine.packages import (
    Declared,
    Package,
    check_packages,
    declared,
    find_conflicts,
    installed_packages,
    lacks_extra,
    missing_of,
)

CONFIG = """
[options]
python_requires = >=3.11,<3.14
install_requires =
    numpy >= 2.4
    # a comment
    pillow >= 13.0
[options.extras_require]
wandb =
    wandb >= 0.31
all =
    kerasfusion[wandb]
"""


@pytest.fixture
def asked():
    return Declared(
        SpecifierSet(">=3.11"), [Requirement("numpy>=2.4")], {"wandb": [Requirement("wandb>=0.31")], "train": []}
    )


def rows_of(asked, packages):
    return {finding.about: finding for finding in check_packages(asked, packages)}


def test_setup_cfg_is_read(tmp_path):
    (tmp_path / "setup.cfg").write_text(CONFIG)
    found = declared(tmp_path / "setup.cfg")
    assert [str(each) for each in found.base] == ["numpy>=2.4", "pillow>=13.0"]
    assert [str(each) for each in found.extras["wandb"]] == ["wandb>=0.31"]
    assert found.python.contains("3.12.1")
    assert not found.python.contains("3.14")


def test_metadata_says_it_without_the_source(tmp_path):
    found = declared(tmp_path / "gone")
    assert "tensorflow" in [each.name for each in found.base]
    assert "wandb" not in [each.name for each in found.base]
    assert [each.name for each in found.extras["wandb"]] == ["wandb"]


def test_an_extra_of_a_wheel_lacks_what_is_not_installed(tmp_path):
    """Its metadata marks each line with the extra; that is no reason to pass it over."""
    found = declared(tmp_path / "gone")
    names = {each.name.lower() for each in found.extras["serve"]}
    assert names == {"fastapi", "uvicorn", "python-multipart", "prometheus-client"}
    assert len(missing_of(found.extras["serve"], {})) == len(names)
    assert missing_of(found.extras["wandb"], {}) == ["wandb is missing"]
    assert missing_of(found.extras["wandb"], {"wandb": Package("0.1")})[0].startswith("wandb is 0.1, needs >=")
    assert missing_of(found.extras["yolo"], {"ultralytics": Package("99.0"), "torch": Package("99.0")}) == []


def test_missing_and_old_packages_are_named(asked):
    rows = rows_of(asked, {})
    assert (rows["packages"].status, rows["packages"].found) == (MISSING, "numpy is missing")
    assert rows["extra wandb"].status == WARNING
    assert rows["extra wandb"].todo.endswith('pip install -c tools/constraints.txt -e ".[wandb]"')
    rows = rows_of(asked, {"numpy": Package("2.3.9"), "wandb": Package("0.31")})
    assert rows["packages"].found == "numpy is 2.3.9, needs >=2.4"
    assert rows["extra wandb"].status == OK


def test_python_is_checked(asked):
    old = Declared(SpecifierSet("<3"), asked.base)
    assert rows_of(old, {"numpy": Package("2.4")})["Python"].status == MISSING


def test_an_extra_that_lacks_something_names_the_command(asked):
    assert lacks_extra("train", asked, {}) is None
    need = lacks_extra("wandb", asked, {})
    assert (need.missing, need.todo) == ("wandb is missing", install_command("wandb"))


def test_conflicts_between_packages_as_pip_check_finds_them():
    packages = {
        "one": Package("1.0", ("two<2", "three; sys_platform == 'nowhere'", "four; extra == 'more'", "not a name !")),
        "two": Package("2.1", ("One-Missing>=3",)),
    }
    assert find_conflicts(packages) == ["one 1.0: two is 2.1, needs <2", "two 2.1: One-Missing is missing"]
    assert rows_of(Declared(SpecifierSet(">=3"), []), packages)["conflicts"].status == WARNING


@pytest.mark.parametrize(
    ("torch", "vision", "status"),
    [
        ("2.15.0", "0.29.2", OK),
        ("2.15.0+cpu", "0.29.2+cpu", OK),
        ("2.15.0+cpu", "0.29.2", WARNING),
        ("2.14.0", "0.29.2", WARNING),
    ],
)
def test_torch_and_torchvision_must_be_a_pair(torch, vision, status):
    packages = {"torch": Package(torch), "torchvision": Package(vision, ("torch==2.15.0",))}
    assert rows_of(Declared(SpecifierSet(">=3"), []), packages)["torch pair"].status == status


def test_this_environment_is_seen():
    assert installed_packages()["numpy"].version


def test_tensorflow_may_be_its_build_without_gpus():
    asked = [Requirement("tensorflow>=2.18")]
    assert missing_of(asked, {"tensorflow-cpu": Package("2.20.0")}) == []
    assert missing_of(asked, {"tensorflow-cpu": Package("2.17.0")}) == ["tensorflow is 2.17.0, needs >=2.18"]
    assert missing_of(asked, {"tensorflow-datasets": Package("4.9")}) == ["tensorflow is missing"]
    assert missing_of(asked, {"tensorflow": Package("2.17.0"), "tensorflow-cpu": Package("2.20.0")}) != []


def test_what_is_asked_for_on_another_python_is_not_missing():
    lines = [Requirement('nowhere>=2; python_version < "3"'), Requirement('here>=1; python_version >= "3"')]
    assert missing_of(lines, {}) == ["here is missing"]
