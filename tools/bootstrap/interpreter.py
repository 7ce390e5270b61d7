"""Refuse an unsuitable Python with a message.

This module and the two scripts must parse and run on every Python since 3.6, so that the message can be printed there.
"""

import importlib.util
import platform
import shutil
import subprocess
import sys
import sysconfig

OLDEST, NEWEST = (3, 11), (3, 13)


def facts():
    """What decides whether TensorFlow and torch have builds for the running interpreter."""
    return {
        "version": tuple(sys.version_info[:2]),
        "implementation": platform.python_implementation(),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "system": platform.system(),
        "machine": platform.machine(),
        "has_venv": all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
    }


def problem(known):
    """Say in one text what is wrong with an interpreter of these `facts`; an empty text if nothing is."""
    version = "{}.{}".format(*known["version"])
    wanted = "a 64-bit CPython {}.{} to {}.{}".format(*OLDEST, *NEWEST)
    if not OLDEST <= known["version"] <= NEWEST:
        return f"This is Python {version}; kerasfusion needs {wanted}."
    if known["implementation"] != "CPython" or known["bits"] != 64 or known["free_threaded"]:
        kind = "free-threaded " if known["free_threaded"] else ""
        name = "{}{}-bit {}".format(kind, known["bits"], known["implementation"])
        return f"This is a {name}; TensorFlow has no build for it. kerasfusion needs {wanted}."
    if known["system"] == "Darwin" and known["machine"] == "x86_64":
        return (
            "This is an Intel build of Python on macOS; TensorFlow and torch make none for it any more.\n"
            "On Apple silicon install an arm64 Python; an Intel Mac needs Linux in a virtual machine."
        )
    if not known["has_venv"]:
        return (
            f"This Python {version} lacks the modules venv and ensurepip, which make the environment.\n"
            f"On Debian and Ubuntu: sudo apt install python{version}-venv"
        )
    return ""


def others():
    """Commands for suitable interpreters that are installed beside this one, newest first."""
    found = []
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        on_windows = platform.system() == "Windows"
        command = ["py", f"-3.{minor}"] if on_windows else [f"python3.{minor}"]
        if shutil.which(command[0]) and _starts(command):
            found.append(" ".join(command))
    return found


def _starts(command):
    # A version manager's shim can be on the PATH without a Python behind it.
    try:
        probe = [*command, "-c", "import venv, ensurepip"]
        quiet = subprocess.DEVNULL
        return subprocess.call(probe, stdin=quiet, stdout=quiet, stderr=quiet, timeout=20) == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def require_supported():
    """Return if the running interpreter can be used; else print why not, and what to run, and exit with 2."""
    text = problem(facts())
    if not text:
        return
    found = others()
    if found:
        text += f"\nInstalled here and suitable: {found[0]} {subprocess.list2cmdline(sys.argv)}"
    elif not facts()["has_venv"] or not OLDEST <= sys.version_info[:2] <= NEWEST:
        text += "\nPython can be had from https://www.python.org/downloads/ or your system's packages."
    print(text, file=sys.stderr)
    sys.exit(2)
