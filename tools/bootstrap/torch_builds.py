"""Choose where torch and torchvision come from: always both from one place.

A CPU torch beside the default torchvision (or the other way round) installs without complaint and fails at import with
"operator torchvision::nms does not exist". On Linux the default builds bring several GB of CUDA libraries, so without
an NVIDIA GPU the CPU builds are preferred. On Windows and macOS the default builds are CPU builds already.
"""

import platform
import re
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PAIR = ("torch", "torchvision")
PROBE_SECONDS = 5

Pins = dict[str, str]


@dataclass(frozen=True)
class Builds:
    """A choice: `kind` is "cpu", "default" or "present"; `reason` is the line to print."""

    kind: str
    reason: str
    brings_cuda: bool = False


def read_pins(constraints: Path) -> Pins:
    """The versions that the constraints file pins for torch and torchvision."""
    text = constraints.read_text(encoding="utf-8")
    return {name: re.search(rf"^{name}==(\S+)", text, re.MULTILINE).group(1) for name in PAIR}


def has_nvidia_gpu() -> bool:
    """Whether an NVIDIA driver is installed."""
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia").exists()


def cpu_index_lists(pins: Pins) -> bool:
    """Whether the CPU index answers within some seconds and lists both pinned versions."""
    for name, version in pins.items():
        try:
            with urllib.request.urlopen(f"{CPU_INDEX}/{name}/", timeout=PROBE_SECONDS) as page:
                listing = page.read().decode("utf-8", "replace")
        except (OSError, ValueError):
            return False
        if not re.search(rf"\b{name}-{re.escape(version)}(\+|%2B|-)", listing):
            return False
    return True


def installed(python: Path) -> Pins:
    """The versions of the pair in the environment of `python`; what is not installed is left out."""
    code = (
        "from importlib.metadata import distributions as d\n"
        f"print(*(f'{{x.name}} {{x.version}}' for x in d() if x.name in {PAIR}), sep='\\n')"
    )
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    return dict(line.split() for line in done.stdout.splitlines() if line)


def is_matching_pair(found: Pins, pins: Pins) -> bool:
    """Whether both are installed at their pins and are builds of one kind (the same "+cpu", or neither has any)."""
    public = {name: version.partition("+")[0] for name, version in found.items()}
    kinds = {version.partition("+")[2] for version in found.values()}
    return public == pins and len(kinds) == 1


def choose(found: Pins, pins: Pins) -> Builds:
    """Decide for this machine; `found` is what its environment holds already."""
    if is_matching_pair(found, pins):
        return Builds("present", f"torch {found['torch']} and torchvision {found['torchvision']} are installed")
    if platform.system() != "Linux":
        return Builds("default", "torch and torchvision: the default builds")
    if has_nvidia_gpu():
        return Builds("default", "NVIDIA driver found: torch and torchvision with CUDA", brings_cuda=True)
    if cpu_index_lists(pins):
        return Builds("cpu", f"no NVIDIA GPU: CPU builds of torch and torchvision from {CPU_INDEX}")
    return fallback(f"{CPU_INDEX} cannot be reached or lacks the pinned pair")


def fallback(cause: str) -> Builds:
    """The default builds on a machine that could do with the CPU ones."""
    return Builds("default", f"{cause}: default builds of torch and torchvision, with CUDA", brings_cuda=True)


def cpu_arguments(pins: Pins) -> list[str]:
    """pip arguments that install the pair from the CPU index and from no other index.

    pip reads the index's two pages as link lists: with `--index-url` it would still ask the extra indexes of the user's
    configuration. The pair's own dependencies come with the rest, from the default index.
    """
    pages = [argument for name in PAIR for argument in ("--find-links", f"{CPU_INDEX}/{name}/")]
    wanted = [f"{name}=={pins[name]}" for name in PAIR]
    return ["--no-index", "--no-deps", "--force-reinstall", *pages, *wanted]


def default_arguments(builds: Builds, pins: Pins) -> list[str]:
    """pip arguments that keep a "+cpu" build of one of the two out of a default installation.

    `===` compares the whole text, so that it does not accept 2.15.0+cpu for 2.15.0, wherever pip may find that.
    """
    return [f"{name}==={pins[name]}" for name in PAIR] if builds.kind == "default" else []
