"""What a dry run tells: the work in stages, each with its measured time, and what it needs of disk and memory."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from kerasfusion.reporting import table

Value = TypeVar("Value")


@dataclass(frozen=True)
class Stage:
    """A part of the work.

    Attributes:
        stage: what is done.
        count: how often.
        unit: of what, for example "photos".
        seconds_each: measured.
        seconds_once: measured: what comes on top, whatever the count.
    """

    stage: str
    count: int
    unit: str
    seconds_each: float
    seconds_once: float = 0.0

    @property
    def seconds(self) -> float:
        """Of all of it."""
        return self.count * self.seconds_each + self.seconds_once


@dataclass(frozen=True)
class Estimate:
    """What the work would be.

    Attributes:
        work: its command.
        facts: what it works on and what there is already, by name; JSON values.
        stages: in their order.
        disk: what it would write, bytes by name.
        memory: largest resident memory in the trial, with the real network and batches, bytes.
        trial: what was done to measure it.
        trial_seconds: how long that took.
    """

    work: str
    facts: dict[str, Any]
    stages: Sequence[Stage]
    disk: dict[str, int]
    memory: int
    trial: str
    trial_seconds: float

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """As a JSON value."""
        return {
            "work": self.work,
            **self.facts,
            "stages": [asdict(stage) | {"seconds": stage.seconds} for stage in self.stages],
            "seconds": self.seconds,
            "disk_bytes": self.disk,
            "memory_bytes": self.memory,
            "measured_on": {"machine": _machine(), "trial": self.trial, "seconds": self.trial_seconds},
            "is_estimate": True,
        }

    def to_text(self) -> str:
        """For a person."""
        lines = [f"{self.work}: a dry run; nothing was written"]
        names = {name: name.replace("_", " ") for name in self.facts}
        width = max(map(len, names.values()), default=0)
        lines += [f"  {names[name].ljust(width)}  {_shown(value)}" for name, value in self.facts.items()]
        rows = [_row(stage) for stage in self.stages if stage.count or stage.seconds]
        if rows:
            lines += ["", table(rows, digits={"each, ms": 1, "once, s": 1, "seconds": 1})]
        disk = " and ".join(f"{_size(size)} for {name}" for name, size in self.disk.items()) or "next to nothing"
        lines += [
            "",
            f"about {duration(self.seconds)} in all; disk: {disk}; memory: {_size(self.memory)} or more",
            f"This is an estimate, from {self.trial} in {self.trial_seconds:.0f} s on this machine ({_machine()}).",
            "Other programs that run beside it make it longer.",
        ]
        return "\n".join(lines)


def process_seconds() -> float:
    """How long ago this process began: at the start of the work, what Python and libraries took to load."""
    import psutil

    return time.time() - psutil.Process().create_time()


def timed(work: Callable[[], Value]) -> tuple[Value, float]:
    """(what work() gave, seconds that it took)."""
    begin = time.perf_counter()
    value = work()
    return value, time.perf_counter() - begin


def spread(items: Sequence[Value], count: int) -> list[Value]:
    """`count` of the items, evenly over all of them and in their order; all if there are fewer."""
    count = min(count, len(items))
    return [items[number * len(items) // count] for number in range(count)]


def duration(seconds: float) -> str:
    """As one would say it: "40 s", "12 min", "3 h 24 min"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 2:
        return f"{60 * hours + minutes} min"
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def _row(stage: Stage) -> dict[str, object]:
    return {
        "stage": stage.stage,
        "count": stage.count,
        "of": stage.unit,
        "each, ms": stage.seconds_each * 1000,
        "once, s": stage.seconds_once or None,
        "seconds": stage.seconds,
    }


def _machine() -> str:
    import os

    from kerasfusion.machine.cpu import this_cpu

    return f"{this_cpu().name}, {os.cpu_count()} cores"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_shown(item)}" for name, item in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
