"""What is wrong in a guide: links that lead nowhere, files that are not there, command lines that do not parse."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from tests.material import command_lines
from tests.material.command_lines import ROOT

FENCE = "```"
PLACES = ("kerasfusion/", "tools/", "configs/", "tests/")
COMMANDS = re.compile(r"(\.venv/bin/)?kerasfusion |(python3|\.venv/bin/python) tools/|\.venv/bin/python -m pytest")


def guides() -> list[Path]:
    """README.md and every guide."""
    return [ROOT / "README.md", *sorted(path for place in PLACES for path in (ROOT / place).rglob("README.md"))]


def wrong_links(text: str, folder: Path) -> list[str]:
    """Targets of relative links that do not exist, or whose heading does not, or that leave the repository.

    Args:
        text: of the guide.
        folder: where it lies.
    """
    return [target for target in links(text) if _leads_nowhere(target, text, folder)]


def links(text: str) -> list[str]:
    """Targets of all links to files and headings of the repository, pictures too, in order."""
    without_code = re.sub(r"`[^`]*`", "", prose(text))
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", without_code) if "://" not in target]


def _leads_nowhere(target: str, text: str, folder: Path) -> bool:
    name, _, anchor = target.partition("#")
    path = (folder / name).resolve()
    if name and not (path.exists() and path.is_relative_to(ROOT)):
        return True
    return bool(anchor) and anchor not in anchors(path.read_text(encoding="utf-8") if name else text)


def anchors(text: str) -> set[str]:
    """What the headings are called in links, as GitHub does: lower case, no punctuation, hyphens for blanks."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(text), re.MULTILINE)
    found: set[str] = set()
    for heading in headings:
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = sum(each == name or re.fullmatch(rf"{re.escape(name)}-\d+", each) is not None for each in found)
        found.add(f"{name}-{number}" if number else name)
    return found


def missing_files(text: str) -> list[str]:
    """Names in backticks that look like a path of the repository, and are none."""
    names = [word for code in re.findall(r"`([^`]+)`", prose(text)) for word in code.split()]
    return [word for word in names if word.startswith(PLACES) and _fails(command_lines.refuse_missing, word)]


def wrong_commands(text: str) -> list[str]:
    """Command lines in fenced blocks that do not parse."""
    return [line for line in command_lines_of(text) if _fails(command_lines.check, line)]


def command_lines_of(text: str) -> list[str]:
    """The command lines in fenced blocks, without the sign of a prompt."""
    lines = (line.removeprefix("$ ") for line in fenced(text))
    return [line for line in lines if COMMANDS.match(line)]


def wrong_imports(text: str) -> list[str]:
    """Imports from kerasfusion in fenced blocks whose module or name does not exist."""
    found = re.findall(r"^from (kerasfusion\S*) import (\w+)", "\n".join(fenced(text)), re.MULTILINE)
    return [f"{module}.{name}" for module, name in found if not _defines(ROOT / module.replace(".", "/"), name)]


def _defines(module: Path, name: str) -> bool:
    path = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    return path.is_file() and bool(
        re.search(rf"^(def |class )?{name}\b[\s:=(]", path.read_text(encoding="utf-8"), re.MULTILINE)
    )


def _fails(check, text: str) -> bool:
    try:
        check(text)
    except (click.ClickException, ValueError):
        return True
    return False


def prose(text: str) -> str:
    """The lines outside fenced blocks."""
    return "\n".join(line for line, inside in _lines(text) if not inside)


def fenced(text: str) -> Iterator[str]:
    """The lines inside fenced blocks."""
    return (line for line, inside in _lines(text) if inside and not line.startswith(FENCE))


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """(line, belongs to a fenced block)."""
    inside = False
    for line in text.splitlines():
        is_fence = line.startswith(FENCE)
        yield line, inside or is_fence
        inside ^= is_fence
