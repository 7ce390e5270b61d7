"""Every command's help, read as a user would: its examples can be typed."""

import re
import shlex

import click
import pytest

from kerasfusion.cli.main import main
from tests.material import command_lines


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
def test_every_example_can_be_typed(words):
    assert examples(COMMANDS[words]), "no example"
    for line in examples(COMMANDS[words]):
        assert tuple(shlex.split(line)[: len(words)]) == words, line
        command_lines.check(line)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_and_command_says_what_it_is(words):
    command = COMMANDS[words]
    assert command.get_short_help_str(200)
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.hidden or parameter.help or parameter.show_default, (
            f"{' '.join(words)} {parameter.opts[0]} has no help"
        )
