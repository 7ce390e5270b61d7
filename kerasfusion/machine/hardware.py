"""What this machine has, for `doctor`: processor, memory, disk, GPU, network. Nothing here hangs or raises."""

import os
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from kerasfusion.errors import RequestError, install_command
from kerasfusion.files.run_folder import require_folder
from kerasfusion.files.writing import existing_part
from kerasfusion.keras_settings import foreign_settings
from kerasfusion.machine.cpu import this_cpu
from kerasfusion.machine.findings import MISSING, OK, WARNING, Finding

GB = 1e9
CHECKPOINT_SPACE = 5 * GB
"""What a run with its checkpoints, exports and caches is given room for."""

BATCHES = ((24, 16, 24), (16, 8, 16), (8, 4, 8), (4, 2, 4))
"""(GB of memory, precompute --batch, fit --batch), from much to little; as in kerasfusion/roadwork/README.md."""

HUB = "https://huggingface.co"
HUB_SECONDS = 2.0
GPU_SECONDS = 30.0

GPU_DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""What a driver that TensorFlow can use leaves on Linux: NVIDIA's, AMD's, Windows' for its Linux."""

_ASK_TENSORFLOW = """
import tensorflow as tf
names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
         for gpu in tf.config.list_physical_devices("GPU")]
print("found:", *names, sep="\\n")
"""


def check_cpu() -> Finding:
    """Name, cores and instructions; AMX is tried where it is reported, because some virtual machines lie."""
    cpu, cores = this_cpu(), os.cpu_count() or 1
    features = "features unknown" if cpu.features is None else " ".join(cpu.features) or "no known features"
    found = f"{cpu.name}, {cores} {'core' if cores == 1 else 'cores'}; {features}"
    if cpu.features is not None and "amx" in cpu.features and not _amx_works():
        return Finding("processor", WARNING, f"{found}; AMX is reported but broken, and is not used")
    return Finding("processor", OK, found)


def _amx_works() -> bool:
    from kerasfusion.machine.amx import VARIABLE, BrokenAmxWarning, avoid_broken_amx

    before = os.environ.get(VARIABLE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BrokenAmxWarning)
        avoid_broken_amx("openvino")
    return os.environ.get(VARIABLE) == before


def check_memory() -> Finding:
    """Total and free memory, with the batch sizes that suit the total."""
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.total / GB:.1f} GB, {memory.available / GB:.1f} GB free"
    batches = batches_for(memory.total)
    if batches is None:
        return Finding("memory", WARNING, f"{found}; less than 4 GB", "close other programs, and take --batch 2")
    ask, fit = batches
    return Finding("memory", OK, f"{found}; precompute --batch {ask}, fit --batch {fit}")


def batches_for(memory: float) -> tuple[int, int] | None:
    """(precompute --batch, fit --batch) for this many bytes; None for less than the smallest.

    A machine that is sold with 8 GB reports somewhat less: a tenth may be missing.
    """
    return next(((ask, fit) for size, ask, fit in BATCHES if memory >= 0.9 * size * GB), None)


def check_disk(folders: Sequence[Path]) -> list[Finding]:
    """Free space of each disk that these folders are, or will be, on."""
    findings, seen = [], set()
    for folder in folders:
        existing = existing_part(folder)
        disk = existing.stat().st_dev
        if disk in seen:
            continue
        seen.add(disk)
        free = shutil.disk_usage(existing).free
        found = f"{free / GB:.1f} GB free for {folder}"
        if free >= CHECKPOINT_SPACE:
            findings.append(Finding("disk", OK, found))
        else:
            todo = "free some space, or name folders on another disk (runs_folder and the caches)"
            status = MISSING if free < CHECKPOINT_SPACE / 10 else WARNING
            findings.append(Finding("disk", status, f"{found}; runs and caches may take 5 GB", todo))
    return findings


def check_keras() -> Finding:
    """What the user set Keras to, for other programs."""
    foreign = foreign_settings()
    if not foreign:
        return Finding("Keras settings", OK, "nothing that would differ")
    return Finding("Keras settings", OK, f"set aside here, this program sets its own: {'; '.join(foreign)}")


def check_folders(folders: Mapping[str, Path]) -> list[Finding]:
    """Whether the folders that the work writes to can be written to.

    Args:
        folders: {the key that names it: a folder, which need not exist yet}.
    """
    findings = []
    for key, folder in folders.items():
        try:
            require_folder(folder)
        except RequestError as error:
            findings.append(Finding(key, MISSING, f"{error.what}: {error.where}", f"name another folder ({key})"))
        else:
            findings.append(Finding(key, OK, str(folder)))
    return findings


def has_gpu_driver(drivers: Sequence[str] = GPU_DRIVERS) -> bool:
    """Whether this machine may have a GPU that TensorFlow can use; only Linux tells without asking TensorFlow."""
    return sys.platform != "linux" or any(Path(driver).exists() for driver in drivers)


class GpuCheck:
    """Asks TensorFlow for GPUs in a process of its own, begun at once; a crash there is a finding here."""

    def __init__(self, drivers: Sequence[str] = GPU_DRIVERS):
        self._process = None
        if not has_gpu_driver(drivers):
            return  # without a driver there is nothing to find: loading TensorFlow would take seconds
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ASK_TENSORFLOW],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def result(self, seconds: float = GPU_SECONDS) -> Finding:
        """Wait for it."""
        if self._process is None:
            return Finding("GPU", OK, "none: there is no driver of one; everything runs on the processor")
        try:
            out, problems = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Finding("GPU", WARNING, f"TensorFlow did not answer within {seconds:.0f} s")
        code = self._process.returncode
        if code:
            why = f"signal {-code}" if code < 0 else (problems.strip().splitlines() or ["no message"])[-1]
            return Finding("GPU", MISSING, f"TensorFlow cannot be loaded: {why}", f"{install_command()} brings it anew")
        names = out.partition("found:")[2].split("\n")[1:]
        found = ", ".join(name for name in names if name)
        return Finding("GPU", OK, found or "none that TensorFlow can use; everything runs on the processor")


class HubCheck:
    """Asks whether the model hub can be reached, begun at once; a name server that hangs does not hold it up."""

    def __init__(self):
        self.address = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
        self._answer: str | None = None
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        if os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes", "on"):
            self._answer = "HF_HUB_OFFLINE is set"
            return
        try:
            request = urllib.request.Request(self.address, method="HEAD")
            with urllib.request.urlopen(request, timeout=HUB_SECONDS):
                self._answer = ""
        except urllib.error.HTTPError:
            self._answer = ""  # it answered, whatever it said
        except (OSError, ValueError) as error:
            self._answer = str(getattr(error, "reason", error))

    def is_reachable(self) -> bool:
        """Wait for it, but not long."""
        self._thread.join(HUB_SECONDS + 0.5)
        return self._answer == ""

    def result(self) -> Finding:
        """Being offline is no fault."""
        if self.is_reachable():
            return Finding("model hub", OK, f"{self.address} answers")
        why = self._answer or "no answer"
        return Finding("model hub", WARNING, f"{self.address} cannot be reached ({why}): weights must be at hand")
