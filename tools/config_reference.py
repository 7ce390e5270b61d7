"""Every key of every configuration, from the dataclasses themselves: writes configs/REFERENCE.md.

    .venv/bin/python tools/config_reference.py
    .venv/bin/python tools/config_reference.py --check

With --check nothing is written; exit code 1 if the file is not what would be written.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import click

from kerasfusion.address import Address
from kerasfusion.files.writing import write_text
from kerasfusion.fume.config import FumeConfig
from kerasfusion.roadwork.config import RoadworkConfig
from kerasfusion.roadwork.miner.plugin.detector_settings import DetectorSettings

FILE = Path(__file__).parent.parent / "configs" / "REFERENCE.md"
CONFIGURATIONS = {
    "roadwork": (RoadworkConfig, "`configs/roadwork.yaml`, for `train-yolo`, `precompute`, `fit` and `evaluate`."),
    "fume": (FumeConfig, "`configs/fume/*.yaml`, for `fit`, `evaluate` and `ablate`."),
    "miner": (DetectorSettings, "`configs/miner/*.yaml`, the YAML that `miner install` writes for a detector."),
}
"""Heading -> its dataclass, and where such files are."""

INTRODUCTION = """# Every key of the configurations

Written by `tools/config_reference.py` from the dataclasses that check the files. A key that is left out has its
default; `--set section.key=value` sets one on the command line. An unknown key, a wrong type and a value out of range
are refused, all of them in one message.
"""
WORDS = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    Path: "path",
    Address: "address",
    NoneType: "null",
}
LIMITS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "multiple_of": "multiple of", "pattern": "matching"}


@dataclass(frozen=True)
class Key:
    """One key of a configuration.

    Attributes:
        name: without its section.
        allowed: types, choices and range in words.
        default: as one would write it in YAML.
        meaning: from the class docstring; empty if that says nothing.
    """

    name: str
    allowed: str
    default: str
    meaning: str


def sections(schema: type, prefix: str = "") -> Iterator[tuple[str, str, list[Key]]]:
    """(dotted name, what it is, its keys) of a configuration's top level and of each section in it."""
    meanings, hints = attributes(schema), get_type_hints(schema, include_extras=True)
    nested, keys = [], []
    for field in fields(schema):
        section = next((kind for kind in _members(hints[field.name]) if is_dataclass(kind) and kind not in WORDS), None)
        if section is not None:
            nested.append((f"{prefix}{field.name}", section))
        if section is None or NoneType in _members(hints[field.name]):
            allowed = "null, or a section" if section else describe_type(hints[field.name])
            default = "see below" if section else _yaml(field.default)
            keys.append(Key(field.name, allowed, default, meanings.get(field.name, "")))
    yield prefix.removesuffix("."), inspect.getdoc(schema).split("\n\n")[0].replace("\n", " "), keys
    for name, section in nested:
        yield from sections(section, f"{name}.")


def attributes(schema: type) -> dict[str, str]:
    """Name -> meaning, from the part "Attributes:" of a docstring; several names may share one."""
    _, _, text = inspect.getdoc(schema).partition("Attributes:\n")
    found = {}
    for entry in re.split(r"\n(?=    \S)", text.split("\n\n")[0]):
        names, _, meaning = entry.strip().partition(": ")
        found |= dict.fromkeys(names.split(", "), re.sub(r"\s+", " ", meaning))
    return found


def describe_type(hint: Any) -> str:
    """A field's type in words, with its choices and its range."""
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        return " ".join([describe_type(inner), *([text] if (text := _limits(extras)) else [])])
    if get_origin(hint) is Literal:
        return " or ".join(f"`{_yaml(choice)}`" for choice in get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(describe_type(member) for member in get_args(hint))
    if get_origin(hint) is tuple:
        members = get_args(hint)
        if members[-1] is Ellipsis:
            return f"list of {describe_type(members[0])}"
        words = list(dict.fromkeys(map(describe_type, members)))
        return f"list of {len(members)}: {words[0] if len(words) == 1 else ', '.join(words)}"
    return WORDS[hint]


def as_markdown() -> str:
    """The whole file."""
    parts = [INTRODUCTION]
    for system, (schema, files) in CONFIGURATIONS.items():
        for name, what, keys in sections(schema):
            parts.append(f"### {system}: {name}\n\n{what}\n" if name else f"## {system}\n\n{files}\n")
            rows = [(f"`{key.name}`", key.allowed, f"`{key.default}`", key.meaning) for key in keys]
            if rows:
                lines = [("key", "allowed", "default", "meaning"), ("---",) * 4, *rows]
                parts.append("\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines) + "\n")
    return "\n".join(parts)


def _members(hint: Any) -> tuple:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _limits(extras: list) -> str:
    """What pydantic checks, from the metadata of its Field."""
    checks = [check for extra in extras for check in getattr(extra, "metadata", [extra])]
    found = []
    for name, sign in LIMITS.items():
        for check in checks:
            value = getattr(check, name, None)
            if value is not None:
                found.append(f"{sign} `{value}`" if name == "pattern" else f"{sign} {value:,}")
    return ", ".join(found)


def _yaml(value: Any) -> str:
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return json.dumps(value)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


@click.command(help=__doc__.partition("\n")[0])
@click.option("--check", is_flag=True, help="Only say whether the file is current.")
def main(check: bool):
    """Write or check the file."""
    text = as_markdown()
    if not check:
        write_text(FILE, text)
        click.echo(f"written: {FILE}")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != text:
        click.echo(f"not current: {FILE}\n  what to do: python tools/config_reference.py", err=True)
        sys.exit(1)
    else:
        click.echo(f"current: {FILE}")


if __name__ == "__main__":
    main()
