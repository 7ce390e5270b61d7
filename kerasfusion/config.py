"""YAML to frozen dataclasses: every bad key is found in one go, and `--set a.b=value` lies over the file."""

import difflib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from kerasfusion.address import Address, is_address
from kerasfusion.errors import RequestError
from kerasfusion.yaml_text import parse_setting_value, parse_yaml

Schema = TypeVar("Schema")

STRICT_KEYS = ConfigDict(extra="forbid")
"""Of every section's dataclass: a key that it does not have is an error."""

LONGEST_SHOWN = 200
"""Characters of a wrong value in a message."""


def load_config(
    schema: type[Schema],
    path: Path | None = None,
    settings: Iterable[str] = (),
    flags: Mapping[str, Any] | None = None,
    without_meaning: Iterable[str] = (),
) -> Schema:
    """Build the configuration from, in rising precedence: defaults, the file, `settings`, `flags`.

    Args:
        schema: a frozen pydantic dataclass (nested ones are sections).
        path: YAML file, or None for the defaults alone.
        settings: "section.key=value" texts, as given with `--set`. The value is YAML; one with a # that YAML would take
            for a comment is text, whole.
        flags: dotted key -> value; None values are flags that were not given.
        without_meaning: dotted keys of other programs' files that are passed over, with one warning.

    Raises:
        RequestError: the file is missing or not YAML, or any key is unknown, missing, of a wrong type or out of
            range; all of them are listed in the one message.
    """
    tree = read_yaml(path) if path is not None else {}
    for text in settings:
        key, value = _parse_setting(text)
        _put(tree, key, value)
    for key, value in (flags or {}).items():
        if value is not None:
            _put(tree, key, str(value) if isinstance(value, Address) else value)
    _drop(tree, without_meaning)
    try:
        config = TypeAdapter(schema).validate_python(tree)
        lines = _addresses_for_paths(tree, config)
    except ValidationError as error:
        lines = [_explain(schema, item) for item in error.errors()]
    if not lines:
        return config
    count = "1 key is" if len(lines) == 1 else f"{len(lines)} keys are"
    raise RequestError(
        f"the configuration is not valid; {count} wrong:\n" + "\n".join(f"  - {line}" for line in lines),
        where=" and ".join([*([str(path)] if path else []), *(["--set or a flag"] if settings or flags else [])]),
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        RequestError: missing, unreadable, not YAML, a key twice, or not a mapping; names file and line.
    """
    try:
        tree = parse_yaml(Path(path).read_text(encoding="utf-8-sig"), Path(path).name)
    except OSError as error:
        raise RequestError(
            f"cannot read the configuration: {error.strerror}",
            where=path,
            todo="name another; `kerasfusion init FOLDER` writes configurations to start from",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RequestError(
            f"the configuration is not YAML: {error}",
            where=path,
            todo="mend the file there, or start from one that `kerasfusion init FOLDER` writes",
        ) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise RequestError("the configuration is not a mapping", where=path, expected="lines such as `seed: 42`")
    return tree


def to_dict(config: Any) -> Any:
    """The configuration as plain mappings, lists and scalars, in the order of its fields."""
    return TypeAdapter(type(config)).dump_python(config, mode="json")


def to_yaml(config: Any) -> str:
    """The resolved configuration as YAML that `load_config` reads back to an equal value."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def _parse_setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RequestError(f"--set {_shown(text)} is not key=value", expected="for example --set fit.epochs=5")
    try:
        return key.strip(), parse_setting_value(value)
    except yaml.YAMLError as error:
        raise RequestError(f"--set {_shown(text)}: the value is not YAML: {error}") from error


def _put(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, leaf = dotted.split(".")
    for section in sections:
        below = tree.setdefault(section, {})
        if below is None:  # an empty section in the file
            below = tree[section] = {}
        if not isinstance(below, dict):
            raise RequestError(f"{dotted}: {section} is a value, not a section")
        tree = below
    tree[leaf] = value


def _drop(tree: dict[str, Any], keys: Iterable[str]) -> None:
    dropped = []
    for dotted in keys:
        *sections, leaf = dotted.split(".")
        below: Any = tree
        for section in sections:
            below = below.get(section) if isinstance(below, dict) else None
        if isinstance(below, dict) and leaf in below:
            del below[leaf]
            dropped.append(dotted)
    if dropped:
        warnings.warn(f"these keys mean nothing here and are passed over: {', '.join(dropped)}", stacklevel=3)


def _explain(schema: type, error: Any) -> str:
    path = [str(part) for part in error["loc"]]
    key = ".".join(path) or "(top level)"
    if error["type"] == "unexpected_keyword_argument":
        near = difflib.get_close_matches(path[-1], _keys(schema, path[:-1]), n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(_keys(schema, path[:-1]))}"
        return f"{key}: unknown key{hint}"
    if error["type"] in ("missing", "missing_argument"):
        return f"{key}: missing"
    return f"{key}: {error['msg']}, but {_shown(error['input'])} was given"


def _addresses_for_paths(tree: Mapping[str, Any], config: Any, prefix: str = "") -> list[str]:
    """A line for each address that was given where a path alone can be; as a path it would be a folder named `s3:`."""
    lines = []
    for key, given in tree.items():
        found = getattr(config, key)
        if isinstance(given, Mapping) and is_dataclass(found):
            lines += _addresses_for_paths(given, found, f"{prefix}{key}.")
        elif isinstance(found, Path) and isinstance(given, str) and is_address(given):
            lines.append(f"{prefix}{key}: only a path of this machine can be here, but {_shown(given)} was given")
    return lines


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _keys(schema: type, sections: list[str]) -> list[str]:
    for section in sections:
        schema = get_type_hints(schema).get(section)
        if not is_dataclass(schema):
            return []
    return [field.name for field in fields(schema)]
