"""Python processes that have TensorFlow and Keras already: forked from one that imported them, once a test process.

Importing them takes most of what a short process takes. A process from here is otherwise as new: it has not imported
kerasfusion, has its own arguments, folder, environment, streams and exit code, and ends when the one that asked for it
is killed. Where a process must be able to start without TensorFlow, or with other settings of it, start a real one.
"""

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

_POLL_S = 0.01


class WarmPython:
    """Starts processes that are forked; the one that they are forked from starts with the first of them."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self._server: subprocess.Popen | None = None

    def command(self, *arguments: str) -> list[str]:
        """What to start in the place of [sys.executable, *arguments]: `-c TEXT ...`, `-m MODULE ...` or `FILE ...`."""
        if not hasattr(os, "fork"):  # Windows: a process as ever
            return [sys.executable, *arguments]
        address = Path(self._folder.name, "socket")
        if self._server is None:
            program = "import sys; from tests.material.warm_python import serve; serve(sys.argv[1])"
            self._server = subprocess.Popen(
                [sys.executable, "-c", program, str(address)],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,  # it ends when this closes
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
            atexit.register(self._server.kill)
        return [sys.executable, "-I", "-S", __file__, str(address), *arguments]

    def run(self, command: list[str], **options) -> subprocess.CompletedProcess:
        """subprocess.run of a command that begins with sys.executable."""
        assert command[0] == sys.executable
        return subprocess.run(self.command(*map(str, command[1:])), **options)


WARM = WarmPython()
"""The one of this test process."""


def serve(address: str) -> None:
    """Import once, then fork a process for each request until standard input closes."""
    from kerasfusion.lean_import import lean

    with lean():
        import keras  # noqa: F401

    gc.freeze()  # what was imported is neither looked through for garbage nor copied for that
    sys.path[:] = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]
    for name in [name for name in sys.modules if name.split(".")[0] in ("tests", "kerasfusion")]:
        del sys.modules[name]
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{address}.new")
    listening.listen()
    Path(f"{address}.new").rename(address)
    running: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as waiting:
        waiting.register(sys.stdin, selectors.EVENT_READ)
        waiting.register(listening, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select(_POLL_S if running else None):
                if key.fileobj is sys.stdin:
                    _kill(running)
                    return
                if key.fileobj is listening:
                    asking, _ = listening.accept()
                    running[_fork(asking, listening)] = asking
                    waiting.register(asking, selectors.EVENT_READ)
                else:  # who asked is gone
                    _kill({pid: asking for pid, asking in running.items() if asking is key.fileobj})
                    waiting.unregister(key.fileobj)
            while running:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                asking = running.pop(pid)
                if asking in {key.fileobj for key in waiting.get_map().values()}:
                    waiting.unregister(asking)
                    asking.sendall(str(os.waitstatus_to_exitcode(status)).encode())
                asking.close()


def _kill(running: dict[int, socket.socket]) -> None:
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _fork(asking: socket.socket, listening: socket.socket) -> int:
    said, streams, *_ = socket.recv_fds(asking, 8, 3)
    request = json.loads(_receive(asking, int(said)))
    if (pid := os.fork()) != 0:
        for stream in streams:
            os.close(stream)
        return pid
    listening.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os._exit(_run(request))


def _receive(asking: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += asking.recv(size - len(data))
    return data


def _run(request: dict) -> int:
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        setattr(sys, name, open(("stdin", "stdout", "stderr").index(name), mode, closefd=False))  # noqa: SIM115
    first, *rest = request["arguments"]
    try:
        if first == "-c":
            sys.path.insert(0, "")
            sys.argv = ["-c", *rest[1:]]
            exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
        elif first == "-m":
            sys.path.insert(0, str(Path.cwd()))
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(first).resolve().parent))
            sys.argv = [first, *rest]
            runpy.run_path(first, run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def ask(address: str, arguments: list[str]) -> int:
    """Have a process forked, with this one's streams, folder and environment; returns its exit code."""
    deadline = time.monotonic() + 120
    while not Path(address).exists():
        if time.monotonic() > deadline:
            raise SystemExit("the process to fork from did not start")
        time.sleep(_POLL_S)
    request = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    data = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [f"{len(data):8}".encode()], [0, 1, 2])
        server.sendall(data)
        code = int(server.recv(16).decode() or "1")
    if code < 0:  # ended by a signal, and so is this one
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(ask(sys.argv[1], sys.argv[2:]))
