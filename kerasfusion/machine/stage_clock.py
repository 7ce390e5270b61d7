"""Time the stages of an answer, one photo at a time, as a waiting validator sees them."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def time_stages(stages: dict[str, Callable[[Any], Any]], start: Any, runs: int, warmup: int) -> dict[str, np.ndarray]:
    """Run the stages one after the other, each on what the one before gave.

    Args:
        stages: name -> function; each takes what the stage before it returned.
        start: what the first stage is given.
        runs: measured runs, at least 1.
        warmup: runs before them that are not measured.

    Returns:
        {stage: (runs,) seconds} and "total".
    """
    times = {name: np.zeros(runs) for name in (*stages, "total")}
    for run in range(-warmup, runs):
        value, begin = start, time.perf_counter()
        for name, stage in stages.items():
            before = time.perf_counter()
            value = stage(value)
            if run >= 0:
                times[name][run] = time.perf_counter() - before
        if run >= 0:
            times["total"][run] = time.perf_counter() - begin
    return times


def summarise(seconds: np.ndarray) -> dict[str, float]:
    """Mean, standard deviation and percentiles in milliseconds."""
    ms = np.asarray(seconds) * 1000
    p50, p95, p99 = np.percentile(ms, [50, 95, 99])
    return {
        "mean_ms": float(ms.mean()),
        "std_ms": float(ms.std()),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
    }


def peak_memory_mb() -> float:
    """Largest resident memory that this process has had, MB."""
    import psutil

    status = Path("/proc/self/status")
    if status.is_file():  # Linux: getrusage's maximum would count the process that started this one
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def resident_memory_mb(children_only: bool = False) -> float:
    """Memory of this process and of those that it started, or of the latter alone, MB."""
    import psutil

    process = psutil.Process()
    counted = [*([] if children_only else [process]), *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in counted) / 2**20
