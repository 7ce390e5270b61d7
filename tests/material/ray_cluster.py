"""A Ray cluster of raylets on this machine, a processor each, with ports and a folder of their own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

PACKAGE = Path(__file__).parents[2]
OBJECT_STORE = 80_000_000
"""Bytes; Ray takes no less than 75 MB."""
START_S = 60


class RayCluster:
    """A head node, and what `add_node` adds; use it in a `with` statement, which ends all of its processes by id.

    Attributes:
        address: for `--on`.
    """

    def __init__(self):
        # Ray makes sockets below it, whose paths may not be long.
        self._folder = Path(tempfile.mkdtemp(prefix="kf-ray-", dir="/tmp"))
        self._port, client = _free_port(), _free_port()
        self.address = f"ray://127.0.0.1:{client}"
        self._nodes: list[subprocess.Popen] = []
        self._client = client
        self._environment = os.environ | {
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": str(PACKAGE),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "HOME": str(self._folder),
        }

    def __enter__(self) -> "RayCluster":
        try:
            head = ("--head", f"--port={self._port}", f"--ray-client-server-port={self._client}")
            self._start(*head, "--include-dashboard=false", f"--temp-dir={self._folder}")
            _until(lambda: _answers(self._client), "the client's port".__str__)
        except BaseException:
            self.__exit__()
            raise
        return self

    def add_node(self, **environment: str) -> int:
        """Start one node more; returns its number for `kill_node`."""
        return self._start(f"--address=127.0.0.1:{self._port}", **environment)

    def _start(self, *options: str, **environment: str) -> int:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", *options]
        fixed = [f"--object-store-memory={OBJECT_STORE}", "--node-ip-address=127.0.0.1", "--disable-usage-stats"]
        fixed = fixed if "--head" in options else fixed[:2]
        log = self._folder / f"node-{len(self._nodes)}.log"
        options = {"env": self._environment | environment, "stderr": subprocess.STDOUT}
        with log.open("wb") as output:
            self._nodes.append(subprocess.Popen([*command, *fixed], stdout=output, **options))
        _until(lambda: b"Ray runtime started" in log.read_bytes(), log.read_text)
        return len(self._nodes) - 1

    def workers(self, number: int) -> list[psutil.Process]:
        """The processes on a node that are actors of ours."""
        family = _family(self._nodes[number].pid)
        return [each for each in family if "KerasfusionWorker" in " ".join(each.cmdline())]

    def kill_node(self, number: int) -> None:
        """As if its machine had lost its power."""
        for process in _family(self._nodes[number].pid):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._nodes[number].wait()

    def __exit__(self, *_) -> None:
        for number, node in reversed(list(enumerate(self._nodes))):
            if node.poll() is None:
                self.kill_node(number)
        shutil.rmtree(self._folder, ignore_errors=True)


def _family(process: int) -> list[psutil.Process]:
    try:
        top = psutil.Process(process)
        return [*top.children(recursive=True), top]
    except psutil.NoSuchProcess:
        return []


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def _until(condition: Callable[[], bool], describe: Callable[[], str]) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.1)
