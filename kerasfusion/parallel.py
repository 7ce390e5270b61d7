"""What goes on in threads: an order-keeping map with bounded memory, and one piece of work beside another."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 32, threads: int | None = None
) -> Iterator[Result]:
    """Yield function(item) for each item, in order, worked out by threads (Pillow and hashlib release the GIL).

    Args:
        function: what to do; its exception is raised where its result is due.
        items: read lazily.
        ahead: at most so many results wait to be taken; memory does not grow with the number of items.
        threads: None: as many as there are cores.
    """
    with ThreadPoolExecutor(max_workers=threads or os.cpu_count() or 1) as pool:
        waiting = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def meanwhile(function: Callable[..., Result], *arguments: object) -> Iterator[Future[Result]]:
    """Have function(*arguments) done in a thread while the block does something else, such as importing a library.

    At the end of the block it is done, and what it raises is raised.
    """
    with ThreadPoolExecutor(1, "meanwhile") as pool:
        doing = pool.submit(function, *arguments)
        yield doing
    doing.result()
