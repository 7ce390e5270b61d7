"""A function of many items, here or on all machines of a cluster, with what it gives in their order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from kerasfusion.parallel import ordered_map
from kerasfusion.progress import note
from kerasfusion.roadwork.cluster.carried_files import INBOX, CarriedFolder, bring
from kerasfusion.roadwork.cluster.node_check import Needs, refuse_unfit
from kerasfusion.roadwork.cluster.pool import Pool
from kerasfusion.roadwork.cluster.ray_library import LOCAL, Worker, connected

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_A_TIME = 64
"""Items that are handed to a worker at a time: enough that it never waits for them, few to be done again."""
MAPPER = "mapper"


class Each:
    """Lives in a worker: a function of one item, called for many by threads.

    Args:
        function: importable, or a `functools.partial` of what is.
    """

    def __init__(self, function: Callable[[Item], Result]):
        self._function = function

    def work(self, items: Sequence[Item]) -> list[Result]:
        """What the function gives for each."""
        return list(ordered_map(self._function, items))


def map_on(on: str, function: Callable[[Item], Result], items: Sequence[Item], needs: Needs) -> Iterator[Result]:
    """Yield function(item) for each item, in order: `ordered_map` in this process, or on a cluster's machines.

    Args:
        on: "local", or a cluster's address.
        function: importable, or a `functools.partial` of what is.
        items: absolute paths in them mean the same on every machine.
        needs: what every machine has to see.

    Raises:
        RequestError: no Ray, no cluster, or a machine that is unfit.
        KerasFusionError: no machine left.
    """
    if on == LOCAL:
        return ordered_map(function, items)
    return cluster_map(on, Each, (function,), items, needs)


def cluster_map(
    address: str,
    factory: Callable,
    arguments: tuple,
    items: Sequence[Item],
    needs: Needs,
    carried: Sequence[CarriedFolder] = (),
    at_a_time: int | None = None,
) -> Iterator[Any]:
    """Yield what a worker's object makes of each item, in order.

    Args:
        address: of the cluster.
        factory: makes an object with `work(items) -> results` in each worker, once.
        arguments: of the factory, after the folders that hold what was carried.
        items, needs: as for `map_on`.
        carried: files that each worker needs.
        at_a_time: items that `work` is given; AT_A_TIME if None.

    Raises:
        RequestError, KerasFusionError: as `map_on`, and what `work` raises.
    """
    if not items:
        return
    with ExitStack() as stack:
        cluster = stack.enter_context(connected(address))

        def open_worker(worker: Worker) -> None:
            bring(worker, carried)
            places = [worker.call(INBOX, "place", folder) for folder in carried]
            worker.make(MAPPER, factory, *places, *arguments)

        check = partial(refuse_unfit, cluster, needs=needs)
        pool = stack.enter_context(Pool(cluster, check, open_worker, _ask, note))
        pool.open()
        size = at_a_time or AT_A_TIME
        parts = [_Part(start, items[start : start + size]) for start in range(0, len(items), size)]
        yield from _in_order(pool.map(parts), parts)


@dataclass(frozen=True)
class _Part:
    """A task: items from a place in the whole on."""

    start: int
    items: Sequence[Any]

    def __str__(self) -> str:
        return f"items {self.start + 1} to {self.start + len(self.items)}"


def _ask(worker: Worker, part: _Part) -> list[Any]:
    return worker.call(MAPPER, "work", part.items)


def _in_order(done: Iterable[tuple[_Part, list[Any]]], parts: Sequence[_Part]) -> Iterator[Any]:
    early: dict[int, list[Any]] = {}
    following = iter(parts)
    awaited = next(following, None)
    for part, results in done:
        early[part.start] = results
        while awaited is not None and awaited.start in early:
            yield from early.pop(awaited.start)
            awaited = next(following, None)
