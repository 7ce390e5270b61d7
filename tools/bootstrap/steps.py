"""Run commands: installation steps quietly with a log and their time, and what the user asked for in the foreground."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TAIL_LINES = 15
PLAIN_SECONDS = 60
FULL_BYTES = 20e6
DISK_FULL = re.compile(r"No space left on device|Errno 28\b|not enough space on the disk|Disk quota exceeded")


class SetupError(Exception):
    """The environment cannot be made; the message says why and what to do. `exit_code`: 1 failed, 2 wrong request."""

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


class StepError(SetupError):
    """A step's command failed; `tail` holds the last lines that it left in the log from `begin` (bytes) on."""

    def __init__(self, label: str, code: int, log: Path, begin: int = 0):
        self.tail = tail(log, begin)
        # Some programs, ensurepip among them, do not pass the reason on.
        self.disk_full = bool(DISK_FULL.search(self.tail)) or shutil.disk_usage(log.parent).free < FULL_BYTES
        super().__init__(f"{label} failed (exit code {code}). The log's last lines:\n{self.tail}\nWhole log: {log}")


def tail(log: Path, begin: int = 0) -> str:
    """The last lines of a log, indented."""
    text = log.read_bytes()[begin:].decode("utf-8", "replace")
    return "\n".join(f"  {line}" for line in text.splitlines()[-TAIL_LINES:])


def clean_environment() -> dict[str, str]:
    """The process's environment without what would mix other Pythons' packages into ours."""
    foreign = {"PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"}
    return {name: value for name, value in os.environ.items() if name not in foreign}


def run_step(
    label: str, command: Sequence[str], *, log: Path, cwd: Path, extra: Mapping[str, str] | None = None
) -> None:
    """Run one step with its output in `log`: a line at its start, its time at the end.

    Raises:
        StepError: the command's exit code is not 0.
    """
    started = time.monotonic()
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"\n== {label}\n{' '.join(command)}\n")
        stream.flush()
        begin = log.stat().st_size
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**clean_environment(), **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        code = _watch(process, label, started)
    if code:
        raise StepError(label, code, log, begin)


def _watch(process: subprocess.Popen, label: str, started: float) -> int:
    on_terminal = sys.stdout.isatty()
    print(f"{label} ...", end="" if on_terminal else "\n", flush=True)
    while True:
        try:
            code = process.wait(timeout=1 if on_terminal else PLAIN_SECONDS)
        except subprocess.TimeoutExpired:
            _show(f"{label} ... {_elapsed(started)}", on_terminal)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
        else:
            _show(f"{label}: {'failed after' if code else 'done in'} {_elapsed(started)}", on_terminal)
            if on_terminal:
                print(flush=True)
            return code


def _show(line: str, on_terminal: bool) -> None:
    # The spaces wipe what is left of a longer line.
    print(f"\r{line}    " if on_terminal else line, end="" if on_terminal else "\n", flush=True)


def _elapsed(started: float) -> str:
    seconds = round(time.monotonic() - started)
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def run_foreground(command: Sequence[str], cwd: Path) -> int:
    """Run a command with the terminal as its own and return its exit code; Ctrl-C is the command's to handle."""
    process = subprocess.Popen(command, cwd=cwd, env=clean_environment())
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            continue
        # POSIX gives -N for a process ended by signal N; shells report 128 + N.
        return 128 - code if code < 0 else code
