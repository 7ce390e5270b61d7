import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from kerasfusion.cli.completion import VARIABLE
from kerasfusion.cli.main import COMMANDS, main

PROGRAM = (
    "import sys; from kerasfusion.cli.main import main\n"
    "try: main(prog_name='kerasfusion')\n"
    "except SystemExit: pass\n"
    "heavy = {'tensorflow', 'keras', 'torch', 'numpy', 'pydantic', 'fastapi', 'ultralytics'} & set(sys.modules)\n"
    "sys.exit(','.join(heavy) or 0)"
)


def completed(words):
    """What a bash with these words on its line is offered for the last one, with the process' exit code."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), VARIABLE: "bash_complete"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=os.environ | asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.split(",")[1] for line in done.stdout.splitlines()]


def test_commands_are_offered_without_importing_anything_heavy():
    assert completed("kerasfusion ") == list(COMMANDS)
    assert completed("kerasfusion pre") == ["precompute", "predict"]


def test_the_miners_commands_and_options_and_choices_are_offered():
    assert {"install", "uninstall", "check"} <= set(completed("kerasfusion miner "))
    assert "--precision" in completed("kerasfusion miner install --")
    assert completed("kerasfusion export runs/roadwork --format o") == ["openvino", "onnx"]


@pytest.mark.parametrize(("shell", "line"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete ")])
def test_each_shells_script_asks_the_program(shell, line):
    script = CliRunner().invoke(main, ["completion", shell]).output
    assert f"{VARIABLE}={shell}_complete" in script
    assert line in script
    assert "kerasfusion" in script


def test_another_shell_is_refused():
    result = CliRunner().invoke(main, ["completion", "tcsh"])
    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.output
