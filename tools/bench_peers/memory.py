"""The largest memory that a process ever held."""

import os
import sys
from pathlib import Path

import psutil


def peak_memory_mb() -> float:
    """Peak of the resident memory of this process and of those that it started and that still run, MB (2**20 bytes)."""
    pids = [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]
    return sum(_peak(pid) for pid in pids) / 2**20


def _peak(pid: int) -> int:
    """Bytes; macOS tells a peak of this process alone, so that there another process counts with what it holds now."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    memory = psutil.Process(pid).memory_info()
    if sys.platform == "darwin" and pid == os.getpid():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return getattr(memory, "peak_wset", memory.rss)
