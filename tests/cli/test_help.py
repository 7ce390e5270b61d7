"""Every command's help, read as a user would: its examples can be typed."""

import re
import shlex
from pathlib import Path

import click
import pytest

from kerasfusion.cli.main import main

ROOT = Path(__file__).parents[2]


def walk(command, words=("kerasfusion",)):
    """(words, command) of every command that is not a group."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command, info_name=words[-1])
    for name in command.list_commands(context):
        yield from walk(command.get_command(context, name), (*words, name))


COMMANDS = dict(walk(main))


def examples(command):
    """What stands after "Example: " in a command's help, up to an empty line or the next one."""
    found = re.findall(r"^ *Example: (.+?)(?=\n *\n|\n *Example: |\s*\Z)", command.help, re.MULTILINE | re.DOTALL)
    return [" ".join(text.split()) for text in found]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_example_can_be_typed(words, monkeypatch):
    command = COMMANDS[words]
    assert examples(command), "no example"
    monkeypatch.chdir(ROOT)
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            monkeypatch.setattr(parameter.type, "exists", False)
    for line in examples(command):
        typed = shlex.split(line, comments=True)
        assert tuple(typed[: len(words)]) == words, line
        for part in [word for word in typed if word.startswith("configs/")]:
            assert (ROOT / part).exists(), line
        command.make_context(words[-1], typed[len(words) :])  # parses and converts; runs nothing


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_and_command_says_what_it_is(words):
    command = COMMANDS[words]
    assert command.get_short_help_str(200)
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.hidden or parameter.help or parameter.show_default, (
            f"{' '.join(words)} {parameter.opts[0]} has no help"
        )
