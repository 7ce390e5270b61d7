"""Which machine and which versions a measurement belongs to."""

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from kerasfusion.machine.cpu import this_cpu

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("tensorflow", "keras", "torch", "transformers", "ultralytics", "openvino", "kerasfusion")


def describe() -> dict[str, object]:
    """Date, machine, versions; an empty string for a package that is not installed."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": str(this_cpu()),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    """The checkout's commit, with a + if files differ from it; empty where there is no git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
