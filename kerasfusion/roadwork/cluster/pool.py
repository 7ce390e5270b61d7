"""Tasks, done by one worker a node: a dead worker's task is done again, a node that joins late helps."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kerasfusion.errors import KerasFusionError, RequestError
from kerasfusion.roadwork.cluster.ray_library import Cluster, Node, Worker, WorkerDied

Task = TypeVar("Task")

MOST_DEATHS = 3
"""So many workers that die of one task in turn, or of one node without a task done between, are the last."""
CLOSE_S = 5.0
"""How long a thread is waited for at the end."""
LOOK_S = 2.0
"""Seconds between two looks at which nodes there are."""


@dataclass(frozen=True)
class _Checked:
    """A node may be worked on."""

    node: Node


@dataclass(frozen=True)
class _Opened:
    """A worker is ready; `facts` is what opening it gave."""

    node: Node
    facts: Any


@dataclass(frozen=True)
class _Done(Generic[Task]):
    task: Task
    value: Any


@dataclass(frozen=True)
class _Refused:
    """A node cannot be worked on."""

    node: Node
    error: KerasFusionError


@dataclass(frozen=True)
class _Left:
    """A node is not served any more."""

    node: Node


@dataclass(frozen=True)
class _Failed:
    """The work cannot go on."""

    error: Exception


class Pool(Generic[Task]):
    """Workers on all nodes of a cluster; use it in a `with` statement.

    Every node is served by a thread of this process, which opens a worker there and hands it a task at a time.

    Args:
        cluster: where.
        check: raises RequestError for a node that cannot be worked on.
        open_worker: makes a worker ready, and gives facts about it.
        ask: has a worker do a task, and gives what came of it.
        tell: takes a line about a worker that died, was refused or joined.
    """

    def __init__(
        self,
        cluster: Cluster,
        check: Callable[[Node], None],
        open_worker: Callable[[Worker], Any],
        ask: Callable[[Worker, Task], Any],
        tell: Callable[[str], None],
    ):
        self._cluster, self._check, self._open_worker, self._ask = cluster, check, open_worker, ask
        self._tell = tell
        self._tasks: queue.Queue = queue.Queue()
        self._events: queue.Queue = queue.Queue()
        self._threads: dict[str, threading.Thread] = {}
        self._workers: dict[str, Worker] = {}
        self._deaths: dict[str, int] = {}
        self._lost: dict[str, str] = {}
        self._is_closing = threading.Event()
        self._looked = 0.0

    def open(self) -> Any:
        """Wait until every node is checked, and a worker is ready.

        Returns:
            The facts about the worker.

        Raises:
            RequestError: a node was refused, or there is none.
            KerasFusionError: no worker could be opened.
        """
        nodes = self._cluster.nodes()
        if not nodes:
            raise RequestError(
                "the cluster has no node with a processor to work on",
                todo="on each machine: ray start --address HEAD:6379",
            )
        self._look(nodes)
        unchecked, first = {node.id for node in nodes}, None
        while unchecked or first is None:
            event = self._next_event()
            if isinstance(event, _Refused | _Failed):
                raise event.error
            unchecked.discard(event.node.id)
            if isinstance(event, _Opened) and first is None:
                first = event
        return first.facts

    def map(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Any]]:
        """Have all tasks done; yields each with what came of it, in the order in which they end.

        Raises:
            KerasFusionError: what a worker raised, a task that no worker survives, or no worker left.
        """
        for task in tasks:
            self._tasks.put((task, 0))
        left = len(tasks)
        while left:
            event = self._next_event()
            if isinstance(event, _Done):
                left -= 1
                yield event.task, event.value
            else:
                self._raise_or_tell(event)

    def __enter__(self) -> "Pool[Task]":
        return self

    def __exit__(self, *_) -> None:
        self._is_closing.set()
        for worker in list(self._workers.values()):  # a thread that waits for its worker waits no longer
            worker.end()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads.values():
            thread.join(timeout=CLOSE_S)

    def _next_event(self):
        """What a worker has to say; meanwhile new nodes are looked for, and it is seen whether any is left."""
        while True:
            if time.monotonic() - self._looked > LOOK_S:
                self._look(self._cluster.nodes())
            try:
                return self._events.get(timeout=LOOK_S)
            except queue.Empty:
                if not any(thread.is_alive() for thread in self._threads.values()) and self._events.empty():
                    reasons = "; ".join(f"{name}: {reason}" for name, reason in self._lost.items())
                    raise KerasFusionError(
                        f"no machine of the cluster is left to work on: {reasons or 'all are gone'}",
                        todo="mend the cluster and run the same command again: what was finished is kept",
                    ) from None

    def _look(self, nodes: Sequence[Node]) -> None:
        is_late = bool(self._threads)
        self._looked = time.monotonic()
        for node in nodes:
            if node.id not in self._threads:
                if is_late:
                    self._tell(f"{node.name} joins")
                self._threads[node.id] = threading.Thread(target=self._serve, args=(node,), daemon=True)
                self._threads[node.id].start()

    def _raise_or_tell(self, event) -> None:
        if isinstance(event, _Failed):
            raise event.error
        if isinstance(event, _Refused):
            self._lost[event.node.name] = event.error.what
            self._tell(f"{event.node.name} is not worked on: {event.error}")

    def _serve(self, node: Node) -> None:
        """Of a node's thread: workers one after the other, as long as they are worth it."""
        try:
            self._check(node)
            self._events.put(_Checked(node))
            while not self._is_closing.is_set():
                try:
                    self._work_through(node)
                    return
                except WorkerDied as death:
                    if not self._is_replaced(node, death):
                        return
        except WorkerDied as death:
            self._lost[node.name] = str(death)
        except KerasFusionError as error:
            self._events.put(_Refused(node, error))
        except Exception as error:  # goes to the thread that waits
            self._events.put(_Failed(error))
        finally:
            self._events.put(_Left(node))

    def _work_through(self, node: Node) -> None:
        with self._cluster.worker(node) as worker:
            self._workers[node.id] = worker
            self._events.put(_Opened(node, self._open_worker(worker)))
            while (following := self._tasks.get()) is not None and not self._is_closing.is_set():
                self._do(worker, *following)
                self._deaths[node.id] = 0

    def _is_replaced(self, node: Node, death: WorkerDied) -> bool:
        """Whether a dead worker's node gets another one."""
        if self._is_closing.is_set():
            return False
        self._deaths[node.id] = self._deaths.get(node.id, 0) + 1
        self._lost[node.name] = str(death)
        is_there = any(node.id == other.id for other in self._cluster.nodes())
        if is_there and self._deaths[node.id] < MOST_DEATHS:
            self._tell(f"the worker on {node.name} died and is replaced; what it was at is done again ({death})")
            return True
        what = "its workers die one after the other" if is_there else "the machine is gone"
        self._tell(f"{node.name} is not worked on any more: {what} ({death})")
        return False

    def _do(self, worker: Worker, task: Task, deaths: int) -> None:
        try:
            value = self._ask(worker, task)
        except WorkerDied as death:
            if deaths + 1 < MOST_DEATHS:
                self._tasks.put((task, deaths + 1))
            else:
                self._events.put(_Failed(_deadly(worker, task, death)))
            raise
        except KerasFusionError as error:
            self._events.put(_Failed(error))
            raise
        self._events.put(_Done(task, value))


def _deadly(worker: Worker, task: object, death: WorkerDied) -> KerasFusionError:
    return KerasFusionError(
        f"{MOST_DEATHS} workers died one after the other of the same task, {task}: {death}",
        where=worker.node.name,
        todo="a smaller --batch needs less memory; then run the same command again to go on",
    )
