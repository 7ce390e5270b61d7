"""The two ways a command can end badly, each with its exit code and a message a person can act on."""

import importlib
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "tools" / "constraints.txt"
"""Lies beside the package where it runs from its source, and nowhere else."""

_SHOWN = 500
"""Letters of a line that are shown: some libraries quote in it all that they read."""


class KerasFusionError(Exception):
    """Work that failed: exit code 1.

    Args:
        what: what went wrong, one sentence.
        where: the file, folder, config key or row it is about.
        expected: what would have been right.
        todo: what to do next, best a command or a config key.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: object = None, expected: str | None = None, todo: str | None = None):
        self.what, self.where, self.expected, self.todo = what, where, expected, todo
        lines = [what]
        for name, value in (("where", where), ("expected", expected), ("what to do", todo)):
            if value is not None:
                lines.append(f"  {name}: {value}")
        super().__init__("\n".join(lines))


class RequestError(KerasFusionError):
    """A request that cannot be met as it was put (bad key, missing file, wrong combination): exit code 2."""

    exit_code = 2


class DamagedError(KerasFusionError):
    """A file that is read for an answer is not what was written: exit code 2, as of any wrong file."""

    exit_code = 2


def first_line(error: BaseException) -> str:
    """What another library's error says, in one line: the first of its text, or its class's name if it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip()[:_SHOWN]


def install_command(extra: str = "") -> str:
    """What brings an extra, or what the package itself needs.

    From the source: the tested versions, to be typed in its folder. Else pip takes the package that is there.
    """
    wanted = f"[{extra}]" if extra else ""
    if CONSTRAINTS.is_file():
        what = f'".{wanted}"' if extra else "."
        return f"{sys.executable} -m pip install -c tools/constraints.txt -e {what}"
    return f'{sys.executable} -m pip install "kerasfusion{wanted}"'


def install_hint(extra: str) -> str:
    """`install_command` with where to type it."""
    return ("in the folder of the source: " if CONSTRAINTS.is_file() else "") + install_command(extra)


def require(module: str, *, extra: str = "", package: str | None = None):
    """Import an optional library, or say how to install it.

    Args:
        module: the library's import name.
        extra: the extra of this package that brings it; empty if this package itself asks for it.
        package: what pip is to bring where that alone is enough, such as "onnxruntime>=1.17".

    Raises:
        RequestError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise RequestError(
            f"this step needs {error.name}, which is not installed",
            todo=install_hint(extra) if package is None else f'{sys.executable} -m pip install "{package}"',
        ) from error
