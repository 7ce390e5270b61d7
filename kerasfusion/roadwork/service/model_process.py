"""One process with the model, seen from the service: started, greeted and ended."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor
from multiprocessing.connection import Connection, wait
from pathlib import Path

from kerasfusion.formats.measuring import model_parts
from kerasfusion.roadwork.service import answering
from kerasfusion.roadwork.service.answering import NotOpened, Opened
from kerasfusion.roadwork.service.settings import ServiceSettings


class ModelProcess:
    """A process that opens the model and then answers; it is started with this.

    Args:
        settings: the service's.
        prepare: called in the process before the model is opened; must be importable there.
        threads: in which it is waited for; each process takes one until its `greeting`, and one in `ended`.

    Attributes:
        greeting: future of Opened, NotOpened, or None where the process ended without a word.
        connection: to the process; its end is the process's.
    """

    def __init__(self, settings: ServiceSettings, prepare: Callable[[], None] | None, threads: Executor):
        self._model, self._threads = settings.model, threads
        self._files = _state_of(settings.model)
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self._process = context.Process(
            target=answering.run, args=(other, settings, prepare), name="kerasfusion-worker", daemon=True
        )
        self._process.start()
        other.close()
        self.greeting: asyncio.Future[Opened | NotOpened | None] = asyncio.ensure_future(
            asyncio.get_running_loop().run_in_executor(threads, _greeting, self.connection)
        )

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid

    @property
    def is_of_the_present_file(self) -> bool:
        """Whether it is running, with the model's file as it is now."""
        return self._process.is_alive() and self._files == _state_of(self._model)

    @property
    def is_ready(self) -> bool:
        """Whether it can answer at once."""
        opened = self.greeting.done() and not self.greeting.cancelled() and isinstance(self.greeting.result(), Opened)
        return opened and self.is_of_the_present_file

    async def ended(self) -> None:
        """Wait for its end."""
        await asyncio.get_running_loop().run_in_executor(self._threads, wait, [self._process.sentinel])
        self._process.join()

    def kill(self) -> None:
        """End it."""
        self._process.kill()

    def how_it_ended(self) -> str:
        """For a person; it has ended."""
        code = self._process.exitcode
        if code is not None and code < 0:
            names = {each.value: each.name for each in signal.Signals}  # real-time signals have none
            by = names.get(-code, f"signal {-code}")
            return f"was ended by {by}" if os.name == "posix" else f"was ended ({code})"
        return f"ended with exit code {code}"


def _greeting(connection: Connection) -> Opened | NotOpened | None:
    try:
        return connection.recv()
    except (EOFError, OSError):
        return None


def _state_of(model: Path) -> list[tuple[int, int, int] | None]:
    """What changes when a model's file is replaced or written anew, of each of its files; None for one that is gone."""
    found = []
    for path in model_parts(model):
        try:
            state = path.stat()
            found.append((state.st_ino, state.st_size, state.st_mtime_ns))
        except OSError:
            found.append(None)
    return found
