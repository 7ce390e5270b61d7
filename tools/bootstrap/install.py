"""Install kerasfusion and what it needs into .venv, unless that has been done."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bootstrap import environment, torch_builds
from bootstrap.lock import exclusive
from bootstrap.steps import SetupError, StepError, run_step
from bootstrap.torch_builds import Builds, Pins

# On Linux x86_64 with every extra, CUDA builds: 10.7 GB of packages, and 3.6 GB of wheels until they are unpacked. What
# CPU builds take is worked out, not measured: without CUDA's libraries and Triton, 6 GB and 1 GB. pip's cache takes the
# wheels once more. Minutes: two cores and a fast line.
GIGABYTES = {"cuda": 15, "cpu": 7}
CACHE_GIGABYTES = {"cuda": 4, "cpu": 1}
MINUTES = {"cuda": 7, "cpu": 5}
CHECK_TORCH = (
    "import torch, torchvision\n"
    "kept = torchvision.ops.nms(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2]]), torch.tensor([0.9, 0.8]), 0.5)\n"
    "assert kept.tolist() == [0], kept"
)

Step = Callable[[str, Sequence[str]], None]


def ensure(extras: Sequence[str], root: Path = environment.ROOT) -> None:
    """Return when .venv is ready with these extras: at once if it is already, else after installing.

    Raises:
        SetupError: it cannot be made ready.
        OSError: .venv cannot be written.
    """
    if environment.is_ready(root, extras):
        return
    venv = root / ".venv"
    venv.mkdir(exist_ok=True)
    with exclusive(venv / environment.LOCK):
        # Another run may have installed everything while this one waited.
        if not environment.is_ready(root, extras):
            install(root, extras)


def install(root: Path, extras: Sequence[str]) -> None:
    """Make .venv or bring it up to date; the caller holds its lock."""
    before = environment.read_state(root)
    exists = environment.prepare(root)
    pins = torch_builds.read_pins(root / environment.CONSTRAINTS)
    found = torch_builds.installed(environment.executable("python", root)) if exists else {}
    builds = torch_builds.choose(found, pins)
    print(builds.reason, flush=True)
    variables = {} if exists else cache_variables(root, builds)
    state = {
        "complete": False,
        "made_here": before.get("made_here", False) if exists else True,
        "python": environment.PYTHON,
        "root": str(root),
        "extras": sorted({*extras, *before.get("extras", ())}),
        "inputs": environment.fingerprint(root),
    }
    environment.write_state(root, state)
    try:
        _run_steps(root, state["extras"], builds, pins, exists, variables)
    except StepError as error:
        if error.disk_full:
            raise SetupError(disk_full_message(root)) from error
        if exists:
            # pip that ends by itself has undone what it began: the environment is what it was.
            environment.write_state(root, before)
        raise
    environment.write_state(root, {**state, "complete": True})


def _run_steps(
    root: Path, extras: Sequence[str], builds: Builds, pins: Pins, exists: bool, variables: Mapping[str, str]
) -> None:
    log, python = root / ".venv" / "install.log", str(environment.executable("python", root))
    log.write_bytes(b"")
    step = partial(run_step, log=log, cwd=root)
    if not exists:
        # From inside .venv, sys.executable would be the very Python that is being replaced.
        base = getattr(sys, "_base_executable", None) or sys.executable
        step("making .venv", [base, "-m", "venv", str(root / ".venv")])
    # A small /tmp in memory cannot hold the wheels: everything goes to the file system that was checked.
    temporary = root / ".venv" / "tmp"
    temporary.mkdir(exist_ok=True)
    step = partial(step, extra={**variables, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))})
    _install_packages(step, python, extras, builds, pins)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        step("checking torch and torchvision", [python, "-c", CHECK_TORCH])
    except StepError as error:
        raise SetupError(
            f"torch and torchvision do not work together:\n{error.tail}\nDelete .venv and run the same command again."
        ) from error


def _install_packages(step: Step, python: str, extras: Sequence[str], builds: Builds, pins: Pins) -> None:
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    if builds.kind == "cpu":
        try:
            step("installing torch and torchvision", pip + torch_builds.cpu_arguments(pins))
        except StepError as error:
            if error.disk_full:
                raise
            builds = torch_builds.fallback("CPU builds of torch and torchvision could not be installed")
            print(builds.reason, flush=True)
    minutes = MINUTES["cuda" if builds.brings_cuda else "cpu"]
    often = "changed packages only" if builds.kind == "present" else f"about {minutes} minutes"
    label = f"installing ({often}; log: .venv/install.log)"
    ours = ["-c", environment.CONSTRAINTS, "-e", f".[{','.join(extras)}]"]
    step(label, pip + ours + torch_builds.default_arguments(builds, pins))


def cache_variables(root: Path, builds: Builds) -> dict[str, str]:
    """What to set for pip, so that a new installation fits: no cache where there is room for each wheel once only.

    Raises:
        SetupError: the file system has too little room even so.
    """
    kind = "cuda" if builds.brings_cuda else "cpu"
    free = shutil.disk_usage(root).free
    if free < GIGABYTES[kind] * 1e9:
        raise SetupError(
            f"Too little room: the installation needs about {GIGABYTES[kind]} GB, {_free(root)}.\n"
            "Make room and run the same command again."
        )
    if free < (GIGABYTES[kind] + CACHE_GIGABYTES[kind]) * 1e9:
        print(f"pip keeps no downloads in its cache: {_free(root)}", flush=True)
        return {"PIP_NO_CACHE_DIR": "1"}
    return {}


def disk_full_message(root: Path) -> str:
    """What to say when the disk filled up on the way."""
    sizes = "about {cpu} GB, or {cuda} GB with CUDA".format(**GIGABYTES)
    return (
        f"The disk is full: the installation needs {sizes}; now {_free(root)}.\n"
        "Make room (.venv may be deleted) and run the same command again."
    )


def _free(root: Path) -> str:
    return f"{shutil.disk_usage(root).free / 1e9:.1f} GB are free at {root}"
