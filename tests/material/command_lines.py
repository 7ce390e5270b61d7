"""Does a command line, as a help text or a guide shows it, parse? Nothing is run."""

import importlib.util
import re
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import click

from kerasfusion.cli.main import main

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools"
PYTHONS = ("python3", ".venv/bin/python")
PYTEST_OPTIONS = {"-k": 1, "-m": 1, "-x": 0, "--lf": 0, "--cov": 0, "--durations=20": 0}
"""Options of pytest that may be shown -> how many words follow."""


def check(line: str) -> None:
    """Parse a command line: of kerasfusion, of a script below tools/, or of pytest.

    Raises:
        click.UsageError: it does not parse.
        ValueError: it names a file of the repository that does not exist, or is no such command line.
    """
    typed = _typed(line)
    _refuse_missing_files(typed)
    if typed[0] in ("kerasfusion", ".venv/bin/kerasfusion"):
        _check_command(main, "kerasfusion", typed[1:])
    elif typed[0] in PYTHONS and typed[1:3] == ["-m", "pytest"]:
        _check_pytest(typed[3:])
    elif typed[0] in PYTHONS and typed[1:] and typed[1].startswith("tools/"):
        _check_script(Path(typed[1]).stem, typed[2:])
    else:
        raise ValueError(f"no command line of this repository: {line}")


def refuse_missing(name: str) -> None:
    """Check that a file of the repository exists, by its path from the root.

    Args:
        name: `NAME` and `*` in it stand for anything; `::test_name` at its end for a test in it.

    Raises:
        ValueError: it does not exist.
    """
    path, _, test = name.partition("::")
    found = list(ROOT.glob(path.rstrip("/").replace("NAME", "*")))
    if not found:
        raise ValueError(f"no such file: {name}")
    if test and f"def {test.split('[')[0]}(" not in found[0].read_text(encoding="utf-8"):
        raise ValueError(f"no such test: {name}")


def _typed(line: str) -> list[str]:
    """The words that the program gets: no comment, and nothing that the shell keeps for itself."""
    words = shlex.split(line, comments=True)
    end = next((place for place, word in enumerate(words) if word in (">", "|", "&&", ";")), len(words))
    return words[:end]


def _refuse_missing_files(typed: list[str]) -> None:
    for word in typed:
        if re.match(r"(configs|tools|tests)/", word):
            refuse_missing(word)


def _check_command(command: click.Command, name: str, arguments: list[str]) -> None:
    """Parse and convert; files that a user would have need not be there."""
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        context = click.Context(command, info_name=name)
        inner = command.get_command(context, name)
        if inner is None:
            raise click.UsageError(f"no command {name!r}")
        command = inner
    with ExitStack() as stack:
        for parameter in command.params:
            if isinstance(parameter.type, click.Path):
                stack.enter_context(patch.object(parameter.type, "exists", False))
        try:
            command.make_context(name, list(arguments))
        except click.exceptions.Exit:
            return  # --help and --version end here


def _check_script(name: str, arguments: list[str]) -> None:
    if name == "demo":
        _check_command(main, "kerasfusion", ["demo", *arguments])
    elif name == "test":
        _check_pytest([word for word in arguments if word != "--fast"])
    elif name == "screenshots":
        _check_argparse(_module(name).make_parser(), arguments)
    else:
        _check_command(_module(name).main, name, arguments)


def _module(name: str):
    """A script, which may have a folder of its own name beside it."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    with patch.object(sys, "path", [str(TOOLS), *sys.path]), patch.dict(sys.modules, {spec.name: module}):
        spec.loader.exec_module(module)
    return module


def _check_argparse(parser, arguments: list[str]) -> None:
    def refuse(message):
        raise click.UsageError(message)

    parser.error = refuse
    parser.parse_args(arguments)


def _check_pytest(arguments: list[str]) -> None:
    words = iter(arguments)
    for word in words:
        if word in PYTEST_OPTIONS:
            for _ in range(PYTEST_OPTIONS[word]):
                if next(words, None) is None:
                    raise click.UsageError(f"{word} needs a value")
        elif not word.startswith("tests/"):
            raise click.UsageError(f"not an option or a file of the tests: {word}")
