"""Progress of long work: a bar with an ETA on a terminal, a plain line now and then elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 10.0

_silent = False


def track(items: Iterable[Item], label: str, total: int | None = None, done: int = 0) -> Iterator[Item]:
    """Yield the items and show how far the work is, on stderr.

    Args:
        items: what is worked through.
        label: what is being done, for example "precompute train".
        total: number of items including `done`; len(items) if None.
        done: items that an earlier run has finished.
    """
    if _silent:
        return (item for item in items)
    if total is None:
        total = len(items) + done
    show = _bar if sys.stderr.isatty() else _lines
    return show(items, label, total, done)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Show no progress meanwhile: for a trial run, whose progress is not that of the work."""
    global _silent
    before, _silent = _silent, True
    try:
        yield
    finally:
        _silent = before


def note(line: str) -> None:
    """Say something about work under way, on stderr."""
    if not _silent:
        print(line, file=sys.stderr, flush=True)


def _bar(items: Iterable[Item], label: str, total: int, done: int) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total, completed=done)
        for item in items:
            yield item
            progress.advance(task)


def _lines(items: Iterable[Item], label: str, total: int, done: int) -> Iterator[Item]:
    start = last = time.monotonic()
    count, first = done, None
    for item in items:
        yield item
        count += 1
        now = time.monotonic()
        # As rich does: the first item is not counted on, because start-up may be in it (a graph is made, say).
        first = now if first is None else first
        if now - last >= SECONDS_BETWEEN_LINES and count < total:
            last, pace = now, (now - first) / max(1, count - done - 1)
            left = f", about {pace * (total - count):.0f} s left" if count - done > 1 else ""
            print(f"{label}: {count}/{total}{left}", file=sys.stderr, flush=True)
    print(f"{label}: {count}/{total}, {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
