"""The folder .venv in the repository root: where its programs are, what it holds, whether it can be installed into.

`.venv/kerasfusion.json` says what was installed. It is marked complete last, so that an interrupted installation is
seen and redone.
"""

import hashlib
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bootstrap.steps import SetupError

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = "tools/constraints.txt"
INPUTS = ("setup.cfg", "pyproject.toml", CONSTRAINTS)
PYTHON = "{}.{}".format(*sys.version_info[:2])
LOCK = "install.lock"
ORIGIN = "kerasfusion-*.dist-info/direct_url.json"
"""Where an installer says what it installed from (packaging.python.org, "Recording the Direct URL Origin")."""


def executable(name: str, root: Path = ROOT, folder: str = ".venv") -> Path:
    """The path of a program in .venv, or in another folder of that kind."""
    on_windows = platform.system() == "Windows"
    return root / folder / ("Scripts" if on_windows else "bin") / (f"{name}.exe" if on_windows else name)


def fingerprint(root: Path) -> str:
    """sha256 over the files that decide what is installed."""
    return hashlib.sha256(b"\0".join((root / name).read_bytes() for name in INPUTS)).hexdigest()


def read_state(root: Path) -> dict:
    """What `.venv/kerasfusion.json` says; empty if it is missing or damaged."""
    try:
        return dict(json.loads((root / ".venv" / "kerasfusion.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def write_state(root: Path, state: dict) -> None:
    """Replace `.venv/kerasfusion.json`; an empty state removes it."""
    path = root / ".venv" / "kerasfusion.json"
    if state:
        path.write_text(json.dumps(state, indent=1), encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def is_ready(root: Path, extras: Sequence[str]) -> bool:
    """Whether .venv holds these extras, installed completely, from these inputs, by this Python, in this folder."""
    state = read_state(root)
    return (
        state.get("complete") is True
        and state.get("python") == PYTHON
        and state.get("root") == str(root)
        and state.get("inputs") == fingerprint(root)
        and set(extras) <= set(state.get("extras", ()))
        and executable("python", root).exists()
        and _is_editable(root)
    )


def _is_editable(root: Path) -> bool:
    """Whether .venv runs the package from this folder: `pip install .` would leave a copy that goes stale."""
    found = (*root.glob(".venv/lib/python*/site-packages/" + ORIGIN), *root.glob(".venv/Lib/site-packages/" + ORIGIN))
    origins = [json.loads(path.read_text(encoding="utf-8")) for path in found]
    return any(origin.get("dir_info", {}).get("editable") for origin in origins)


def prepare(root: Path) -> bool:
    """Whether the .venv that is there can be installed into; an unusable one that these tools made is emptied.

    Raises:
        SetupError: an unusable one that these tools did not make; it is left as it is.
    """
    venv, state = root / ".venv", read_state(root)
    if not (venv / "pyvenv.cfg").exists() and not state:
        return False
    is_whole = state.get("complete", True) and state.get("root", str(root)) == str(root)
    if is_whole and _python_with_pip(root) == PYTHON:
        return True
    if not state.get("made_here"):
        raise SetupError(
            f"{venv} was not made by these tools, and it is damaged or not a Python {PYTHON} environment with pip.\n"
            "Move it away or delete it, and run the same command again.",
            exit_code=2,
        )
    print(".venv is incomplete, moved or of another Python: making it again", flush=True)
    _empty(venv)
    return False


def _python_with_pip(root: Path) -> str:
    """The version of .venv's Python, as "3.11"; empty if it does not start or lacks pip."""
    command = [str(executable("python", root)), "-c", "import sys, pip; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _empty(venv: Path) -> None:
    for entry in venv.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()
