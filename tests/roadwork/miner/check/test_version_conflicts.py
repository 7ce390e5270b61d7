"""Version ranges of a miner's tree, read and compared with ours."""

import pytest
from packaging.specifiers import SpecifierSet

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.miner.check.their_requirements import Need, parse_need, poetry_range, read_needs
from kerasfusion.roadwork.miner.check.version_conflicts import can_be_met, find_conflicts, our_needs


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.2.3", ["1.2.3", "1.99"], ["1.2.2", "2.0.0"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.2.2", "0.3.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("^1", ["1.0", "1.9"], ["2.0"]),
        ("^4.10.0.84", ["4.10.0.84", "4.11"], ["4.10.0.83", "5.0"]),
        ("~4.45.0", ["4.45.9"], ["4.46.0", "4.44"]),
        ("~1", ["1.9"], ["2.0"]),
        ("0.46.1", ["0.46.1"], ["0.46.2"]),
        (">=1.5,<2.0", ["1.9"], ["2.0"]),
        ("~=2.0.1", ["2.0.5"], ["2.1"]),
        ("*", ["0.1", "99"], []),
    ],
)
def test_poetrys_notation(text, inside, outside):
    versions = poetry_range(text)
    assert all(version in versions for version in inside)
    assert not any(version in versions for version in outside)


def test_a_tree_is_read_from_both_files(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nrequires-python = ">=3.10,<3.12"\ndependencies = ["NumPy>=2,<3", "x; sys_platform == \'none\'"]\n'
        '[project.optional-dependencies]\nminer = ["Pillow<11"]\n'
        '[tool.poetry.dependencies]\npython = "^3.9"\nkeras = {version = "~3.5", extras = ["a"]}\n'
        'y = {git = "https://example.org/y"}\nz = "^1 || ^2"\n'
    )
    (tmp_path / "requirements.miner.txt").write_text(
        "# packages\npyyaml>=6.0  # text\n-r other.txt\nhttps://example.org/a.whl\n\n"
        "async-substrate-interface>=1.5.6,<2.0.0 # a\n"
    )
    found = [(need.name, need.text, need.source) for need in read_needs(tmp_path)]
    assert found == [
        ("python", ">=3.10,<3.12", "pyproject.toml"),
        ("numpy", "<3,>=2", "pyproject.toml"),
        ("pillow", "<11", "pyproject.toml [miner]"),
        ("python", "^3.9", "pyproject.toml"),
        ("keras", "~3.5", "pyproject.toml"),
        ("pyyaml", ">=6.0", "requirements.miner.txt"),
        ("async-substrate-interface", "<2.0.0,>=1.5.6", "requirements.miner.txt"),
    ]
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(RequestError, match="not valid TOML"):
        read_needs(tmp_path)


def test_markers_are_those_of_the_miners_python():
    line = "numpy<2; python_version < '3.11'"
    assert parse_need(line, "a", {"python_version": "3.10"}).text == "<2"
    assert parse_need(line, "a", {"python_version": "3.12"}) is None
    assert parse_need("numpy<2; extra == 'dev'", "a") is None


def need(name, text):
    return Need(name, text, SpecifierSet(text), "tree")


def test_only_what_cannot_both_hold_is_a_conflict():
    ours = {each.name: each for each in [need("python", ">=3.11"), need("pillow", ">=13"), need("numpy", ">=2.4")]}
    theirs = [need("pillow", ">=10.4,<11"), need("numpy", ">=2,<3"), need("numpy", "~=2.0.1"), need("torch", "==2.2")]
    rows = find_conflicts(theirs, ours, {"python": "3.11.4", "pillow": "10.4.0"})
    assert [(row["package"], row["theirs"], row["ours"], row["installed there"]) for row in rows] == [
        ("numpy", "~=2.0.1 (tree)", ">=2.4", None),
        ("pillow", ">=10.4,<11 (tree)", ">=13", "10.4.0"),
    ]


@pytest.mark.parametrize(
    ("name", "versions", "is_one"),
    [
        ("tensorflow", "==2.17.0", True),
        ("tensorflow-cpu", "==2.17.0", True),
        ("tensorflow-cpu", ">=2.18,<3", False),
        ("tensorflow-datasets", "==2.17.0", False),
    ],
)
def test_another_build_of_a_package_is_compared_with_it(name, versions, is_one):
    ours = {each.name: each for each in [need("python", ">=3.10"), need("tensorflow", ">=2.18")]}
    rows = find_conflicts([need(name, versions)], ours, {"python": "3.11.4", name: "2.17.0"})
    assert [(row["package"], row["installed there"]) for row in rows] == [(name, "2.17.0")] * is_one


def test_a_python_that_this_package_does_not_run_on_is_one():
    ours = {"python": need("python", ">=3.11")}
    (row,) = find_conflicts([need("python", ">=3.10,<3.12")], ours, {"python": "3.10.13"})
    assert (row["package"], row["installed there"]) == ("python", "3.10.13")
    assert find_conflicts([need("python", "<3.11")], ours, {"python": "3.10.13"})[0]["theirs"] == "<3.11 (tree)"


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("", True),
        (">=2.18,<3", True),
        (">=3,<2.18", False),
        (">1.2,<1.3", True),
        (">1.2,<=1.2", False),
        (">=10.4,<11,>=10.0", True),
        (">=1,<2.0,!=1", True),
        ("==1.2,!=1.2", False),
        ("==1.2.*,<1.2", False),
        ("==1.2.*,>1.2.5", True),
        ("==1.2.*,<1.2.5", True),
        ("~=2.0.1,>=2.4", False),
        ("~=2.0.1,>=2.0.9", True),
        ("<0.1,>=0.0.5", True),
        ("<0", False),
        ("===odd", True),
    ],
)
def test_a_range_that_no_version_meets(text, possible):
    assert can_be_met(SpecifierSet(text)) is possible


def test_our_own_ranges_are_those_of_the_base_installation():
    ours = our_needs()
    assert {"python", "tensorflow", "keras", "pillow"} <= set(ours)
    assert "ultralytics" not in ours
