"""The benchmark's end: start processes, ask them, suspend them, and leave none behind."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

TOOLS = Path(__file__).resolve().parents[1]
SECONDS_TO_END = 5.0
TAIL_LINES = 15


class ProcessFailed(Exception):
    """A process ended, or could not do what it was asked; the message ends with the last lines of its log."""


def child_environment(work: Path) -> dict[str, str]:
    """The environment for every child: this checkout is importable, and no library reaches for a network."""
    paths = [str(TOOLS), str(TOOLS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    offline = {"HF_HUB_OFFLINE": "1", "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1"}
    settings = work / "ultralytics"  # not the user's own settings file
    settings.mkdir(parents=True, exist_ok=True)
    return {**os.environ, **offline, **quiet, "YOLO_CONFIG_DIR": str(settings), "PYTHONPATH": os.pathsep.join(paths)}


class Child:
    """A running process; it and all that it started are ended when the `with` statement is left.

    Args:
        arguments: of the Python that runs this program, for example ["-m", "kerasfusion", "--help"].
        work: folder of the benchmark; standard error goes to logs/NAME.log in it.
        name: what it is, in messages and for the log.
    """

    def __init__(self, arguments: Sequence[str], work: Path, name: str):
        self.name, self.log = name, work / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as log:
            self._begin = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(work),
                text=True,
                encoding="utf-8",
            )

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        end(self.process)

    def lines(self) -> Iterator[str]:
        """Its standard output, line by line, until it ends.

        Raises:
            ProcessFailed: its exit code is not 0.
        """
        for line in self.process.stdout:
            yield line.rstrip("\n")
        if code := self.process.wait():
            raise self.failed(f"exit code {code}{_hint(code)}")

    def failed(self, what: str) -> ProcessFailed:
        """The error that says what happened and what its log says."""
        text = self.log.read_bytes()[self._begin :].decode("utf-8", "replace")
        tail = "\n".join(f"  {line}" for line in text.splitlines()[-TAIL_LINES:])
        return ProcessFailed(f"{self.name}: {what}\n{tail}\nwhole log: {self.log}")

    def suspend(self) -> None:
        """Stop it, with all that it started, where it is."""
        parent = psutil.Process(self.process.pid)
        parent.suspend()  # at once: to find the others takes a while
        for child in parent.children(recursive=True):
            child.suspend()

    def resume(self) -> None:
        """Let it go on."""
        for process in reversed(_tree(self.process.pid)):
            process.resume()


class Worker(Child):
    """A process that answers requests, see `channel`."""

    def ask(self, do: str, **request):
        """Send a request and wait for the answer.

        Raises:
            ProcessFailed: the request failed, or the process ended.
        """
        with suppress(BrokenPipeError):  # the missing reply says so
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise self.failed(f"the process ended with exit code {code}{_hint(code)}")
        reply = json.loads(line)
        if "error" in reply:
            raise ProcessFailed(f"{self.name}: {do} failed\n{reply['error']}")
        return reply["value"]


def run(arguments: Sequence[str], work: Path, name: str) -> list[str]:
    """Run a process to its end.

    Returns:
        The lines of its standard output.

    Raises:
        ProcessFailed: its exit code is not 0.
    """
    with Child(arguments, work, name) as child:
        return list(child.lines())


def time_stretches(child: Child, marks: Iterable, between: Callable[[], None]) -> list[float]:
    """How long a process takes from one mark to the next, with other work while it is suspended at each mark.

    Noise of the machine then falls on both alike, and neither disturbs the other.

    Args:
        child: what is timed.
        marks: iterated over; gives one item when the process comes to a mark.
        between: the other work.

    Returns:
        Seconds between the marks, one fewer than there are marks.
    """
    seconds, begin = [], None
    for _ in marks:
        if begin is not None:
            seconds.append(time.perf_counter() - begin)
        child.suspend()
        try:
            between()
        finally:
            child.resume()
        begin = time.perf_counter()
    return seconds


def end(process: subprocess.Popen) -> None:
    """End a process and all that it started."""
    family = _tree(process.pid)
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()  # a worker ends by itself
    for member in family:
        _quietly(member.terminate)
        _quietly(member.resume)  # a suspended one would not notice
    _, alive = psutil.wait_procs(family, timeout=SECONDS_TO_END)
    for member in alive:
        _quietly(member.kill)
    process.wait()
    if process.stdout:
        process.stdout.close()


def _tree(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _quietly(action: Callable[[], None]) -> None:
    with suppress(psutil.Error):  # it is gone already
        action()


def _hint(code: int) -> str:
    """What to try where the code says that an instruction does not exist, though the processor announces it."""
    if code != -4:  # SIGILL
        return ""
    return (
        " (illegal instruction; virtual machines that announce AMX without it need ONEDNN_MAX_CPU_ISA=AVX512_CORE_FP16)"
    )
