"""README.md and the guides: what they link to, name and show is there, and what is there is in them."""

import ast
import re

import pytest

from tests.material import guide_reading
from tests.material.command_lines import ROOT
from tests.material.guide_reading import guides
from tests.test_imports import ROOMS

LONGEST = 160
"""Lines of README.md: one page."""

GUIDES = {path.relative_to(ROOT).as_posix(): path for path in guides()}
PACKAGE_GUIDE = "kerasfusion/README.md"


def text_of(name):
    return GUIDES[name].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GUIDES)
def test_links_and_their_headings_exist(name):
    assert guide_reading.wrong_links(text_of(name), GUIDES[name].parent) == []


@pytest.mark.parametrize("name", GUIDES)
def test_files_that_are_named_exist(name):
    assert guide_reading.missing_files(text_of(name)) == []


@pytest.mark.parametrize("name", GUIDES)
def test_command_lines_that_are_shown_parse(name):
    assert guide_reading.wrong_commands(text_of(name)) == []


@pytest.mark.parametrize("name", GUIDES)
def test_python_that_is_shown_imports_what_there_is(name):
    assert guide_reading.wrong_imports(text_of(name)) == []


def test_the_first_page_is_one_page_and_leads_to_every_guide():
    assert len(text_of("README.md").splitlines()) <= LONGEST
    assert set(GUIDES) - {"README.md"} <= set(guide_reading.links(text_of("README.md")))


def rooms_in_table(text):
    """The folders and files of the table's first column, in its order, as ROOMS writes them."""
    cells = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    names = re.findall(r"\[([\w/]+)/\]\(|`([\w/]+)\.py`", "\n".join(cells))
    return [(folder or file).replace("/", ".") for folder, file in names]


def test_the_table_of_rooms_has_every_room_in_the_order_of_imports():
    headings = {room.rpartition(".")[0] for room in ROOMS} - set(ROOMS)
    assert [room for room in rooms_in_table(text_of(PACKAGE_GUIDE)) if room not in headings] == ROOMS


def test_code_and_configurations_send_readers_to_guides_that_exist():
    files = [path for place in ("kerasfusion", "configs") for path in (ROOT / place).rglob("*.*")]
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".yaml", ".txt", ".html")]
    named = set(re.findall(r"[\w/]+/README\.md", "\n".join(texts)))
    assert named
    assert named <= set(GUIDES)


def as_block(lines):
    return "\n".join(["```", *lines, "```"])


def test_command_lines_at_the_head_of_configurations_parse():
    files = sorted((ROOT / "configs").rglob("*.yaml"))
    comments = [re.match(r"(#.*\n)*", path.read_text(encoding="utf-8"))[0] for path in files]
    block = as_block(part.strip("# \\") for comment in comments for part in re.split(r"&&|\n", comment))
    assert len(guide_reading.command_lines_of(block)) >= len(files)
    assert guide_reading.wrong_commands(block) == []


def test_command_lines_at_the_head_of_scripts_parse():
    heads = [ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for path in (ROOT / "tools").glob("*.py")]
    lines = [line.strip() for head in heads for line in head.splitlines() if "[ARGUMENTS" not in line]
    block = as_block(line for line in lines if line.startswith((".venv", "python3")))
    assert guide_reading.command_lines_of(block)
    assert guide_reading.wrong_commands(block) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](there.md) [b](there.md#a-place-12) [c](#here) ![d](picture.png) [e](https://a.b/c)\n\n# Here", []),
        ("[a](gone.md)", ["gone.md"]),
        ("![wrapped\nover lines](gone.png)", ["gone.png"]),
        ("[`code`](gone/)", ["gone/"]),
        ("[a](there.md#no-place)", ["there.md#no-place"]),
        ("[a](#here)\n```\n# here\n```", ["#here"]),
        ("# Here\n# Here\n[a](#here-1) [b](#here-2)", ["#here-2"]),
        ("[a](../../../etc/)", ["../../../etc/"]),
        ("`[a](gone.md)`\n```\n[a](gone.md)\n```", []),
    ],
)
def test_a_planted_link_is_found(tmp_path, monkeypatch, text, wrong):
    monkeypatch.setattr(guide_reading, "ROOT", tmp_path)
    (tmp_path / "there.md").write_text("## A `place`, 1.2")
    (tmp_path / "picture.png").touch()
    assert guide_reading.wrong_links(text, tmp_path) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("`kerasfusion/errors.py` `tests/cli/` `configs/fume/*.yaml` `kerasfusion/formats/NAME_file.py`", []),
        ("`kerasfusion/gone.py`", ["kerasfusion/gone.py"]),
        ("`tools/demo.py tools/gone.py`", ["tools/gone.py"]),
        ("`configs/gone/*.yaml`", ["configs/gone/*.yaml"]),
        ("`tests/test_imports.py::test_gone`", ["tests/test_imports.py::test_gone"]),
        ("`tests/test_imports.py::test_a_planted_circle_is_found` `runs/gone`", []),
        ("```\nkerasfusion/gone.py\n```", []),
    ],
)
def test_a_planted_file_is_found(text, wrong):
    assert guide_reading.missing_files(text) == wrong


@pytest.mark.parametrize(
    ("line", "parses"),
    [
        ("kerasfusion fit -c configs/roadwork.yaml --epochs 3   # a comment", True),
        ("$ kerasfusion miner check streetvision-subnet --python venv/bin/python", True),
        (".venv/bin/kerasfusion doctor --json | less", True),
        ("kerasfusion completion bash > a.bash", True),
        ("kerasfusion --help", True),
        ("kerasfusion fit -c configs/gone.yaml", False),
        ("kerasfusion fit --epoch-count 3", False),
        ("kerasfusion fit --epochs three", False),
        ("kerasfusion gone", False),
        ("kerasfusion miner gone", False),
        ("kerasfusion predict", False),
        ("kerasfusion export runs/roadwork --format gone", False),
        ("python3 tools/demo.py fume", True),
        ("python3 tools/demo.py gone", False),
        ("python3 tools/test.py --fast tests/cli", True),
        ("python3 tools/test.py tests/gone", False),
        ("python3 tools/test.py --gone", False),
        ("python3 tools/gone.py", False),
        (".venv/bin/python tools/bench_serve.py runs/roadwork/fusion.keras --seconds 5", True),
        (".venv/bin/python tools/bench_serve.py", False),
        (".venv/bin/python tools/bench_fume.py --inference huge", False),
        (".venv/bin/python tools/bench_peers.py --rows gone", False),
        (".venv/bin/python tools/screenshots.py report.html --at the-worst-mistakes", True),
        (".venv/bin/python tools/screenshots.py --gone", False),
        (".venv/bin/python -m pytest -k 'one and other' tests/test_splits.py", True),
        (".venv/bin/python -m pytest tests/test_splits.py::test_gone", False),
        (".venv/bin/python -m pytest -k", False),
    ],
)
def test_a_planted_command_is_found(line, parses):
    text = f"{line}\n```\n{line}\nepoch 1/3\n```"
    assert guide_reading.command_lines_of(text) == [line.removeprefix("$ ")]
    assert (guide_reading.wrong_commands(text) == []) is parses


def test_a_planted_import_is_found():
    lines = [
        "from kerasfusion.roadwork.detect.detector import open_detector",
        "from kerasfusion.roadwork.detect.detector import gone",
        "from kerasfusion.roadwork.detector import open_detector",
        "from kerasfusion import __version__",
    ]
    wrong = ["kerasfusion.roadwork.detect.detector.gone", "kerasfusion.roadwork.detector.open_detector"]
    assert guide_reading.wrong_imports(as_block(lines)) == wrong


def test_rooms_are_read_from_the_first_column():
    lines = (
        "| `errors.py`, `splits.py` | `a.py` |\n| **[roadwork/](roadwork/README.md)** | b |\n| [roadwork/fit/](x) | c |"
    )
    assert rooms_in_table(lines) == ["errors", "splits", "roadwork", "roadwork.fit"]
