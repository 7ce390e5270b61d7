"""`.venv-oldest`: an environment with exactly the oldest versions that setup.cfg allows for running a saved model."""

import hashlib
import shutil
import sys
from functools import partial
from pathlib import Path

from bootstrap import environment
from bootstrap.lock import exclusive
from bootstrap.steps import SetupError, run_step

FOLDER = ".venv-oldest"
PINS = "tools/constraints-oldest.txt"
NEWEST_PYTHON = (3, 11)
"""The last that all of these versions were built for."""

TESTS = (
    "tests/images",
    "tests/formats/test_description.py",
    "tests/formats/test_seal.py",
    "tests/test_config.py",
    "tests/test_reporting.py",
    "tests/metrics",
    "tests/roadwork/scoring",
    "tests/roadwork/detect",
    "tests/roadwork/miner/check",
    "tests/roadwork/miner/plugin",
    "tests/roadwork/service/test_requests.py",
)
"""What the base install and the extra `serve` are for."""
LEFT_OUT = {
    "tests/images/test_augmentation.py": "the extra `train`",
    "tests/images/test_heif.py": "the extra `heic`",
    "tests/images/test_decoding.py::test_crop_centre_equals_torchvisions_resize_and_centre_crop": "torchvision",
}
"""What needs more than that."""
MARKS_LEFT_OUT = ("trains", "exports")
"""They need the extras `train`, `yolo` and `export`, whose bounds are today's versions."""


def ensure(root: Path = environment.ROOT) -> Path:
    """The environment's Python, installed first unless that has been done with these pins.

    Raises:
        SetupError: these versions have no builds for the running Python, or pip failed.
    """
    if sys.version_info[:2] > NEWEST_PYTHON:
        raise SetupError(
            f"{PINS}: these versions have no builds for Python {environment.PYTHON}.\n"
            "Run it with Python 3.11: python3.11 tools/test.py --oldest",
            exit_code=2,
        )
    venv = root / FOLDER
    venv.mkdir(exist_ok=True)
    python, done = environment.executable("python", root, FOLDER), venv / "complete"
    with exclusive(venv / environment.LOCK):
        if not done.exists() or done.read_text(encoding="utf-8") != _inputs(root):
            _install(root, python)
            done.write_text(_inputs(root), encoding="utf-8")
    return python


def pytest_arguments() -> list[str]:
    """The tests that touch what is installed there."""
    left_out = [f"--{'deselect' if '::' in each else 'ignore'}={each}" for each in LEFT_OUT]
    return ["-m", f"not ({' or '.join(MARKS_LEFT_OUT)})", *TESTS, *left_out]


def _install(root: Path, python: Path) -> None:
    venv = root / FOLDER
    (venv / "complete").unlink(missing_ok=True)
    log, temporary = venv / "install.log", venv / "tmp"
    temporary.mkdir(exist_ok=True)
    folders = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    step = partial(run_step, log=log, cwd=root, extra=folders)
    base = getattr(sys, "_base_executable", None) or sys.executable
    step(f"making {FOLDER}", [base, "-m", "venv", str(venv)])
    # The list is whole: without the resolver nothing newer can slip in, and `pip check` says whether it fits together.
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps"]
    step(f"installing the oldest versions (log: {FOLDER}/install.log)", [*pip, "-r", PINS])
    step("installing kerasfusion", [*pip, "-e", "."])
    step("pip check", [str(python), "-m", "pip", "check"])
    shutil.rmtree(temporary, ignore_errors=True)


def _inputs(root: Path) -> str:
    """Digest of the files that decide what is installed, and the Python."""
    files = b"\0".join((root / name).read_bytes() for name in ("setup.cfg", PINS))
    return f"{environment.PYTHON} {hashlib.sha256(files).hexdigest()}"
