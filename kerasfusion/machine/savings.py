"""What installed packages take on the disk for processors that this machine does not have."""

import csv
import importlib.metadata
import sys
from collections.abc import Callable, Mapping

from kerasfusion.machine.findings import OK, WARNING, Finding
from kerasfusion.machine.packages import Package

_GPU_PACKAGES = ("nvidia-", "triton")
"""How the names begin of what torch's default build for Linux, and tensorflow[and-cuda], bring for NVIDIA's GPUs."""
_OF_A_TOOL = ("nvidia-ml-py",)
"""Begins so, and is something else."""
_TORCH_FOR_CPUS = "pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cpu"


def check_savings(
    packages: Mapping[str, Package], has_gpu: bool, size_of: Callable[[str], int] | None = None
) -> list[Finding]:
    """The space that builds for processors alone would save; nothing where there is a GPU.

    Args:
        packages: as `installed_packages` gives them.
        has_gpu: whether this machine has the driver of one.
        size_of: bytes of an installed package; None asks `installed_bytes`.
    """
    if has_gpu:
        return []
    size_of, findings = size_of or installed_bytes, []
    libraries = sorted(name for name in packages if name.startswith(_GPU_PACKAGES) and name not in _OF_A_TOOL)
    if libraries:
        size = sum(map(size_of, libraries))
        remove = f"pip uninstall {' '.join(libraries)}"
        torch = packages.get("torch")
        is_torchs = torch is not None and not torch.version.endswith("+cpu")
        findings.append(
            Finding(
                "libraries of GPUs",
                WARNING,
                f"{size / 1e9:.1f} GB in {len(libraries)} packages, for a GPU that is not here",
                f"{_TORCH_FOR_CPUS}, then {remove}" if is_torchs else remove,
            )
        )
    if "tensorflow" in packages and sys.platform == "linux":
        size = size_of("tensorflow")
        found = f"{size / 1e9:.1f} GB; tensorflow-cpu of the same version answers the same and takes two thirds"
        findings.append(Finding("tensorflow", OK, found))
    return findings


def installed_bytes(name: str) -> int:
    """What an installed package brought, by its own list: looking at TensorFlow's 20,000 files would take seconds."""
    record = importlib.metadata.distribution(name).read_text("RECORD") or ""
    return sum(int(row[2]) for row in csv.reader(record.splitlines()) if row and row[-1].isdecimal())
