"""Photos that wait together go to the worker together; one that takes long to decode goes when no other waits."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from kerasfusion.roadwork.data.image_kinds import image_suffix
from kerasfusion.roadwork.detect.detector import Detection
from kerasfusion.roadwork.service.answering import Answers, Broken, Opened, Unreadable
from kerasfusion.roadwork.service.metrics import ServiceMetrics
from kerasfusion.roadwork.service.refusal import Refusal
from kerasfusion.roadwork.service.settings import ServiceSettings
from kerasfusion.roadwork.service.worker import Worker, WorkerDied

LARGE = 16_000_000
"""Pixels from which a photo takes so long to decode (64 million: two seconds) that others must not wait for it."""
HEADER = 1 << 17
"""Bytes of a photo in which its size is looked for."""


@dataclass(frozen=True)
class Answer:
    """What a photo gets.

    Attributes:
        detection: P(roadwork) and the branches'.
        model_sha256: digest of the model that answered.
        queue_s: how long the photo waited for the worker, seconds.
        answer_s: how long its batch took there, seconds.
    """

    detection: Detection
    model_sha256: str
    queue_s: float
    answer_s: float


class Waiting:
    """A photo that waits for its answer.

    Args:
        photo: the encoded file.
        now, deadline: of the event loop's clock, seconds.

    Attributes:
        answer: future of an Answer.
        is_large: whether it has LARGE pixels or more, or is a photo whose size no header of JPEG or PNG tells.
    """

    def __init__(self, photo: bytes, now: float, deadline: float):
        self.photo: bytes | None = photo
        self.is_large = _is_large(photo)
        self.since, self.deadline = now, deadline
        self.taken = now
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def __lt__(self, other: "Waiting") -> bool:
        """Whether it goes to the worker before the other."""
        return (self.is_large, self.since) < (other.is_large, other.since)

    def is_due(self, now: float) -> bool:
        """Whether somebody still waits for the answer."""
        return not self.answer.done() and now < self.deadline

    def settle(self, result: Answer | Exception) -> None:
        """Give the answer, or the reason why there is none, unless nobody waits for it any more."""
        if self.answer.done():
            return
        if isinstance(result, Exception):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)

    def drop(self) -> None:
        """Forget the photo, so that only requests in the house take memory."""
        self.photo = None
        self.answer.cancel()


class Batching:
    """The queue in front of the worker.

    Args:
        worker: answers.
        settings: `batch`, `batch_wait_ms` and `deadline_s` are used.
        metrics: are told sizes and times.
    """

    def __init__(self, worker: Worker, settings: ServiceSettings, metrics: ServiceMetrics):
        self._worker, self._settings, self._metrics = worker, settings, metrics
        self._queue: asyncio.PriorityQueue[Waiting] = asyncio.PriorityQueue()

    async def ask(self, photo: bytes, deadline: float) -> Answer:
        """Wait for the answer to a photo.

        Args:
            photo: the encoded file.
            deadline: of the event loop's clock, seconds.

        Raises:
            Refusal: 400 or 413, no photo that can be answered; 500, it ends the worker, or the model is broken; 503,
                there is no model; 504, the deadline passed.
        """
        waiting = Waiting(photo, asyncio.get_running_loop().time(), deadline)
        self._queue.put_nowait(waiting)
        try:
            return await asyncio.wait_for(waiting.answer, deadline - asyncio.get_running_loop().time())
        except asyncio.TimeoutError:
            raise Refusal(
                504,
                f"no answer within {self._settings.deadline_s:g} s",
                expected="an answer before the deadline",
                todo="send fewer photos at a time, or start the service with a longer --deadline",
            ) from None
        finally:
            waiting.drop()

    async def run(self) -> None:
        """Take photos from the queue and have them answered, until cancelled."""
        while True:
            batch = self._due(await self._gather())
            if not batch:
                continue
            try:
                await self._answer(batch)
            except WorkerDied:
                await self._answer_alone(batch)

    async def _gather(self) -> list[Waiting]:
        """The next photos: those that are there once the first has waited for `batch_wait_ms`, or a full batch.

        A large one goes alone, when no other waits: it is then at most one that others wait for.
        """
        batch = [await self._queue.get()]
        if batch[0].is_large:
            return batch
        clock = asyncio.get_running_loop().time
        until = batch[0].since + self._settings.batch_wait_ms / 1000
        while len(batch) < self._settings.batch:
            try:
                batch.append(self._queue.get_nowait())
            except asyncio.QueueEmpty:
                try:
                    batch.append(await asyncio.wait_for(self._queue.get(), until - clock()))
                except asyncio.TimeoutError:
                    break
            if batch[-1].is_large:
                self._queue.put_nowait(batch.pop())
                break
        return batch

    async def _answer(self, batch: Sequence[Waiting]) -> None:
        """Settle a batch.

        Raises:
            WorkerDied: what was not settled before never will be.
        """
        try:
            await self._worker.decided()
            batch = self._due(batch)
            if not batch:
                return
            for waiting in batch:
                waiting.taken = asyncio.get_running_loop().time()
            async for opened, answers in self._worker.answer([waiting.photo for waiting in batch]):
                self._metrics.note_batch(len(answers.found), answers.seconds)
                for place, found in zip(answers.places, answers.found, strict=True):
                    batch[place].settle(_result(batch[place], opened, answers, found))
        except Refusal as refusal:
            for waiting in batch:
                waiting.settle(refusal)

    async def _answer_alone(self, batch: Sequence[Waiting]) -> None:
        """Ask again about each photo, so that only one that itself ends the worker goes without an answer."""
        for waiting in self._due(batch):
            try:
                await self._answer([waiting])
            except WorkerDied:
                waiting.settle(_crashed())

    def _due(self, batch: Sequence[Waiting]) -> list[Waiting]:
        now = asyncio.get_running_loop().time()
        return [waiting for waiting in batch if waiting.is_due(now)]


def _is_large(photo: bytes) -> bool:
    """Whether its header says so; of another kind than JPEG and PNG it waits with the large ones, whatever its size.

    This runs in the service's own process, where hostile bytes must take neither time nor the process: other formats
    are opened by libraries that decode at once, and of a file without end only the beginning is read.
    """
    if image_suffix(photo) is None:
        return False  # no photo, which is refused soon enough
    try:
        with Image.open(io.BytesIO(photo[:HEADER]), formats=("JPEG", "PNG")) as image:
            return image.width * image.height >= LARGE
    except Exception:  # whatever Pillow raises on hostile bytes: the worker says what is wrong
        return True


def _result(waiting: Waiting, opened: Opened, answers: Answers, found: Detection | Unreadable | Broken):
    """An Answer or a Refusal."""
    if isinstance(found, Detection):
        return Answer(found, opened.model_sha256, waiting.taken - waiting.since, answers.seconds)
    if isinstance(found, Broken):
        return Refusal(500, found.what, expected=found.expected, todo=found.todo)
    if found.too_large:
        todo = "send a smaller picture, or start the service with a larger --max-pixels"
        return Refusal(413, found.what, expected=found.expected, todo=todo)
    return Refusal(400, found.what, expected=found.expected, todo="send the bytes of a whole JPEG or PNG")


def _crashed() -> Refusal:
    return Refusal(
        500,
        "the model's process ended twice while it answered this photo",
        expected="a photo that it can answer",
        todo="send the photo as a new JPEG or PNG; the service's log has the reason",
    )
