"""miner.env, read as the miner's start script does (`set -a; source miner.env`), and the edits that set its variables.

Of the shell's language what such files use is understood: assignments with or without `export`, quotes, comments and
variables. A line of another kind is passed over.
"""

import os
import re
import shlex
from pathlib import Path

from kerasfusion.errors import RequestError
from kerasfusion.roadwork.miner.plugin.install_record import Edit

_SEGMENT = r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\;&|<>()]"""
# The value is looked ahead for and then taken as a whole, which cannot be tried shorter: Python 3.10 has no `*+`.
_ASSIGNMENT = re.compile(
    rf"^[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_]\w*)=(?=(?P<value>(?:{_SEGMENT})*))(?P=value)[ \t]*(?:[;#].*)?$"
)
_PARTS = re.compile(r"""'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|\\(?P<escaped>.)|(?P<plain>[^'"\\]+)""")
_VARIABLE = re.compile(r"(?<!\\)\$(?:\{(\w+)\}|(\w+))")


def read_env(path: Path) -> dict[str, str]:
    """The variables that the file sets.

    Raises:
        RequestError: it cannot be read, or its lines end as on Windows: the shell then reads other values.
    """
    try:
        text = path.read_bytes().decode()  # not read_text, which turns line ends into "\n"
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise RequestError(
            f"cannot read the miner's settings: {reason}",
            where=path,
            expected="the miner.env in the top folder of a miner's source tree",
            todo="name that file; `kerasfusion miner install PATH --model FILE --write-env` writes it into the tree",
        ) from error
    if "\r" in text:
        raise RequestError(
            "the miner's settings have Windows line ends, which the shell takes for a part of each value",
            where=path,
            expected="lines that end in a line feed alone",
            todo=f"sed -i 's/\\r$//' {shlex.quote(str(path))}",
        )
    values: dict[str, str] = {}
    for line in text.split("\n"):
        match = _ASSIGNMENT.match(line)
        if match:
            values[match["key"]] = _value(match["value"], values)
    return values


def env_edits(lines: list[str], values: dict[str, str]) -> list[Edit]:
    """The edits that set variables in a file's lines.

    The last assignment of a variable counts; its `export` and its comment stay.
    """
    edits = []
    for key, value in values.items():
        found = [match for line in lines if (match := _ASSIGNMENT.match(line.rstrip("\r\n"))) and match["key"] == key]
        if not found:
            edits.append(Edit(written=f"{key}={shlex.quote(value)}", before=None))
        elif _value(found[-1]["value"], {}) != value:
            before, start, end = found[-1].string, found[-1].start("value"), found[-1].end("value")
            edits.append(Edit(written=before[:start] + shlex.quote(value) + before[end:], before=before))
    return edits


def _value(text: str, earlier: dict[str, str]) -> str:
    def known(match: re.Match) -> str:
        name = match[1] or match[2]
        return earlier.get(name, os.environ.get(name, ""))

    parts = []
    for part in _PARTS.finditer(text):
        if part["single"] is not None:
            parts.append(part["single"])
        elif part["escaped"] is not None:
            parts.append(part["escaped"])
        elif part["double"] is not None:
            parts.append(re.sub(r'\\([$"\\`])', r"\1", _VARIABLE.sub(known, part["double"])))
        else:
            parts.append(_VARIABLE.sub(known, part["plain"]))
    return "".join(parts)
