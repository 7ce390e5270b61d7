"""The process that answers, seen from the service: asked, and replaced whenever it ends."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.service.answering import Answers, Broken, NotOpened, Opened
from kerasfusion.roadwork.service.model_process import ModelProcess
from kerasfusion.roadwork.service.refusal import Refusal
from kerasfusion.roadwork.service.settings import ServiceSettings

STUCK = 4
"""A batch that takes this many deadlines is given up, and its process ended."""

AFTER_A_CRASH = "the model is being opened again after its process ended"


class WorkerDied(Exception):
    """The process ended before it answered."""


class Worker:
    """A process with the model and, with `settings.spare`, a second one that takes its place at once.

    All methods are for the service's event loop.

    Args:
        settings: the service's.
        prepare: called in a process before the model is opened; must be importable there.
        report: takes a line for the person who runs the service.

    Attributes:
        opened: what is open; None while nothing is.
        problem: why nothing is.
        restarts: processes that were replaced.
    """

    def __init__(
        self, settings: ServiceSettings, prepare: Callable[[], None] | None, report: Callable[[str], None]
    ) -> None:
        self.opened: Opened | None = None
        self.problem = "the model is being opened"
        self.restarts = 0
        self._settings, self._prepare, self._report = settings, prepare, report
        self._process: ModelProcess | None = None
        self._spare: ModelProcess | None = None
        self._told_of: int | None = None
        self._decided = asyncio.Event()  # set while a process is ready or known not to become so
        # Two wait for the processes' ends, one for a greeting, one for answers; the others for kills.
        self._threads = ThreadPoolExecutor(6)

    @property
    def pid(self) -> int | None:
        """Of the process that answers."""
        return self._process.pid if self._process is not None else None

    @property
    def pids(self) -> tuple[int | None, int | None]:
        """Of the process that answers, and of the spare."""
        return self.pid, self._spare.pid if self._spare is not None else None

    @property
    def has_spare(self) -> bool:
        """Whether a process could answer at once in the place of the one that does."""
        return self._spare is not None and self._spare.is_ready

    async def run(self) -> None:
        """Keep a process running until cancelled.

        Raises:
            KerasFusionError: the very first one cannot open the model.
        """
        first = True
        while True:
            process = self._process = self._next()
            self._decided.clear()
            greeting = await process.greeting
            if isinstance(greeting, Opened):
                self.opened = greeting
                self._decided.set()
                if not first:
                    self._report(f"the model answers again: sha256 {greeting.model_sha256}")
                self._keep_spare()
            await process.ended()
            self.opened = None
            self._decided.clear()
            if not isinstance(greeting, Opened):
                self._note_failure(process, greeting, first)
                await asyncio.sleep(self._settings.retry_s)
            else:
                self.problem = AFTER_A_CRASH
                follows = "another one takes its place" if self.has_spare else "it is started again"
                self._report(f"the worker {process.how_it_ended()}; {follows}")
            first = False
            self.restarts += 1

    async def decided(self) -> None:
        """Wait until the process is ready.

        Raises:
            Refusal: 503, it cannot open the model.
        """
        while self.opened is None:
            await self._decided.wait()
            if self.opened is None and self._decided.is_set():
                raise self.not_ready()

    def not_ready(self) -> Refusal:
        """503 with the reason."""
        return Refusal(
            503,
            self.problem,
            expected="a model that is open",
            todo="GET /readyz says when it is",
            retry_s=math.ceil(self._settings.retry_s),
        )

    async def answer(self, photos: Sequence[bytes]) -> AsyncIterator[tuple[Opened, Answers]]:
        """Answer a batch; one at a time.

        Args:
            photos: encoded files.

        Yields:
            What answered, and the answers to some of the photos, until all have theirs.

        Raises:
            Refusal: 503, see `decided`.
            WorkerDied: the process ended, or took so long that it was ended; photos that have answers keep them.
        """
        await self.decided()
        opened, process = self.opened, self._process
        until = asyncio.get_running_loop().time() + STUCK * self._settings.deadline_s
        left = len(photos)
        try:
            await self._until(until, process, _send, process.connection, photos)
            while left:
                answers = await self._until(until, process, process.connection.recv)
                left -= len(answers.found)
                self._tell_of_broken(answers)
                yield opened, answers
        except (EOFError, OSError):
            process.kill()
            if self._process is process:
                self.opened, self.problem = None, AFTER_A_CRASH
                self._decided.clear()
            raise WorkerDied from None

    async def stop(self) -> None:
        """End the processes; `run` must have been cancelled."""
        for process in (self._process, self._spare):
            if process is not None:
                process.kill()
                await process.ended()
        self._threads.shutdown(wait=False)

    def _next(self) -> ModelProcess:
        """The spare, ready or not, if it has the file that there is now; else a new process."""
        spare, self._spare = self._spare, None
        if spare is not None:
            if spare.is_of_the_present_file:
                return spare
            spare.kill()
        return self._start()

    def _keep_spare(self) -> None:
        if self._settings.spare:
            self._spare = self._start()

    def _start(self) -> ModelProcess:
        return ModelProcess(self._settings, self._prepare, self._threads)

    def _note_failure(self, process: ModelProcess, greeting: NotOpened | None, first: bool) -> None:
        """Say why the model is not open; the first time that ends the service."""
        if greeting is None:
            greeting = NotOpened(f"the worker {process.how_it_ended()} while it opened the model")
        if first:
            kind = RequestError if greeting.exit_code == RequestError.exit_code else KerasFusionError
            raise kind(greeting.what, where=self._settings.model, expected=greeting.expected, todo=greeting.todo)
        if greeting.what != self.problem:
            self._report(
                f"the model cannot be opened, which is tried again every {self._settings.retry_s:g} s: {greeting.what}"
            )
        self.problem = greeting.what
        self._decided.set()

    def _tell_of_broken(self, answers: Answers) -> None:
        """Once for each process: every further answer of a broken model is counted among the 500s."""
        broken = next((found for found in answers.found if isinstance(found, Broken)), None)
        if broken is not None and self._told_of != self.pid:
            self._report(f"{broken.what}; requests that it cannot answer get 500. {broken.todo}")
            self._told_of = self.pid

    async def _until(self, until: float, process: ModelProcess, function: Callable, *arguments):
        """The result of a function that waits for the process, which is ended at that time of the loop's clock."""
        waited = asyncio.ensure_future(self._in_thread(function, *arguments))
        waited.add_done_callback(lambda future: future.cancelled() or future.exception())  # if nobody waits any more
        done, _ = await asyncio.wait([waited], timeout=max(0, until - asyncio.get_running_loop().time()))
        if not done:
            self._report("the worker does not answer; it is ended")
            process.kill()
        return await waited

    def _in_thread(self, function: Callable, *arguments):
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


def _send(connection: Connection, photos: Sequence[bytes]) -> None:
    connection.send(len(photos))
    for photo in photos:
        connection.send_bytes(photo)
